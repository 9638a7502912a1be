"""Turns a filter into statements' parameters, with time limits, window after window of ids."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from taskyard.core.errors import Busy, SubmissionError
from taskyard.core.filters.fields import like_pattern
from taskyard.core.filters.search_filter import DURATIONS, Sort, TaskFilter
from taskyard.core.i18n import msg
from taskyard.core.ids import first_id_at
from taskyard.core.payload.culprits import refused
from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.postgres.errors import values_refused
from taskyard.core.states import TERMINAL, TaskState

FIRST_WINDOW = 2_000  # tasks
GROWTH = 8
MIN_SHARE = 0.2  # of the last window
MAX_SHARE = 0.5  # of the time left, for one window: some take twice as long as the last one promised
# A single statement that takes longer was planned wrongly, or the machine is overloaded.
STATEMENT_SECONDS = 5.0
# Submitters make the ids by their own clocks. One whose clock is off by more may be missed by a filter's times.
CLOCK_MARGIN = timedelta(hours=1)
PATH_SEARCHES = 2  # at once in a process: each keeps a core of PostgreSQL busy
PATIENCE_SECONDS = 2.0
_by_path = threading.BoundedSemaphore(PATH_SEARCHES)
OPEN = frozenset(TaskState) - TERMINAL


def parameters_of(
    only: TaskFilter, now: datetime, sort: Sort, *, can_start: bool = False, reads_errors: bool = True
) -> dict[str, Any]:
    """Returns the statements' parameters, without a position.

    `can_start` leaves out tasks that waited for tasks that have not completed; without `reads_errors` the text is not
    looked for in errors.
    """
    since, until = only.span(now)
    ended_since, ended_until = only.ended_span(now)
    states = frozenset(only.states)
    return {
        "low": first_id_at(since - CLOCK_MARGIN) if since else None,
        "high": first_id_at(until + CLOCK_MARGIN) if until else None,
        "id": only.task_id,
        "ids": None,
        "is_open": (bool(states) and states <= OPEN) or sort is Sort.WAITING,
        # tasks with errors have an index by age, and one by fingerprint: only one of them is asked for
        "has_error": only.fingerprint is None and (states == {TaskState.FAILED} or only.error_class is not None),
        "fingerprint": only.fingerprint,
        "workflow_id": only.workflow_id,
        "states": [state.value for state in only.states] or None,
        "types": list(only.types) or None,
        "queues": list(only.queues) or None,
        "priorities": [int(priority) for priority in only.priorities] or None,
        "agent": only.agent,
        "error_class": only.error_class,
        "tag": only.tag,
        "created_by": only.created_by,
        "since": since,
        "until": until,
        "ended_since": ended_since,
        "ended_until": ended_until,
        **{name: getattr(only, name) for name in DURATIONS},
        "pattern": like_pattern(only.text) if only.text and not only.task_id else None,
        "input_path": only.input_path,
        "output_path": only.output_path,
        "reads_errors": reads_errors,
        "can_start": can_start,
        "sort": sort.value,
        "as_of": None,
        "place_key": None,
        "place_id": None,
    }


@contextmanager
def bounded(tx: Transaction, only: TaskFilter, patience_seconds: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Limits the time of each statement, and names the field that PostgreSQL refuses.

    Raises Busy if this process still runs its maximum of JSON path searches after `patience_seconds`.
    """
    paths = {name: path for name in ("input_path", "output_path") if (path := getattr(only, name))}
    if not paths:
        with limited_time(tx):
            yield
        return
    with _one_of_few(paths, patience_seconds):
        for name, path in paths.items():
            with _path_refused({name: path}):
                tx.rows(queries("search")["check_path"], {"path": path})
        with limited_time(tx), _path_refused(paths):
            yield


@contextmanager
def _one_of_few(paths: dict[str, str], patience_seconds: float) -> Iterator[None]:
    if not _by_path.acquire(timeout=patience_seconds):
        raise Busy(
            msg(
                "{count} searches by {fields} are running: they read whole inputs and outputs, so no more run at once. "
                "Try again in a moment",
                count=PATH_SEARCHES,
                fields=" or ".join(paths),
            )
        )
    try:
        yield
    finally:
        _by_path.release()


@contextmanager
def limited_time(tx: Transaction) -> Iterator[None]:
    """Cancels statements that take much longer than they should; the transaction then raises Busy."""
    limit = f"{STATEMENT_SECONDS * 1000:.0f}"
    before = tx.rows(queries("search")["limit_time"], {"limit": limit})[0][0]
    yield
    tx.rows(queries("search")["limit_time"], {"limit": before})


def _path_refused(paths: dict[str, str]) -> AbstractContextManager[None]:
    """Returns the error of a JSON path that fails only on a task, such as one with an unset variable."""

    def explained(reason: str) -> SubmissionError:
        return refused(
            " or ".join(paths), " or ".join(paths.values()), msg("an SQL/JSON path ({reason})", reason=reason)
        )

    return values_refused(explained)


class Window(NamedTuple):
    """Ids from `low` up to but excluding `high`; None is no bound. The last window reaches the end of the search."""

    low: str | None
    high: str | None
    is_last: bool


def windows(tx: Transaction, asked: dict[str, Any], *, goes_down: bool, budget_seconds: float) -> Iterator[Window]:
    """Yields adjoining windows until the budget is spent, at least one; they grow as fast as their cost allows."""
    pace = Pace(budget_seconds, FIRST_WINDOW)
    low, high = asked["low"], asked["high"]
    statement = assembled(queries("search")["edge"]).replace("<direction>", "DESC" if goes_down else "ASC")
    while (size := int(pace.next_size())) > 0:
        parameters = {**asked, "low": low, "high": high, "size": size - 1 if goes_down else size}
        rows = tx.rows(statement, parameters)
        edge = rows[0][0] if rows else None
        is_last = edge is None
        if goes_down:
            yield Window(low if is_last else edge, high, is_last)
            high = edge
        else:
            yield Window(low, high if is_last else edge, is_last)
            low = edge
        if is_last:
            return


class Pace:
    """Sets the size of the next window: larger each time, as long as the budget will probably last."""

    def __init__(self, budget_seconds: float, first_size: float) -> None:
        self._deadline = time.monotonic() + budget_seconds
        self._size = first_size
        self._began: float | None = None

    def next_size(self) -> float:
        """Returns the next window's size; 0 if too little time is left, except for the first window."""
        now = time.monotonic()
        if self._began is not None:
            affordable = (self._deadline - now) / (now - self._began)  # in looks like the last one
            self._size = self._size * min(MAX_SHARE * affordable, GROWTH) if affordable > MIN_SHARE else 0
        self._began = now
        return self._size


def assembled(statement: str) -> str:
    """Returns a statement with its conditions in place."""
    parts = {"<narrowed>": queries("search")["narrowed"], "<fitting>": queries("search")["fitting"]}
    for word, part in {**parts, "<key>": queries("search")["key"]}.items():
        statement = statement.replace(word, f"({part})")
    return statement
