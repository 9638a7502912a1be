"""Reads the agents: which are there, what they do, their results and their resource usage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from taskyard.core.explain import SILENT_AFTER_SECONDS
from taskyard.core.models import AgentRecord, Lane
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import history
from taskyard.core.postgres.store import holds as holds_store
from taskyard.core.postgres.store import tasks as tasks_store
from taskyard.core.postgres.store.agent_results import agent_results
from taskyard.core.postgres.store.restarts import RestartAsked, restarts_asked
from taskyard.core.protocol_presence import SeatsReport
from taskyard.core.scheduling.agent_slots import AgentSlots
from taskyard.core.scheduling.holds import Hold, HoldMode
from taskyard.core.telemetry.histogram import Histogram
from taskyard.core.telemetry.live_snapshot import AgentLive, LiveSnapshot, OpenBreaker, RunningTask
from taskyard.core.telemetry.run_times import Comparison, Slower, compared

GONE_WITHIN = timedelta(days=1)
NOT_COMPARED = Comparison()


@dataclass(frozen=True, slots=True)
class Agent:
    """A present agent, all boots of its name together.

    The leader's figures are None, or empty, without one: `cpu_percent`, `memory_bytes`, `heartbeat_seconds` (the
    oldest boot's silence), `tasks`, `breakers`, `running`. `state` is online, paused, draining or silent, and shows
    a request at once; `is_settled` tells whether the leader already acts on it.
    """

    name: str
    kind: str
    host: str
    boots: Sequence[str]
    pids: Sequence[int]
    types: Sequence[str]
    tags: Sequence[str]
    slots: int
    state: str
    is_settled: bool
    since: datetime | None = None
    running: int | None = None
    tasks: Sequence[RunningTask] = ()
    cpu_percent: float | None = None
    memory_bytes: int | None = None
    heartbeat_seconds: float | None = None
    breakers: Sequence[OpenBreaker] = ()
    hold: Hold | None = None
    restart: RestartAsked | None = None
    known_types: Mapping[str, str] | None = None  # versions by name, None: it did not say
    namesakes: int = 1  # boots of the name with a current heartbeat
    agent_class: str = ""  # a user's class; empty: the shipped one
    hosts: Sequence[str] = ()
    seats: SeatsReport | None = None  # of an agent with an engine, its first boot's

    @property
    def title(self) -> str:
        """Returns its name, with the hosts if agents on several of them use it at once."""
        is_shared = len(self.hosts) > 1 and self.namesakes != 1  # one: the others' boots are about to be lost
        return named_with(self.name, self.hosts) if is_shared else self.name

    @property
    def load(self) -> float:
        """Returns the share of its slots that is in use."""
        return min(1.0, (self.running or 0) / self.slots) if self.slots else 0.0

    def takes(self, task_type: str) -> bool:
        """Returns True if it takes this type, whatever the tags."""
        slots = AgentSlots(self.name, tuple(self.types), frozenset(self.tags), self.slots)
        slots.known_types = self.known_types
        return slots.can_take(Lane("", task_type))


@dataclass(frozen=True, slots=True)
class AgentsNow:
    """The present agents, by name, and those that left or were lost within GONE_WITHIN, latest first.

    `at` is the time (epoch seconds) that durations count to; `agents` is by PostgreSQL only unless `is_led`.
    """

    at: float
    is_led: bool
    agents: Sequence[Agent]
    gone: Sequence[AgentRecord]


@dataclass(frozen=True, slots=True)
class Record:
    """An agent's results over a range, with one type or all: attempts, and the mean run time in seconds.

    Run times are compared with those of the other agents for one type only.
    """

    completed: int = 0
    failed: int = 0
    mean_seconds: float | None = None
    comparison: Comparison = NOT_COMPARED

    @property
    def success_rate(self) -> float | None:
        """Returns the share of attempts that succeeded; None without any."""
        ended = self.completed + self.failed
        return self.completed / ended if ended else None


Records = Mapping[str, Mapping[str, Record]]  # by agent and type


@dataclass(frozen=True, slots=True)
class AgentUsage:
    """An agent's resource usage over a range; every series has one value for each of `at` (epoch seconds)."""

    at: Sequence[float]
    cpu_percent: Sequence[float | None]
    memory_bytes: Sequence[float | None]
    load_ratio: Sequence[float | None]


def agents_now(tx: Transaction, snapshot: LiveSnapshot | None) -> AgentsNow:
    """Returns the agents as of now; raises Unavailable."""
    records = tasks_store.agents(tx)
    holds = holds_store.holds(tx)
    restarts = restarts_asked(tx)
    database_now = tasks_store.now(tx)
    gone = [record for record in records if record.left_at]
    boots = _boots(snapshot, records)
    by_name: dict[str, list[_Boot]] = {}
    for id_ in sorted(boots):
        by_name.setdefault(boots[id_].info.name, []).append(boots[id_])
    return AgentsNow(
        at=snapshot.at if snapshot else database_now.timestamp(),
        is_led=snapshot is not None,
        agents=[_agent(by_name[name], holds.of_agent(name), restarts) for name in sorted(by_name)],
        gone=sorted(
            (record for record in gone if record.left_at and record.left_at > database_now - GONE_WITHIN),
            key=lambda record: record.left_at or database_now,
            reverse=True,
        ),
    )


