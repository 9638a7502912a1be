"""Reads what a name or an id stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from taskyard.core.access.identity import Actor
from taskyard.core.errors import SubmissionError
from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.models import Task
from taskyard.core.postgres.store import search, search_names
from taskyard.core.postgres.store import tasks as tasks_store
from taskyard.core.postgres.store.workflows import WorkflowFilter
from taskyard.core.submission.open_servers import Servers
from taskyard.core.views.masking import masked_tasks
from taskyard.core.views.narrowing import known_names
from taskyard.core.views.workflows import SeenWorkflow, page_of
from taskyard.dashboard.data.readings import seen

MAX_TASKS, MAX_WORKFLOWS = 5, 5


@dataclass(frozen=True, slots=True)
class Named:
    """The tasks that a text names by id or key, workflows by a part of name, title or id, and all known queues, agents
    and types.
    """

    tasks: Sequence[Task]
    workflows: Sequence[SeenWorkflow]
    queues: Sequence[str]
    agents: Sequence[str]
    types: Sequence[str]


@seen(ttl_seconds=5.0)
def found(servers: Servers, sight: Actor, text: str) -> Named:
    """Returns what a text names, of what the viewer sees; a text that can't be searched for names no task."""
    with servers.database.transaction() as tx:
        facets = search.facets(tx)
        queues, types = known_names(tx, sight) if sight.is_narrowed else (facets.queues, facets.types)
        try:
            ids = search_names.ids_named(tx, TaskFilter(text=text), MAX_TASKS)
        except SubmissionError:
            ids = []
        known = [task for task in tasks_store.tasks_of(tx, ids) if sight.sees(task.queue, task.type)]
        flows = page_of(tx, sight, WorkflowFilter(text=text), limit=MAX_WORKFLOWS).workflows
        return Named(masked_tasks(known, sight), flows, queues, facets.agents, types)
