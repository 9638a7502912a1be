"""Reads the Tasks page's data: search pages, counts, facets, and saved filters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from taskyard.core.errors import SubmissionError
from taskyard.core.filters.search_filter import Sort, TaskFilter
from taskyard.core.models import Task
from taskyard.core.postgres.store import saved_filters as saved_filters_store
from taskyard.core.postgres.store import search
from taskyard.core.postgres.store import tasks as tasks_store
from taskyard.core.postgres.store.cursors import Cursor
from taskyard.core.postgres.store.saved_filters import MAX_NAME_LENGTH, SavedFilter
from taskyard.core.postgres.store.search import Facets, Matching
from taskyard.core.submission import authorized_controls
from taskyard.core.submission.open_servers import Servers
from taskyard.dashboard.data.base import connections, forget, shared
from taskyard.dashboard.data.viewer import actor

__all__ = ["MAX_NAME_LENGTH", "Facets", "Matching", "SavedFilter"]  # what pages show of the store

PAGE_SIZE = 25
# The first page is read repeatedly by every viewer; later ones on request.
FIRST_BUDGET_SECONDS, LATER_BUDGET_SECONDS = 0.06, 1.0
COUNT_BUDGET_SECONDS = 0.05
COUNT_TTL_SECONDS = 10.0
FACETS_TTL_SECONDS = 30.0

Params = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Page:
    """Some tasks in order, without inputs and outputs, and the positions of the neighbouring pages.

    `searched_to` is set if the search ran out of time before the page was full. `problem` is the filter's; there
    are no tasks then.
    """

    tasks: Sequence[Task]
    now: datetime
    next: str = ""
    previous: str = ""
    searched_to: datetime | None = None
    problem: str = ""


def params_of(only: TaskFilter) -> Params:
    """Returns a filter as a hashable value."""
    return tuple(sorted(only.as_params().items()))


@shared()
def page(servers: Servers, params: Params, sort: str, after: str) -> Page:
    """Returns one page of a search. `after` is a position from another page, or empty for the first page."""
    with servers.database.transaction() as tx:
        now = tasks_store.now(tx)
        try:
            place = Cursor.parse(after) if after else None
            found = search.find(
                tx,
                TaskFilter.from_params(dict(params)),
                sort=Sort(sort),
                after=place,
                limit=PAGE_SIZE,
                budget_seconds=LATER_BUDGET_SECONDS if after else FIRST_BUDGET_SECONDS,
            )
        except SubmissionError as error:
            return Page((), now, problem=error.text)
    return Page(found.tasks, now, str(found.next or ""), str(found.previous or ""), found.searched_to)


@shared()
def listed(servers: Servers, ids: tuple[str, ...]) -> Page:
    """Returns these tasks as they are now, in this order."""
    with servers.database.transaction() as tx:
        return Page(tasks_store.tasks_of(tx, ids), tasks_store.now(tx))


@shared(ttl_seconds=COUNT_TTL_SECONDS)
def matching(servers: Servers, params: Params) -> Matching | None:
    """Counts matching tasks, as far as that is quick; returns None if the filter is refused."""
    with servers.database.transaction() as tx:
        try:
            only = TaskFilter.from_params(dict(params))
            return search.count_matching(tx, only, budget_seconds=COUNT_BUDGET_SECONDS)
        except SubmissionError:
            return None


@shared(ttl_seconds=FACETS_TTL_SECONDS)
def facets(servers: Servers) -> Facets:
    """Returns the values that tasks can be searched by."""
    with servers.database.transaction() as tx:
        return search.facets(tx)


@shared()
def has_tasks(servers: Servers) -> bool:
    """Returns True if there is any task."""
    with servers.database.transaction() as tx:
        return tasks_store.has_tasks(tx)


@shared()
def saved_filters(servers: Servers) -> Sequence[SavedFilter]:
    """Returns the saved filters by name."""
    with servers.database.transaction() as tx:
        return saved_filters_store.saved_filters(tx)


def save_filter(name: str, only: TaskFilter, *, overwrite: bool) -> None:
    """Saves a filter for everyone; raises SubmissionError for an invalid name, or one that is taken unless
    `overwrite`, and NotPermitted.
    """
    who = actor()
    with connections().database.transaction() as tx:
        authorized_controls.save_filter(tx, who, name, only, overwrite=overwrite)
    forget()


def delete_filter(name: str) -> None:
    """Deletes a saved filter, if it still exists; raises NotPermitted."""
    who = actor()
    with connections().database.transaction() as tx:
        authorized_controls.delete_filter(tx, who, name)
    forget()
