"""Limits what is shown to those whose role is narrowed to queues and types: for them, nothing else exists."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from taskyard.api.problems import Refused
from taskyard.api.reading import read
from taskyard.api.services import Services
from taskyard.core.access.identity import EVERY, Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.errors import TaskNotFound
from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.i18n import msg
from taskyard.core.models import Task
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import search, tasks
from taskyard.core.submission.commands import check_task_id

_WILD = re.compile(r"[*?\[]")  # what makes a name a pattern


def sees_queue(actor: Actor, queue: str) -> bool:
    """Returns True if some tasks of a queue are the actor's."""
    return replace(actor, types=(EVERY,)).sees(queue, EVERY)


def sees_type(actor: Actor, type_: str) -> bool:
    """Returns True if some tasks of a type are the actor's."""
    return replace(actor, queues=(EVERY,)).sees(EVERY, type_)


def sees_all_queues(actor: Actor) -> bool:
    """Returns True if an actor's queues are all of them."""
    return EVERY in actor.queues


def sees_all_types(actor: Actor) -> bool:
    """Returns True if an actor's types are all of them."""
    return EVERY in actor.types


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


def check_seen(actor: Actor, found: Iterable[Task], task_id: str) -> None:
    """Raises TaskNotFound unless all that was found, and something, is the actor's."""
    known = list(found)
    if not known or not all(actor.sees(task.queue, task.type) for task in known):
        raise TaskNotFound(task_id)


def limited(tx: Transaction, only: TaskFilter, actor: Actor) -> TaskFilter | None:
    """Returns a filter for what the actor sees of the matching tasks; None if that is nothing.

    The patterns of the actor's role stand for the names that are known now. Raises SubmissionError if these are more
    than a filter takes.
    """
    if not actor.is_narrowed:
        return only
    known = known_names(tx, actor)
    queues, types = only.queues, only.types
    if not sees_all_queues(actor):
        queues = tuple(name for name in queues or known[0] if sees_queue(actor, name))
        if not queues:
            return None
    if not sees_all_types(actor):
        types = tuple(name for name in types or known[1] if sees_type(actor, name))
        if not types:
            return None
    return replace(only, queues=queues, types=types)


def known_names(tx: Transaction, actor: Actor) -> tuple[list[str], list[str]]:
    """Returns the names of queues and of task types that an actor sees: known lately, or named by its role."""
    known = search.facets(tx)
    queues = {*known.queues, *(name for name in actor.queues if not _WILD.search(name))}
    types = {*known.types, *(name for name in actor.types if not _WILD.search(name))}
    return (
        sorted(name for name in queues if sees_queue(actor, name)),
        sorted(name for name in types if sees_type(actor, name)),
    )
