"""How an attempt ended, as the tick hands it to the monitor once it is committed."""

from __future__ import annotations

from typing import NamedTuple


class Outcome(NamedTuple):
    """One attempt that ended. `error_class` is None for a success; times are in seconds, None if it never ran.

    The hot path writes plain tuples of this shape.
    """

    type: str
    agent_id: str
    error_class: str | None
    will_retry: bool
    wait_seconds: float | None  # from ready to started
    run_seconds: float | None


OutcomeTuple = Outcome | tuple[str, str, str | None, bool, float | None, float | None]
