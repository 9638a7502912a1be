"""Searches tasks by any filter, a page at a time, within a time budget however many tasks there are.

Pages are found by keyset (the position of the last row, not an offset), so that new submissions shift nothing:
https://use-the-index-luke.com/no-offset. Without a fitting index, one window of ids after another is searched;
windows grow as the cost of earlier ones allows. A search that uses up its time reports how far it got, and its `next`
continues from there.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from taskyard.core.filters.search_filter import Sort, TaskFilter
from taskyard.core.i18n import msg
from taskyard.core.ids import time_of
from taskyard.core.models import Task
from taskyard.core.payload.culprits import refused
from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.postgres.store import tasks as tasks_store
from taskyard.core.postgres.store.cursors import Cursor
from taskyard.core.postgres.store.search_names import find_named
from taskyard.core.postgres.store.search_query import Window, assembled, bounded, parameters_of, windows
from taskyard.core.postgres.store.task_columns import with_columns

MAX_PAGE_SIZE = 1000
BUDGET_SECONDS = 0.15
COUNT_SECONDS = 1.0
OPERATION_PATIENCE_SECONDS = 60.0  # an operation on many tasks would otherwise end half-done
NEWEST_LOOKED_AT = 2_000
BY_AGE = (Sort.NEWEST, Sort.OLDEST)


@dataclass(frozen=True, slots=True)
class Found:
    """A page of a search: tasks without inputs, outputs and checkpoints, and the cursors of its neighbours.

    `next` is None at the end of the search, `previous` at its start. `searched_to` is set if the time ran out before
    the page was full: tasks up to there (by submission time) were searched, and `next` continues. For an order other
    than by age it bounds what was ordered.
    """

    tasks: tuple[Task, ...]
    next: Cursor | None
    previous: Cursor | None
    searched_to: datetime | None

    @property
    def is_complete(self) -> bool:
        """Returns True if unlimited time would have found the same."""
        return self.searched_to is None


@dataclass(frozen=True, slots=True)
class Matching:
    """A number of matching tasks, `as_of` the database's time; a lower bound if it is not exact."""

    count: int
    is_exact: bool
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Facets:
    """Values that tasks can be searched by; creators are those of the newest tasks."""

    types: tuple[str, ...]
    queues: tuple[str, ...]
    agents: tuple[str, ...]
    creators: tuple[str, ...]
    tags: tuple[str, ...]


def find(
    tx: Transaction,
    only: TaskFilter,
    *,
    sort: Sort = Sort.NEWEST,
    after: Cursor | None = None,
    limit: int = 50,
    budget_seconds: float = BUDGET_SECONDS,
    reads_errors: bool = True,
) -> Found:
    """Returns the tasks that match, from the start or from a cursor of an earlier page of this search.

    An order other than by age holds within the range that was searched; `next` then begins a new, older range after
    it. Without `reads_errors` a text is not looked for in errors' messages, for those who may not read them. Raises
    SubmissionError, Busy or Unavailable.
    """
    if not 1 <= limit <= MAX_PAGE_SIZE:
        raise refused("limit", limit, msg("a number from 1 to {limit}", limit=MAX_PAGE_SIZE))
    place = after or Cursor()
    if place != Cursor() and not _is_place_of(place, sort):
        raise refused(
            "after", str(place), msg("a cursor from an earlier page of this search in this order ({sort})", sort=sort)
        )
    with bounded(tx, only):
        now = tasks_store.now(tx)
        asked = parameters_of(only, now, sort, reads_errors=reads_errors)
        find_named(tx, only, asked)
        if sort in BY_AGE:
            return _find_by_age(tx, asked, sort, place, limit, budget_seconds)
        asked["as_of"] = now.timestamp() if place.as_of is None else place.as_of
        return _find_by_key(tx, asked, place, limit, budget_seconds)


