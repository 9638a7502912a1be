"""Writes a synthetic history for tests and benchmarks."""

from __future__ import annotations

from taskyard.core.postgres.database import Transaction, queries


def has_real_tasks(tx: Transaction) -> bool:
    """Returns True if any task was not seeded."""
    return bool(tx.rows(queries("seed")["any_unseeded"], {})[0][0])


def seed(tx: Transaction, count: int, since: float, seconds: float, draw: float) -> None:
    """Adds `count` ended tasks with their events, submitted within `seconds` from `since` (epoch seconds) on.

    `draw` in [-1, 1] makes the random numbers repeatable.
    """
    tx.rows(queries("seed")["set_seed"], {"seed": draw})
    tx.rows(queries("seed")["seed"], {"count": count, "since": since, "seconds": seconds})


def step_back(tx: Transaction, since: float) -> None:
    """Makes the roll-ups count again from this time (epoch seconds) on."""
    tx.rows(queries("seed")["step_back"], {"since": since})
