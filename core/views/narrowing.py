"""Limits what is read for those whose role is narrowed to queues and types: for them, nothing else exists."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from taskyard.core.access.identity import Actor
from taskyard.core.errors import TaskNotFound
from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.models import Task
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import search, tasks
from taskyard.core.postgres.store.failures import FailureGroup
from taskyard.core.postgres.store.history import Filter
from taskyard.core.views.agents import Agent, AgentsNow
from taskyard.core.views.masking import masked_group
from taskyard.core.views.queues import QueuesNow
from taskyard.core.views.relatives import Relatives
from taskyard.core.views.seeing import (
    seen_patterns,
    seen_records,
    sees_all_queues,
    sees_all_types,
    sees_hold,
    sees_queue,
    sees_type,
)

_WILD = re.compile(r"[*?\[]")  # what makes a name a pattern


def check_seen(actor: Actor, found: Iterable[Task], task_id: str) -> None:
    """Raises TaskNotFound unless all that was found, and something, is the actor's."""
    known = list(found)
    if not known or not all(actor.sees(task.queue, task.type) for task in known):
        raise TaskNotFound(task_id)


def seen_ids(tx: Transaction, actor: Actor, ids: Sequence[str]) -> set[str]:
    """Returns those of the ids that are tasks of the actor."""
    if not actor.is_narrowed or not ids:
        return set(ids)
    return {task.id for task in tasks.tasks_of(tx, ids) if actor.sees(task.queue, task.type)}


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


def parts(tx: Transaction, actor: Actor, only: Filter | None = None) -> Sequence[Filter] | None:
    """Returns the parts of all tasks that are asked for and that the actor sees; None: all tasks."""
    asked = only or Filter()
    if asked == Filter() and not actor.is_narrowed:
        return None
    queues: Sequence[str | None] = [asked.queue]
    types: Sequence[str | None] = [asked.type]
    if actor.is_narrowed:
        known_queues, known_types = known_names(tx, actor)
        if asked.queue is None and not sees_all_queues(actor):
            queues = known_queues
        if asked.type is None and not sees_all_types(actor):
            types = known_types
    return [Filter(queue, type_) for queue in queues for type_ in types]


def seen_groups(tx: Transaction, actor: Actor, groups: Iterable[FailureGroup]) -> Iterator[FailureGroup]:
    """Yields the error groups of which an actor sees a task, with what it may read of them."""
    own = None if sees_all_queues(actor) else limited(tx, TaskFilter(), actor)
    for group in groups:
        if not sees_type(actor, group.type):
            continue
        if not sees_all_queues(actor):
            only = own and replace(own, fingerprint=group.fingerprint)
            if only is None or not search.count_matching(tx, only, at_most=1).count:
                continue
        yield masked_group(group, actor)


def seen_agents(tx: Transaction, actor: Actor, now: AgentsNow) -> AgentsNow:
    """Returns the agents with those of their tasks, breakers and types that an actor sees."""
    if not actor.is_narrowed:
        return now
    running = [task.task_id for agent in now.agents for task in agent.tasks]
    seen = seen_ids(tx, actor, running)
    agents = [_seen_agent(actor, agent, seen) for agent in now.agents]
    return replace(now, agents=agents, gone=seen_records(actor, now.gone))


def seen_queues(actor: Actor, now: QueuesNow) -> QueuesNow:
    """Returns the queues, holds and types that an actor sees."""
    if not actor.is_narrowed:
        return now
    return replace(
        now,
        queues=[queue for queue in now.queues if sees_queue(actor, queue.name)],
        type_holds=[hold for hold in now.type_holds if sees_hold(actor, hold)],
        types=[name for name in now.types if sees_type(actor, name)],
    )


def seen_relatives(tx: Transaction, actor: Actor, found: Relatives) -> Relatives:
    """Returns those of a task's related tasks that an actor sees."""
    if not actor.is_narrowed:
        return found
    of = (found.parents, found.children, found.awaited, found.dependants)
    seen = seen_ids(tx, actor, sorted({one.id for related in of for one in related}))
    parents, children, awaited, dependants = (tuple(one for one in related if one.id in seen) for related in of)
    return Relatives(parents, children, awaited, dependants, found.workflow_id)


def _seen_agent(actor: Actor, agent: Agent, seen: set[str]) -> Agent:
    known = agent.known_types
    return replace(
        agent,
        tasks=[task for task in agent.tasks if task.task_id in seen],
        breakers=[breaker for breaker in agent.breakers if sees_type(actor, breaker.type)],
        types=seen_patterns(actor, agent.types),
        known_types=None if known is None else {name: v for name, v in known.items() if sees_type(actor, name)},
    )