def count_matching(
    tx: Transaction,
    only: TaskFilter,
    *,
    can_start: bool = False,
    at_most: int = 1_000_000,
    budget_seconds: float = COUNT_SECONDS,
    reads_errors: bool = True,
) -> Matching:
    """Counts matching tasks, as far as time allows; raises SubmissionError, Busy or Unavailable.

    `can_start` leaves out those that waited for tasks which have not completed; `reads_errors` is that of `find`.
    """
    with bounded(tx, only):
        now = tasks_store.now(tx)
        asked = parameters_of(only, now, Sort.NEWEST, can_start=can_start, reads_errors=reads_errors)
        find_named(tx, only, asked)
        count, is_exact = 0, False
        for window in windows(tx, asked, goes_down=True, budget_seconds=budget_seconds):
            limit = at_most + 1 - count
            parameters = {**asked, "low": window.low, "high": window.high, "limit": limit}
            count += tx.rows(assembled(queries("search")["count"]), parameters)[0][0]
            is_exact = window.is_last
            if count > at_most:
                return Matching(at_most, False, now)
        return Matching(count, is_exact, now)


def next_ids(
    tx: Transaction,
    only: TaskFilter,
    *,
    after: str | None,
    limit: int,
    can_start: bool = False,
    budget_seconds: float = COUNT_SECONDS,
) -> tuple[list[str], str | None]:
    """Returns at most `limit` matching ids behind an id, oldest first, and the id to continue behind (None: no more).

    `can_start` leaves out those that waited for tasks which have not completed at that time. Fewer than `limit` do
    not mean the end. Raises SubmissionError, Busy or Unavailable.
    """
    with bounded(tx, only, OPERATION_PATIENCE_SECONDS):
        asked = parameters_of(only, tasks_store.now(tx), Sort.OLDEST, can_start=can_start)
        find_named(tx, only, asked)
        if after is not None:
            asked["low"] = _greatest(asked["low"], _following(after))
        ids: list[str] = []
        for window in windows(tx, asked, goes_down=False, budget_seconds=budget_seconds):
            parameters = {**asked, "low": window.low, "high": window.high, "limit": limit - len(ids)}
            ids += [row[0] for row in tx.rows(assembled(queries("search")["ids"]), parameters)]
            if len(ids) == limit:
                return ids, ids[-1]
            if window.is_last:
                return ids, None
        return ids, _before(str(window.high))


def facets(tx: Transaction) -> Facets:
    """Returns the known types, queues, agents, creators and tags, each in order."""
    found: dict[str, list[str]] = {}
    for kind, name in tx.rows(queries("search")["facets"], {"newest": NEWEST_LOOKED_AT}):
        found.setdefault(kind, []).append(name)
    return Facets(*(tuple(found.get(kind, ())) for kind in ("type", "queue", "agent", "creator", "tag")))


class _Way(NamedTuple):
    """In which direction a search by age goes through the ids: down to older tasks, or up to newer ones."""

    is_down: bool

    def go_on_behind(self, asked: dict[str, Any], task_id: str) -> None:
        """Leaves out everything up to this task."""
        if self.is_down:
            asked["high"] = _least(asked["high"], task_id)
        else:
            asked["low"] = _greatest(asked["low"], _following(task_id))

    def last_id_of(self, window: Window) -> str:
        """Returns the id behind which the next window begins."""
        return str(window.low) if self.is_down else _before(str(window.high))

    def just_before(self, task_id: str) -> str:
        """Returns the id behind which the way back meets this task first."""
        return _before(task_id) if self.is_down else _following(task_id)


