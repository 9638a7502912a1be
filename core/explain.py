"""Why a task waits: what holds it, its place in its lane, each agent's verdict, and when it may start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from core.cache import RedisCache
from core.database import Database
from core.holds import Holds
from core.live import AgentLive, Live, read_live
from core.models import Lane, Task
from core.placement import AgentSlots
from core.queue import Queue
from core.states import TERMINAL, TaskState
from core.store import holding, reading
from core.store.reading import Parent

RATE_WINDOW_SECONDS = 60.0  # what `Live.recent` covers
SILENT_AFTER_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one agent would take the task now (`takes`), could later (`can`), and why not."""

    agent: str
    takes: bool
    can: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer. `summary` is one line; times are in seconds, None if they can't be told.

    `before` counts the tasks of the same lane that go first, `lane_depth` all that are in it.
    """

    task_id: str
    state: TaskState
    summary: str
    holds: list[str] = field(default_factory=list)
    before: int | None = None
    lane_depth: int | None = None
    agents: list[Verdict] = field(default_factory=list)
    starts_in_seconds: float | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that the answer rests on, as it is now."""

    live: Live | None
    holds: Holds
    parents: Sequence[Parent]
    before: int | None
    lane_depth: int
    now: datetime


def why(database: Database, queue: Queue, cache: RedisCache, task_id: str) -> Explanation:
    """The answer for one task; raises TaskNotFound or Unavailable."""
    with database.transaction() as tx:
        task = reading.get_task(tx, task_id)
        parents = reading.unfinished_parents(tx, task_id) if task.state is TaskState.BLOCKED else []
        holds = holding.holds(tx)
        now = reading.now(tx)
    before, depth = queue.place(Lane(task.queue, task.type, task.requires), task.id)
    return explain(task, Situation(read_live(cache), holds, parents, before, depth, now))


def explain(task: Task, situation: Situation) -> Explanation:
    """The answer (pure)."""
    if task.state in TERMINAL:
        return Explanation(task.id, task.state, f"it does not wait: it is {task.state}")
    if task.state in (TaskState.ASSIGNED, TaskState.IN_PROGRESS):
        return _with_its_agent(task, situation)
    held = _held(task, situation)
    verdicts = _verdicts(task, situation)
    starts_in = _starts_in(task, situation, held, verdicts)
    before, depth = (situation.before, situation.lane_depth) if task.state is TaskState.PENDING else (None, None)
    summary = _summary(task, situation, held, verdicts, starts_in)
    return Explanation(task.id, task.state, summary, held, before, depth, verdicts, starts_in)


def _with_its_agent(task: Task, situation: Situation) -> Explanation:
    agent = (task.assigned_agent_id or "").rpartition(":")[0]
    if task.state is TaskState.IN_PROGRESS:
        return Explanation(task.id, task.state, f"it does not wait: agent {agent} runs it")
    since = (situation.now - task.assigned_at).total_seconds() if task.assigned_at else 0.0
    summary = f"agent {agent} has had it for {max(0.0, since):.1f} s and begins it as soon as a slot is free"
    return Explanation(task.id, task.state, summary)


def _held(task: Task, situation: Situation) -> list[str]:
    """What keeps it from its lane, or its lane from being served, whatever the agents do."""
    held = [f"waits for {parent.type} {parent.id}, which is {parent.state}" for parent in situation.parents]
    if task.state is TaskState.SCHEDULED and task.run_at is not None:
        seconds = (task.run_at - situation.now).total_seconds()
        kind = f"attempt {task.attempt} failed and the next one" if task.attempt else "it"
        if seconds > 0:
            held.append(f"{kind} is due in {seconds:.1f} s, at {task.run_at.isoformat(timespec='seconds')}")
    hold = situation.holds.of_lane(Lane(task.queue, task.type, task.requires))
    if hold is not None:
        held.append(str(hold))
    if situation.live is None:
        held.append("no worker leads: nothing is scheduled until one does")
    return held


