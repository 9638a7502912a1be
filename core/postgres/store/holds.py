"""Stores holds on queues, task types and agents, each change with its audit row."""

from __future__ import annotations

from taskyard.core.errors import SubmissionError
from taskyard.core.i18n import msg
from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.scheduling.holds import Hold, HoldKind, HoldMode, Holds


def holds(tx: Transaction) -> Holds:
    """Returns all holds in force."""
    return Holds.of(_hold(row) for row in tx.rows(queries("holds")["all_holds"], {}))


def hold(tx: Transaction, kind: HoldKind, name: str, mode: HoldMode, actor: str, reason: str) -> bool:
    """Holds a subject, or changes its mode; returns False if it was held like this already.

    Raises SubmissionError for an agent that was never registered.
    """
    if kind is HoldKind.AGENT and not tx.rows(queries("holds")["agent_is_known"], {"name": name})[0][0]:
        raise SubmissionError("agent", name, msg("the name of an agent that has been registered"))
    parameters = {"kind": kind.value, "name": name, "mode": mode.value, "actor": actor, "reason": reason}
    return bool(tx.rows(queries("holds")["hold"], parameters))


def is_queue_known(tx: Transaction, name: str) -> bool:
    """Returns True if any task, including retained ended ones, is in a queue of this name, or it is held."""
    return bool(tx.rows(queries("holds")["queue_is_known"], {"name": name})[0][0])


def is_type_known(tx: Transaction, name: str) -> bool:
    """Returns True if any retained task is of this type, a registered agent declared it, or it is held."""
    return bool(tx.rows(queries("holds")["type_is_known"], {"name": name})[0][0])


def release(tx: Transaction, kind: HoldKind, name: str, actor: str, reason: str) -> bool:
    """Releases a hold; returns False if there was none."""
    parameters = {"kind": kind.value, "name": name, "actor": actor, "reason": reason}
    return bool(tx.rows(queries("holds")["release"], parameters))


def _hold(row: tuple[object, ...]) -> Hold:
    kind, name, mode, actor, reason, since = row
    return Hold(HoldKind(kind), name, HoldMode(mode), actor, reason, since)  # type: ignore[arg-type]