def _find_by_age(
    tx: Transaction, asked: dict[str, Any], sort: Sort, place: Cursor, limit: int, budget_seconds: float
) -> Found:
    way = _Way(is_down=(sort is Sort.NEWEST) != place.is_back)
    if place.id is not None:
        way.go_on_behind(asked, place.id)
    statement = _page("DESC" if way.is_down else "ASC")
    rows: list[Sequence[Any]] = []
    searched_to: str | None = None  # None: to the end
    for window in windows(tx, asked, goes_down=way.is_down, budget_seconds=budget_seconds):
        parameters = {**asked, "low": window.low, "high": window.high, "limit": limit + 1 - len(rows)}
        rows += tx.rows(statement, parameters)
        searched_to = None if window.is_last else way.last_id_of(window)
        if len(rows) > limit:
            break
    tasks = [Task.from_row(row[:-1]) for row in rows[:limit]]
    go_on_behind = searched_to
    if len(rows) > limit:
        searched_to, go_on_behind = None, tasks[-1].id
    onwards = None if go_on_behind is None else Cursor(is_back=place.is_back, id=go_on_behind)
    backwards = None
    if place.id is not None:
        backwards = Cursor(is_back=not place.is_back, id=tasks[0].id if tasks else way.just_before(place.id))
    return _found(tasks, onwards, backwards, place, searched_to)


def _find_by_key(tx: Transaction, asked: dict[str, Any], place: Cursor, limit: int, budget_seconds: float) -> Found:
    rows: list[Sequence[Any]] = []
    if place.id is None:
        low, high = None, place.high
        asked["high"] = _least(asked["high"], high)
        statement = _page("DESC")
        for window in windows(tx, asked, goes_down=True, budget_seconds=budget_seconds):
            parameters = {**asked, "low": window.low, "high": window.high, "limit": limit + 1}
            rows += tx.rows(statement, parameters)
            rows = sorted(rows, key=lambda row: (row[-1], row[0]), reverse=True)[: limit + 1]
            low = None if window.is_last else window.low
    else:
        low, high = place.low, place.high
        asked.update(low=_greatest(asked["low"], low), high=_least(asked["high"], high), limit=limit + 1)
        asked.update(place_key=place.key, place_id=place.id)
        rows += tx.rows(_page("ASC" if place.is_back else "DESC"), asked)
    tasks = [Task.from_row(row[:-1]) for row in rows[:limit]]

    def beside(row: Sequence[Any], is_back: bool) -> Cursor:
        return Cursor(is_back, row[0], row[-1], low, high, asked["as_of"])

    onwards = beside(rows[limit - 1], place.is_back) if len(rows) > limit else None
    if onwards is None and not place.is_back and low is not None:
        onwards = Cursor(high=low)
    backwards = None
    if place.id is not None:
        backwards = beside(rows[0] if rows else [place.id, place.key], not place.is_back)
    return _found(tasks, onwards, backwards, place, low)


def _found(
    tasks: list[Task], onwards: Cursor | None, backwards: Cursor | None, place: Cursor, edge: str | None
) -> Found:
    """Returns a page in display order; one that was searched backwards is reversed."""
    searched_to = None if edge is None else time_of(edge)
    if place.is_back:
        return Found(tuple(reversed(tasks)), backwards, onwards, searched_to)
    return Found(tuple(tasks), onwards, backwards, searched_to)


def _is_place_of(place: Cursor, sort: Sort) -> bool:
    if sort in BY_AGE:
        return place.id is not None and place.key is None and place.high is None
    return place.high is not None if place.id is None else place.key is not None


def _page(direction: str) -> str:
    behind = "<" if direction == "DESC" else ">"
    statement = with_columns(assembled(queries("search")["page"]))
    return statement.replace("<direction>", direction).replace("<behind>", behind)


def _following(task_id: str) -> str:
    """Returns the smallest id that is greater."""
    return str(uuid.UUID(int=min(uuid.UUID(task_id).int + 1, (1 << 128) - 1)))


def _before(task_id: str) -> str:
    """Returns the greatest id that is smaller."""
    return str(uuid.UUID(int=max(uuid.UUID(task_id).int - 1, 0)))


def _greatest(*ids: str | None) -> str | None:
    return max((id_ for id_ in ids if id_ is not None), default=None)


def _least(*ids: str | None) -> str | None:
    return min((id_ for id_ in ids if id_ is not None), default=None)