def _verdicts(task: Task, situation: Situation) -> list[Verdict]:
    if situation.live is None:
        return []
    verdicts = [_verdict(task, agent, situation.live) for agent in situation.live.agents]
    return sorted(verdicts, key=lambda verdict: (not verdict.takes, not verdict.can, verdict.agent))


def _verdict(task: Task, agent: AgentLive, live: Live) -> Verdict:
    slots = AgentSlots(agent.id, tuple(agent.types), frozenset(agent.tags), agent.max_concurrency)
    if not slots.can_take(Lane(task.queue, task.type)):
        return Verdict(agent.name, False, False, f"does not take type {task.type}, only {', '.join(agent.types)}")
    missing = sorted(set(task.requires) - slots.tags)
    if missing:
        return Verdict(agent.name, False, False, f"lacks the tags {', '.join(missing)}")
    if agent.state != "online":
        return Verdict(agent.name, False, False, f"is {agent.state}")
    silent_seconds = live.at - agent.heartbeat_at
    if silent_seconds > SILENT_AFTER_SECONDS:
        return Verdict(agent.name, False, False, f"has sent no heartbeat for {silent_seconds:.0f} s")
    for breaker in agent.breakers:
        if breaker.type == task.type:
            retry = max(0.0, (breaker.retry_at or live.at) - live.at)
            when = "one task is being tried" if breaker.state == "probing" else f"one is tried in {retry:.0f} s"
            return Verdict(agent.name, False, False, f"its breaker for this type is open, {when}: {breaker.reason}")
    if agent.held >= agent.max_concurrency:
        return Verdict(agent.name, False, True, f"is full: has {agent.held} tasks for {agent.max_concurrency} slots")
    return Verdict(agent.name, True, True, f"has {agent.max_concurrency - agent.held} free slots")


def _starts_in(task: Task, situation: Situation, held: Sequence[str], verdicts: Sequence[Verdict]) -> float | None:
    """Seconds until it starts by the rate at which attempts of its type ended in the last minute.

    An estimate: other lanes share the agents, and urgent tasks overtake.
    """
    if situation.live is None or not any(verdict.can for verdict in verdicts):
        return None
    wait_seconds = 0.0
    if task.state is TaskState.SCHEDULED and task.run_at is not None:
        wait_seconds = max(0.0, (task.run_at - situation.now).total_seconds())
    elif held:
        return None
    before = (situation.before if task.state is TaskState.PENDING else situation.lane_depth) or 0
    if before == 0 and any(verdict.takes for verdict in verdicts):
        return wait_seconds
    recent = next((recent for recent in situation.live.recent if recent.type == task.type), None)
    ended = recent.succeeded + recent.failed if recent is not None else 0
    return wait_seconds + (before + 1) * RATE_WINDOW_SECONDS / ended if ended else None


def _summary(
    task: Task, situation: Situation, held: Sequence[str], verdicts: Sequence[Verdict], starts_in: float | None
) -> str:
    if held:
        return held[0] + (f" (and {len(held) - 1} more)" if len(held) > 1 else "")
    if not verdicts:
        return "no agent is registered"
    if not any(verdict.can for verdict in verdicts):
        reasons = sorted({f"{verdict.agent} {verdict.reason}" for verdict in verdicts})
        return "no agent can take it now: " + "; ".join(reasons[:3]) + ("; …" if len(reasons) > 3 else "")
    expected = "" if starts_in is None else f"; it may start in about {starts_in:.0f} s"
    if situation.before is None:
        return f"it is on its way into its lane, where the next sweep puts it{expected}"
    if situation.before:
        return f"{situation.before} tasks of its lane go first{expected}"
    if any(verdict.takes for verdict in verdicts):
        return "it is the next of its lane, and an agent has room: the next tick places it"
    return f"it is the next of its lane, and all agents that can take it are full{expected}"
