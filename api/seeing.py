"""Answers narrowed callers as if what is not theirs did not exist (core.views.seeing, core.views.narrowing)."""

from __future__ import annotations

from taskyard.api.problems import Refused
from taskyard.api.reading import read
from taskyard.api.services import Services
from taskyard.core.access.identity import EVERY, Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.i18n import msg
from taskyard.core.postgres.store import tasks
from taskyard.core.submission.commands import check_task_id
from taskyard.core.views.narrowing import check_seen, limited
from taskyard.core.views.seeing import sees_queue, sees_type


def check_unnarrowed(actor: Actor, permission: Permission) -> None:
    """Raises NotPermitted for an actor who lacks a permission, or has it for some queues or types only."""
    actor.require(permission, queue=EVERY, type_=EVERY)


def check_queue(actor: Actor, queue: str) -> None:
    """Raises Refused (404) for a queue that is not the actor's."""
    if not sees_queue(actor, queue):
        raise missing(msg("queue {name} does not exist", name=queue))


def check_type(actor: Actor, type_: str) -> None:
    """Raises Refused (404) for a type that is not the actor's."""
    if not sees_type(actor, type_):
        raise missing(msg("task type {name} does not exist", name=type_))


def missing(text: str) -> Refused:
    """Returns the refusal for something that does not exist."""
    return Refused(404, text)


async def seen_task(services: Services, actor: Actor, task_id: object) -> str:
    """Returns the id of a task that the actor may know of; raises TaskNotFound, and SubmissionError if it is no id."""
    wanted = check_task_id(task_id)
    check_seen(actor, await read(services, tasks.tasks_of, [wanted]), wanted)
    return wanted


async def seen_filter(services: Services, actor: Actor, only: TaskFilter) -> TaskFilter | None:
    """Returns the same as `limited`, for a caller without a transaction."""
    return await read(services, limited, only, actor) if actor.is_narrowed else only
