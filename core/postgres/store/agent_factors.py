"""Stores what is learned of agents: their speeds and successes by type."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from taskyard.core.learning.factors import Factor, Key
from taskyard.core.postgres.arrays import plain, quoted
from taskyard.core.postgres.database import Transaction, queries


def factors(tx: Transaction) -> dict[Key, Factor]:
    """Returns the factors by agent and type, the one that learned longest ago first."""
    return {(row[0], row[1]): Factor(*row[2:]) for row in tx.rows(queries("learning")["factors"], {})}


def save(tx: Transaction, changed: Mapping[Key, Factor]) -> None:
    """Stores factors, in the order in which they learned."""
    rows = list(changed.items())
    parameters = {
        "agents": quoted(agent for (agent, _), _ in rows),
        "types": quoted(type_ for (_, type_), _ in rows),
        "runs": plain(one.runs for _, one in rows),
        "ratios": plain(one.log_ratio for _, one in rows),
        "variances": plain(one.variance for _, one in rows),
        "attempts": plain(one.attempts for _, one in rows),
        "successes": plain(one.success for _, one in rows),
    }
    tx.rows(queries("learning")["save_factors"], parameters)


def forget(tx: Transaction, keys: Collection[Key]) -> None:
    """Deletes what is known of these agents and types."""
    pairs = list(keys)
    parameters = {"agents": quoted(agent for agent, _ in pairs), "types": quoted(type_ for _, type_ in pairs)}
    tx.rows(queries("learning")["forget_factors"], parameters)
