"""Stores how many agents of each kind somebody wants, each change with its audit row."""

from __future__ import annotations

from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.scheduling.pool_sizes import PoolSize


def pool_sizes(tx: Transaction) -> dict[str, PoolSize]:
    """Returns by kind the sizes in force; the pool file decides those of other kinds."""
    return {row[0]: PoolSize(*row) for row in tx.rows(queries("pool_sizes")["all_sizes"], {})}


def scale(tx: Transaction, kind: str, count: int, before: int | None, actor: str, reason: str) -> bool:
    """Sets the size of a kind; returns False if it is that already. `before` is the number until now, for the audit."""
    parameters = {"kind": kind, "count": count, "before": before, "actor": actor, "reason": reason}
    return bool(tx.rows(queries("pool_sizes")["scale"], parameters))


def reset(tx: Transaction, kind: str, actor: str, reason: str) -> bool:
    """Lets the pool file decide again; returns False if it did already."""
    return bool(tx.rows(queries("pool_sizes")["reset"], {"kind": kind, "actor": actor, "reason": reason}))
