"""Defines what the live snapshot has of what the leader has learned."""

from __future__ import annotations

import msgspec


class StartsLive(msgspec.Struct):
    """How far estimated starts were off: by which factors an estimate becomes a range, and how many ranges held."""

    results: int
    low_factor: float
    high_factor: float
    coverage: float | None


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
