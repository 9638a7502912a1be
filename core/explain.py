"""Explains why a task waits: its holds, its place in its lane, each agent's eligibility, and its estimated start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from taskyard.core.access.modes import Mode
from taskyard.core.explain_parents import never_starts, waits_for
from taskyard.core.explain_prediction import running_text
from taskyard.core.explain_start import seconds_to_start, start_text
from taskyard.core.explain_suspended import reason_of
from taskyard.core.explanation import Eligibility, Explanation
from taskyard.core.humanize import duration
from taskyard.core.i18n import N_, Moment, TranslatableText, Word, listed, msg
from taskyard.core.models import Lane, Task
from taskyard.core.postgres.database import Database, Transaction
from taskyard.core.postgres.store import holds as holds_store
from taskyard.core.postgres.store import kept_reports, pool_sizes, principals, questions, tasks
from taskyard.core.postgres.store import locks as locks_store
from taskyard.core.postgres.store.tasks import Parent
from taskyard.core.questions.in_vain_text import in_vain_texts
from taskyard.core.questions.reach import known_people, reach
from taskyard.core.read_prediction import read_prediction
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.cache import RedisCache
from taskyard.core.scheduling.agent_demand import KindDemand
from taskyard.core.scheduling.agent_slots import slots_of
from taskyard.core.scheduling.breaker import breaker_reason
from taskyard.core.scheduling.holds import Holds
from taskyard.core.scheduling.pool_sizes import PoolSize
from taskyard.core.states import CLAIMED, TERMINAL, TaskState
from taskyard.core.telemetry.live_snapshot import AgentLive, LiveSnapshot, OpenBreaker, PoolLive, read_live

SILENT_AFTER_SECONDS = 5.0
_DUE = N_("it is due in {duration}, at {time}")
_DUE_AGAIN = N_("attempt {attempt} failed and the next one is due in {duration}, at {time}")
_DUE_RETURNED = N_(
    "attempt {attempt} was handed back at no cost, and the next one is due in {duration}, at {time}: {reason}"
)


@dataclass(frozen=True, slots=True)
class Situation:
    """The current facts that an explanation rests on. `returned` is why the last attempt was handed back, or ""."""

    live: LiveSnapshot | None
    holds: Holds
    parents: Sequence[Parent]
    before: int | None
    lane_depth: int
    now: datetime
    locks: Sequence[str] = ()  # who keeps the row, or the tables that its transitions need, from the tick
    returned: str = ""
    kept: tuple[int, int] | None = None  # number and version of a kept report on its attempt
    in_vain: Sequence[str] = ()  # why its question can't be answered as it is asked
    sizes: Mapping[str, PoolSize] = field(default_factory=dict)  # of pools, by kind, where somebody has chosen one


def why(database: Database, broker: Broker, cache: RedisCache, task_id: str, mode: Mode) -> Explanation:
    """Returns the explanation for one task; raises TaskNotFound or Unavailable. `mode` is how users come in here."""
    with database.transaction() as tx:
        task = tasks.get_task(tx, task_id)
        if task.state is TaskState.CANCELLED and (stoppers := tasks.stoppers(tx, task_id)):
            return never_starts(task, stoppers)
        parents = tasks.unfinished_parents(tx, task_id) if task.state is TaskState.BLOCKED else []
        holds = holds_store.holds(tx)
        now = tasks.now(tx)
        locks = [] if task.state in TERMINAL else [blocker.text for blocker in locks_store.in_the_way_of(tx, task_id)]
        kept = kept_reports.newest_of(tx, task_id) if task.state in CLAIMED else None
        returned = tasks.last_return(tx, task_id, task.attempt) if task.state is TaskState.SCHEDULED else ""
        in_vain = _in_vain(tx, task, mode)
        sizes = pool_sizes.pool_sizes(tx)
        prediction = read_prediction(tx, task)
    before, depth = broker.place(Lane(task.queue, task.type, task.requires), task.id)
    live = read_live(cache)
    found = explain(task, Situation(live, holds, parents, before, depth, now, locks, returned, kept, in_vain, sizes))
    return replace(found, prediction=prediction)


def _in_vain(tx: Transaction, task: Task, mode: Mode) -> Sequence[str]:
    if task.state is not TaskState.SUSPENDED or (task.suspension or {}).get("question") is None:
        return ()
    asked = next(iter(questions.of_task(tx, task.id, limit=1)), None)
    if asked is None:
        return ()
    found = reach(asked, known_people(principals.principals(tx)), mode)
    return in_vain_texts(found.unreached, found.lacking, asked.needs, asked.not_by_submitter)


def explain(task: Task, situation: Situation) -> Explanation:
    """Returns the explanation (pure)."""
    if task.state in TERMINAL:
        return Explanation(task.id, task.state, msg("not waiting: the task is {state}", state=task.state))
    if task.state in (TaskState.ASSIGNED, TaskState.IN_PROGRESS):
        return _with_its_agent(task, situation)
    held = _held(task, situation)
    verdicts = _verdicts(task, situation)
    due, depth = _due_seconds(task, situation.now), situation.lane_depth
    starts_in, range_ = seconds_to_start(
        task, situation.live, verdicts, situation.before, depth, due, is_held=bool(held)
    )
    starts = start_text(starts_in, range_)
    low, high, coverage = (None, None, None) if range_ is None else range_[:3]
    is_pending = task.state is TaskState.PENDING
    return Explanation(
        task.id,
        task.state,
        _summary(task, situation, held, verdicts, starts),
        held,
        situation.before if is_pending else None,
        depth if is_pending else None,
        verdicts,
        starts_in,
        starts=starts,
        starts_low_seconds=low,
        starts_high_seconds=high,
        starts_coverage=coverage,
    )


def _with_its_agent(task: Task, situation: Situation) -> Explanation:
    agent = (task.assigned_agent_id or "").rpartition(":")[0]
    locks = list(situation.locks)
    if locks:
        return Explanation(task.id, task.state, _first_of(locks), locks)
    if situation.kept is not None:
        text = msg(
            "agent {agent}, of a newer release, has said something about it that the leader does not understand (kept "
            "report {report}, version {version}): it goes on once a worker of that release leads",
            agent=agent,
            report=situation.kept[0],
            version=situation.kept[1],
        )
        return Explanation(task.id, task.state, text)
    if task.state is TaskState.IN_PROGRESS:
        return Explanation(task.id, task.state, running_text(task, agent))
    since = (situation.now - task.assigned_at).total_seconds() if task.assigned_at else 0.0
    agents = situation.live.agents if situation.live is not None else ()
    seats = next((one.seats for one in agents if one.id == task.assigned_agent_id), None)
    if seats is not None and seats.waiting:
        reason = seats.reason or msg("{engine} has not started one yet", engine=seats.engine)
        text = msg(
            "assigned to agent {agent} {duration} ago, and waits for a seat: {reason}",
            agent=agent,
            duration=duration(since),
            reason=reason,
        )
        return Explanation(task.id, task.state, text)
    summary = msg(
        "assigned to agent {agent} {duration} ago; starts as soon as a slot is free",
        agent=agent,
        duration=duration(since),
    )
    return Explanation(task.id, task.state, summary)


def _held(task: Task, situation: Situation) -> list[str]:
    """Returns what keeps a task from its lane, or its lane from being served, regardless of the agents."""
    held: list[str] = list(situation.locks)
    held += [waits_for(parent) for parent in situation.parents]
    if task.state is TaskState.SCHEDULED and task.run_at is not None:
        seconds = (task.run_at - situation.now).total_seconds()
        if seconds > 0:
            values = {
                "duration": duration(seconds),
                "time": Moment(task.run_at, task.run_at.isoformat(timespec="seconds")),
                "attempt": task.attempt,
                "reason": situation.returned,
            }
            again = _DUE_RETURNED if situation.returned else _DUE_AGAIN
            held.append(TranslatableText(again if task.attempt else _DUE, values))
    if task.state is TaskState.SUSPENDED and (reason := reason_of(task, situation.now)) is not None:
        held.append(reason)
        held += situation.in_vain
    hold = situation.holds.of_lane(Lane(task.queue, task.type, task.requires))
    if hold is not None:
        held.append(hold.text)
    if situation.live is None:
        held.append(msg("no worker leads: nothing is scheduled until one does"))
    return held


def _verdicts(task: Task, situation: Situation) -> list[Eligibility]:
    if situation.live is None:
        return []
    live = situation.live
    ranked = [(_rank(task, agent), _verdict(task, agent, live)) for agent in live.agents]
    ranked.sort(key=lambda one: (not one[1].takes, not one[1].can, one[0], one[1].agent))
    return [verdict for _rank_of_it, verdict in ranked]


def _rank(task: Task, agent: AgentLive) -> int:
    """Returns how far an agent is from taking a task: 0 it would at other times, 1 it takes the type, 2 it does not."""
    if not slots_of(agent).matches(task.type):
        return 2
    return int(_misfit(task, agent) is not None)


def _misfit(task: Task, agent: AgentLive) -> str | None:
    """Returns why an agent never takes a task, whatever it does now; None if it would."""
    slots = slots_of(agent)
    if not slots.matches(task.type):
        return msg("does not take type {type}, only {types}", type=task.type, types=", ".join(agent.types))
    if task.type in agent.refused:
        return msg("can't run type {type}: {reason}", type=task.type, reason=agent.refused[task.type])
    if agent.known_types is not None and task.type not in agent.known_types:
        return msg("does not know type {type}", type=task.type)
    missing = sorted(set(task.requires) - slots.tags)
    return msg("missing tag: {tags}", tags=", ".join(missing)) if missing else None


def _verdict(task: Task, agent: AgentLive, live: LiveSnapshot) -> Eligibility:
    if (misfit := _misfit(task, agent)) is not None:
        return Eligibility(agent.name, False, False, misfit)
    if agent.state != "online":
        return Eligibility(agent.name, False, False, msg("is {state}", state=Word(agent.state)))
    silent_seconds = live.at - agent.heartbeat_at
    if silent_seconds > SILENT_AFTER_SECONDS:
        silent = msg("has sent no heartbeat for {duration}", duration=duration(silent_seconds))
        return Eligibility(agent.name, False, False, silent)
    for breaker in agent.breakers:
        if breaker.type == task.type:
            return Eligibility(agent.name, False, False, _broken(breaker, live))
    slots = agent.usable_slots
    if agent.seats is not None and agent.seats.has_nobody:
        return Eligibility(agent.name, False, False, agent.seats.reason)
    if agent.held >= slots:
        full = msg("full: {held} tasks for {slots} slots", held=agent.held, slots=slots)
        return Eligibility(agent.name, False, True, full)
    return Eligibility(agent.name, True, True, msg("has {count} free slots", count=slots - agent.held))


def _broken(breaker: OpenBreaker, live: LiveSnapshot) -> str:
    template = N_("circuit breaker open for this type, probe in {duration}: {reason}")
    if breaker.state == "probing":
        template = N_("circuit breaker open for this type, a probe is running: {reason}")
    seconds = max(0.0, (breaker.retry_at or live.at) - live.at)
    reason = breaker_reason(breaker.reason, breaker.reason_id, breaker.reason_parameters)
    return TranslatableText(template, {"duration": duration(seconds), "reason": reason})


def _due_seconds(task: Task, now: datetime) -> float | None:
    """Returns how long a task waits for its time; None if it has none."""
    has_time = task.state is TaskState.SUSPENDED and (task.suspension or {}).get("kind") != "signal"
    if (task.state is TaskState.SCHEDULED or has_time) and task.run_at is not None:
        return max(0.0, (task.run_at - now).total_seconds())
    return None


def _with_pools(text: str, task: Task, situation: Situation) -> str:
    """Returns a reason with how large those pools are whose agents would take the task."""
    lane = Lane(task.queue, task.type, task.requires)
    pools = [
        _pool_text(p, situation.sizes.get(p.kind))
        for p in (situation.live.pools if situation.live else ())
        if KindDemand(p.kind, tuple(p.types), frozenset(p.tags), p.slots).takes(lane)
    ]
    return msg("{reason}; {pools}", reason=text, pools=listed(pools)) if pools else text


def _pool_text(pool: PoolLive, size: PoolSize | None) -> str:
    """Returns how many agents of a pool run, who wants so many if it is not its file, and why others do not run."""
    text = msg(
        "pool {kind}: {running} of {wanted} wanted agents run", kind=pool.kind, running=pool.running, wanted=pool.wanted
    )
    chosen = [size.text] if size is not None and not pool.is_fixed else []
    return listed([text, *chosen, *(one.text for one in pool.absent)])


def _first_of(held: Sequence[str]) -> str:
    return msg("{first} (and {count} more)", first=held[0], count=len(held) - 1) if len(held) > 1 else held[0]


def _summary(
    task: Task, situation: Situation, held: Sequence[str], verdicts: Sequence[Eligibility], starts: str
) -> str:
    if held:
        return _first_of(held)
    if not verdicts:
        return _with_pools(msg("no agent is registered"), task, situation)
    if not any(verdict.can for verdict in verdicts):
        reasons = list(dict.fromkeys(msg("{agent}: {reason}", agent=one.agent, reason=one.reason) for one in verdicts))
        shown = listed(reasons[:3] + (["…"] if len(reasons) > 3 else []))
        return _with_pools(msg("no agent can take it now: {reasons}", reasons=shown), task, situation)
    if situation.before == 0 and any(verdict.takes for verdict in verdicts):
        return msg("next in its lane, and an agent has room: the next tick assigns it")
    if situation.before is None:
        place = msg("not in its lane yet: the next sweep adds it")
    elif situation.before:
        place = msg("{count} tasks of its lane go first", count=situation.before)
    else:
        place = msg("next in its lane, and all agents that can take it are full")
    return listed([place, starts]) if starts else place
