"""Limits what is read for those whose role is narrowed to queues and types: for them, nothing else exists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import nan

from msgspec import structs

from taskyard.core.access.identity import Actor
from taskyard.core.errors import TaskNotFound
from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.models import Task
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import search, tasks
from taskyard.core.postgres.store.failures import FailureGroup
from taskyard.core.postgres.store.history import Filter
from taskyard.core.telemetry.live_snapshot import LiveSnapshot
from taskyard.core.telemetry.queue_figures import DrainEstimate, Rates
from taskyard.core.views.agents import Agent, AgentsNow
from taskyard.core.views.failures import MAX_LATEST, OneGroup
from taskyard.core.views.masking import masked_group, masked_task, masked_tasks
from taskyard.core.views.queues import NOT_SHOWN, Queue, QueuesNow
from taskyard.core.views.relatives import Relatives
from taskyard.core.views.seeing import (
    names_among,
    seen_patterns,
    seen_records,
    sees_alert,
    sees_all_queues,
    sees_all_types,
    sees_hold,
    sees_queue,
    sees_type,
)


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
    queues = {*known.queues, *names_among(actor.queues)}
    types = {*known.types, *names_among(actor.types)}
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


def seen_group(tx: Transaction, actor: Actor, found: OneGroup, fingerprint: str) -> OneGroup:
    """Returns an error group with those of its tasks that an actor sees, and what it may read of them.

    Its figures are not known by queue: whether they may be shown says `sees_all_queues`.
    """
    groups = list(seen_groups(tx, actor, [found.group] if found.group else []))
    latest: Sequence[Task] = found.latest
    if actor.is_narrowed:
        only = limited(tx, TaskFilter(fingerprint=fingerprint), actor)
        latest = () if only is None else search.find(tx, only, limit=MAX_LATEST).tasks
    example = found.example
    if example is not None and not (groups and actor.sees(example.queue, example.type)):
        example = None
    return replace(
        found,
        group=groups[0] if groups else None,
        failed_now=found.failed_now if groups else 0,
        counts=found.counts if groups else [0] * len(found.at),
        latest=masked_tasks(latest, actor),
        example=example and masked_task(example, actor),
    )


def seen_snapshot(actor: Actor, live: LiveSnapshot, kinds: Mapping[str, str]) -> LiveSnapshot:
    """Returns of the live snapshot what is of an actor's queues and types; `kinds` are those of alerts by rule."""
    if not actor.is_narrowed:
        return live
    return structs.replace(
        live,
        open=[count for count in live.open if actor.sees(count.queue, count.type)],
        lanes=[lane for lane in live.lanes if actor.sees(lane.queue, lane.type)],
        finished=[],
        recent=[],
        agents=[structs.replace(agent, tasks=[], breakers=[], known_types=None, types=[]) for agent in live.agents],
        alerts=[alert for alert in live.alerts if sees_alert(actor, kinds.get(alert.rule), alert.subject)],
        quarantined=0,
        kept_reports=0,
        mail=None,
    )


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
    queues = [queue for queue in now.queues if sees_queue(actor, queue.name)]
    return replace(
        now,
        queues=queues if sees_all_types(actor) else [_without_rates(queue) for queue in queues],
        type_holds=[hold for hold in now.type_holds if sees_hold(actor, hold)],
        types=[name for name in now.types if sees_type(actor, name)],
    )


def _without_rates(queue: Queue) -> Queue:
    """Returns a queue without the figures that count all types: NaN stands for a rate that is not shown."""
    rates = {minutes: Rates(nan, nan, nan) for minutes in queue.figures.rates}
    return replace(queue, figures=replace(queue.figures, rates=rates), drain=DrainEstimate(None, NOT_SHOWN))


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
        running=None,  # it counts the tasks of others, too
        tasks=[task for task in agent.tasks if task.task_id in seen],
        breakers=[breaker for breaker in agent.breakers if sees_type(actor, breaker.type)],
        types=seen_patterns(actor, agent.types),
        known_types=None if known is None else {name: v for name, v in known.items() if sees_type(actor, name)},
    )