def agent_records(tx: Transaction, until: float, range_seconds: int) -> Records:
    """Returns results by agent and type over a range that ends at `until` (epoch seconds); raises Unavailable."""
    found = agent_results(tx, until - range_seconds, until)
    runs: dict[str, dict[str, Histogram]] = {}
    for each in found:
        runs.setdefault(each.type, {})[each.agent] = each.run
    comparisons = {type_: compared(by_agent) for type_, by_agent in runs.items()}
    by_agent: dict[str, dict[str, Record]] = {}
    for each in found:
        record = Record(each.completed, each.failed, each.run.mean, comparisons[each.type][each.agent])
        by_agent.setdefault(each.agent, {})[each.type] = record
    return by_agent


def overall(records: Iterable[Record]) -> Record:
    """Returns the attempts of all these types together; their run times have no sense together."""
    found = list(records)
    return Record(sum(r.completed for r in found), sum(r.failed for r in found))


def slower_types(records: Mapping[str, Record]) -> list[tuple[str, Slower]]:
    """Returns the types at which an agent is notably slower than the others, the worst first; `records` by type."""
    found = [(type_, record.comparison.slower) for type_, record in records.items()]
    return sorted(((t, slower) for t, slower in found if slower), key=lambda one: (-one[1].ratio, one[0]))


def named_with(name: str, hosts: Iterable[str]) -> str:
    """Returns an agent's name with the hosts on which it is used."""
    return f"{name} @ {', '.join(hosts)}"


def agent_usage(tx: Transaction, name: str, until: float, range_seconds: int) -> AgentUsage:
    """Returns an agent's resource usage over a range that ends at `until` (epoch seconds); raises Unavailable."""
    step = history.step_for(range_seconds)
    first = (until - range_seconds) // step * step
    at = [first + step * n for n in range(int((until - first) // step) + 1)]
    found = {
        (metric, start): mean
        for source, sampled in (("process", f"agent {name}"), ("agent", name))
        for start, _of, metric, mean, _least, _most in history.samples(tx, source, first, until, step, name=sampled)
    }
    return AgentUsage(
        at, *([found.get((metric, t)) for t in at] for metric in ("cpu_percent", "memory_bytes", "load_ratio"))
    )


@dataclass(frozen=True, slots=True)
class _Boot:
    """A boot, as known by the leader, by PostgreSQL, or both."""

    info: AgentLive | AgentRecord
    live: AgentLive | None
    heartbeat_seconds: float | None
    since: datetime | None


def _boots(snapshot: LiveSnapshot | None, records: Sequence[AgentRecord]) -> dict[str, _Boot]:
    """Returns the present boots by id. A boot that left by PostgreSQL is gone, whatever the snapshot says."""
    known = {record.id: record for record in records}
    boots = {record.id: _Boot(record, None, None, record.registered_at) for record in records if not record.left_at}
    for agent in snapshot.agents if snapshot else ():
        record = known.get(agent.id)
        if record is None or not record.left_at:
            silence = max(0.0, snapshot.at - agent.heartbeat_at) if snapshot else None
            boots[agent.id] = _Boot(agent, agent, silence, record.registered_at if record else None)
    return boots


def _agent(boots: Sequence[_Boot], hold: Hold | None, restarts: Mapping[str, RestartAsked]) -> Agent:
    infos = [boot.info for boot in boots]
    seen = [boot.live for boot in boots if boot.live is not None]
    silences = [boot.heartbeat_seconds for boot in boots if boot.heartbeat_seconds is not None]
    asked = [restarts[info.id] for info in infos if info.id in restarts]
    since = [boot.since for boot in boots if boot.since is not None]
    wanted = _wanted(infos, hold, is_restarting=bool(asked))
    is_silent = bool(silences) and max(silences) > SILENT_AFTER_SECONDS
    first = infos[0]
    hosts = tuple(dict.fromkeys(info.host for info in infos))
    return Agent(
        name=first.name,
        kind=first.kind,
        host=", ".join(hosts),
        boots=tuple(info.id for info in infos),
        pids=tuple(info.pid for info in infos),
        types=tuple(dict.fromkeys(pattern for info in infos for pattern in info.types)),
        tags=tuple(dict.fromkeys(tag for info in infos for tag in info.tags)),
        slots=sum(info.max_concurrency for info in infos),
        state="silent" if is_silent else wanted,
        is_settled=not seen or any(live.state == wanted for live in seen),
        since=min(since, default=None),
        running=sum(live.running for live in seen) if seen else None,
        tasks=tuple(sorted((task for live in seen for task in live.tasks), key=lambda task: task.started_at)),
        cpu_percent=sum(live.cpu_percent for live in seen) if seen else None,
        memory_bytes=sum(live.memory_bytes for live in seen) if seen else None,
        heartbeat_seconds=max(silences, default=None),
        breakers=tuple(breaker for live in seen[:1] for breaker in live.breakers),  # types and tags belong to the name
        hold=hold,
        restart=asked[0] if asked else None,
        known_types=first.known_types,
        namesakes=sum(seconds <= SILENT_AFTER_SECONDS for seconds in silences),
        agent_class=first.agent_class,
        hosts=hosts,
        seats=next((live.seats for live in seen if live.seats is not None), None),
    )


def _wanted(infos: Sequence[AgentLive | AgentRecord], hold: Hold | None, *, is_restarting: bool) -> str:
    """Returns the state that operators requested; an agent that stops by itself is draining too."""
    if is_restarting or (hold and hold.mode is HoldMode.DRAINING):
        return "draining"
    if hold:
        return "paused"
    return "draining" if all(info.state == "draining" for info in infos) else "online"
