"""Defines what the live snapshot has of what the leader has learned."""

from __future__ import annotations

import msgspec


class StartsLive(msgspec.Struct):
    """How far estimated starts were off: by which factors an estimate becomes a range, and how many ranges held."""

    results: int
    low_factor: float
    high_factor: float
    coverage: float | None


class QueueLearningLive(msgspec.Struct):
    """Whether a queue's head starts are given (`is_on`) and used (`is_learned`), and why.

    `reason` is one of core.learning.queue_learning. Tasks predicted below `short_seconds` are short; `ratio` is their
    mean run time by that of the others, None while too few have ended.
    """

    queue: str
    is_learned: bool
    is_on: bool
    reason: str
    short_seconds: float
    ratio: float | None


class LearningLive(msgspec.Struct):
    """What the leader has learned: keys, results in this term (and those outside of their interval), and how they hold.

    `coverage` is the share of the last 1,000 within their 80 % interval, `error_factor` by what factor predictions are
    typically off; None: too few.
    """

    keys: int
    tasks: int
    below: int
    above: int
    coverage: float | None
    error_factor: float | None
    starts: StartsLive | None = None
    queues: list[QueueLearningLive] = []
    hedges_begun: int = 0  # second attempts in this term …
    hedges_won: int = 0  # … that succeeded first
