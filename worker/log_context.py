"""Which attempt the current thread or coroutine works on, for its log lines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from core.protocol import Run

_current: ContextVar[Run | None] = ContextVar("attempt", default=None)


@contextmanager
def attempt_bound(run: Run) -> Iterator[None]:
    """Log lines within the block bear the attempt's task, number and type."""
    token = _current.set(run)
    try:
        yield
    finally:
        _current.reset(token)


def bound_fields() -> dict[str, object]:
    """What the current attempt adds to a log line; nothing outside of one."""
    run = _current.get()
    return {} if run is None else {"task": run.task_id, "attempt": run.attempt, "type": run.task_type}
