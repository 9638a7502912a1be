"""Reads the Tasks page's data: search pages, counts, facets, and saved filters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from taskyard.core.access.identity import Actor
from taskyard.core.errors import SubmissionError
from taskyard.core.filters.search_filter import Sort, TaskFilter
from taskyard.core.models import Task
from taskyard.core.postgres.store import saved_filters as saved_filters_store
from taskyard.core.postgres.store import search
from taskyard.core.postgres.store import tasks as tasks_store
from taskyard.core.postgres.store.cursors import Cursor
from taskyard.core.postgres.store.saved_filters import MAX_NAME_LENGTH, SavedFilter
from taskyard.core.postgres.store.search import Facets
from taskyard.core.postgres.store.state_counts import StateCount, count_of, count_states, oldest_at
from taskyard.core.states import TaskState
from taskyard.core.submission import authorized_controls
from taskyard.core.submission.open_servers import Servers
from taskyard.core.views.masking import check_search, masked_tasks, reads_payloads
from taskyard.core.views.narrowing import known_names, limited
from taskyard.core.views.seeing import sees_filter
from taskyard.dashboard.data.base import Reading, connections, forget
from taskyard.dashboard.data.readings import seen
from taskyard.dashboard.data.viewer import actor, viewer

__all__ = ["MAX_NAME_LENGTH", "Facets", "SavedFilter", "StateCount"]  # what pages show of the store

PAGE_SIZE = 27  # what fits a window of 900 px
# The first page is read repeatedly by every viewer; later ones on request.
FIRST_BUDGET_SECONDS, LATER_BUDGET_SECONDS = 0.06, 1.0
COUNT_BUDGET_SECONDS = 0.05
COUNT_TTL_SECONDS = 10.0
FACETS_TTL_SECONDS = 30.0

Params = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Page:
    """Some tasks in order, without inputs and outputs, and the positions of the neighbouring pages.

    `oldest` is when the first task that there is was submitted.

    `searched_to` is set if the search ran out of time before the page was full. `problem` is the filter's; there
    are no tasks then.
    """

    tasks: Sequence[Task]
    now: datetime
    next: str = ""
    previous: str = ""
    searched_to: datetime | None = None
    problem: str = ""
    oldest: datetime | None = None


def params_of(only: TaskFilter) -> Params:
    """Returns a filter as a hashable value."""
    return tuple(sorted(only.as_params().items()))


@seen()
def _page(servers: Servers, sight: Actor, params: Params, sort: str, after: str) -> Page:
    with servers.database.transaction() as tx:
        now = tasks_store.now(tx)
        try:
            place = Cursor.parse(after) if after else None
            only = limited(tx, TaskFilter.from_params(dict(params)), sight)
            if only is None:
                return Page((), now)
            found = search.find(
                tx,
                only,
                sort=Sort(sort),
                after=place,
                limit=PAGE_SIZE,
                budget_seconds=LATER_BUDGET_SECONDS if after else FIRST_BUDGET_SECONDS,
                reads_errors=reads_payloads(sight),
            )
        except SubmissionError as error:
            return Page((), now, problem=error.text)
        oldest = None if found.searched_to is None else oldest_at(tx)
    return Page(
        masked_tasks(found.tasks, sight),
        now,
        str(found.next or ""),
        str(found.previous or ""),
        found.searched_to,
        oldest=oldest,
    )


def page(params: Params, sort: str, after: str) -> Reading[Page]:
    """Returns one page of a search. `after` is a position from another page, or empty for the first page.

    Raises NotPermitted for a search by what the viewer may not read.
    """
    _check(params)
    return _page(params, sort, after)


@seen()
def listed(servers: Servers, sight: Actor, ids: tuple[str, ...]) -> Page:
    """Returns these tasks as they are now, in this order."""
    with servers.database.transaction() as tx:
        found = [task for task in tasks_store.tasks_of(tx, ids) if sight.sees(task.queue, task.type)]
        return Page(masked_tasks(found, sight), tasks_store.now(tx))


@seen(ttl_seconds=COUNT_TTL_SECONDS)
def _by_state(servers: Servers, sight: Actor, params: Params) -> Mapping[TaskState, StateCount] | None:
    with servers.database.transaction() as tx:
        try:
            only = limited(tx, TaskFilter.from_params(dict(params)), sight)
            if only is None:
                return None
            return count_states(tx, only, budget_seconds=COUNT_BUDGET_SECONDS, reads_errors=reads_payloads(sight))
        except SubmissionError:
            return None


def by_state(only: TaskFilter) -> Reading[Mapping[TaskState, StateCount] | None]:
    """Counts what matches all of a filter but its states, by state, as far as that is quick.

    The value is None if the filter is refused. Raises NotPermitted for a search by what the viewer may not read.
    """
    params = params_of(replace(only, states=()))
    _check(params)
    return _by_state(params)


def matching(only: TaskFilter) -> StateCount | None:
    """Returns how many tasks match, as far as that is quick; None if that is unknown.

    It is a sum of what `by_state` counted, so that no two figures on a page disagree. Raises NotPermitted as it does.
    """
    counts = by_state(only).value
    return None if counts is None else count_of(counts, only.states)


def _check(params: Params) -> None:
    try:
        only = TaskFilter.from_params(dict(params))
    except SubmissionError:
        return  # the reading says so
    check_search(only, viewer())


@seen(ttl_seconds=FACETS_TTL_SECONDS)
def facets(servers: Servers, sight: Actor) -> Facets:
    """Returns the values that tasks can be searched by; creators and tags are not known by queue and type."""
    with servers.database.transaction() as tx:
        if not sight.is_narrowed:
            return search.facets(tx)
        queues, types = known_names(tx, sight)
        return Facets(tuple(types), tuple(queues), search.facets(tx).agents, (), ())


@seen()
def saved_filters(servers: Servers, sight: Actor) -> Sequence[SavedFilter]:
    """Returns the saved filters by name, without those that name what the viewer does not see."""
    with servers.database.transaction() as tx:
        return [one for one in saved_filters_store.saved_filters(tx) if sees_filter(sight, one)]


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
