"""Defines attempt outcomes as a committed tick hands them to the monitor."""

from __future__ import annotations

from typing import NamedTuple


class Failed(NamedTuple):
    """One attempt that failed. Times are in seconds, None if it never ran."""

    type: str
    agent_id: str
    error_class: str
    will_retry: bool
    wait_seconds: float | None  # from ready to started
    run_seconds: float | None


# By (type, agent id): seconds of waiting and of running of each attempt that succeeded. Lists of numbers, since an
# object for each of twenty thousand a second would keep the garbage collector busy.
Successes = dict[tuple[str, str], tuple[list[float], list[float]]]


def note_success(successes: Successes, task_type: str, agent_id: str, wait_seconds: float, run_seconds: float) -> None:
    """Adds an attempt that succeeded."""
    key = (task_type, agent_id)
    seconds = successes.get(key)
    if seconds is None:
        successes[key] = ([wait_seconds], [run_seconds])
    else:
        seconds[0].append(wait_seconds)
        seconds[1].append(run_seconds)
