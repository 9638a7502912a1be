"""Defines what a submitter needs to know of a queue to give head starts (pure)."""

from __future__ import annotations

from typing import NamedTuple


class QueueState(NamedTuple):
    """The length in seconds below which tasks are short, the longest wait now, and whether head starts are given."""

    short_seconds: float
    longest_wait_seconds: float
    is_on: bool
