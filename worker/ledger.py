"""What the leader remembers between ticks: open claims, agents, lanes. All of it is rebuilt from PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from core.breaker import Breaker, Breakers
from core.holds import Holds
from core.models import Lane
from core.placement import AgentSlots
from core.protocol import AgentInfo, Heartbeat, Pair
from core.store.recovering import OpenClaim
from core.store.ticking import Claimed

# What a task costs at least on its way through an agent, whatever its handler takes.
LEAST_SECONDS = 25e-6
SMOOTHING = 0.05
UNKNOWN_SECONDS = 3600.0


class Claim:
    """A task that an agent has, around the row that its claim returned.

    `ready` is since when the task waited, in epoch seconds. `started` is monotonic seconds and
    `started_at` epoch seconds, None until the agent reported it.
    """

    __slots__ = (
        "agent_id",
        "attempt",
        "expected_seconds",
        "id",
        "is_published",
        "ready",
        "row",
        "started",
        "started_at",
    )

    def __init__(self, row: Claimed, expected_seconds: float, ready: float) -> None:
        self.ready = ready
        self.row = row
        self.id = row.id
        self.attempt = row.attempt
        self.agent_id = row.agent_id
        self.expected_seconds = expected_seconds
        self.is_published = False
        self.started: float | None = None
        self.started_at: float | None = None

    @property
    def pair(self) -> Pair:
        return self.id, self.attempt


@dataclass(slots=True, eq=False)
class KnownAgent:
    """An agent that said hello or sent a heartbeat.

    `beat_at` is when its last heartbeat was first seen, 0 before the first; `unread_since` is when its
    inbox ended at `unread_tail`, which it has not read yet (monotonic seconds; None: it has read everything).
    """

    info: AgentInfo
    slots: AgentSlots
    heartbeat: Heartbeat | None = None
    beat_at: float = 0.0
    held_before: frozenset[Pair] = frozenset()
    published_before: frozenset[Pair] = frozenset()
    tail_before: tuple[int, int] | None = None
    unread_since: float | None = None
    unread_tail: tuple[int, int] = (0, 0)
    unstarted: Pair | None = None  # the first claim that it has a free slot for and has not started …
    unstarted_since: float = 0.0  # … and since when it is the first


@dataclass(slots=True)
class Durations:
    """The mean run time of each type, exponentially smoothed; unknown ones count as long."""

    means: dict[str, float] = field(default_factory=dict)

    def expected(self, task_type: str) -> float:
        return self.means.get(task_type, UNKNOWN_SECONDS)

    def note(self, task_type: str, run_seconds: float) -> None:
        mean = self.means.get(task_type)
        seconds = run_seconds + LEAST_SECONDS
        self.means[task_type] = seconds if mean is None else mean + SMOOTHING * (seconds - mean)


def name_of(agent_id: str) -> str:
    """The agent's name in the id of one of its boots."""
    return agent_id.rpartition(":")[0]


class Ledger:
    """Open claims and agents, and the room that placement has."""

    def __init__(self, durations: Durations, breakers: Breakers | None = None) -> None:
        self.durations = durations
        self.breakers = breakers or Breakers()
        self.claims: dict[str, Claim] = {}
        self.agents: dict[str, KnownAgent] = {}
        self.hot_lanes: set[Lane] = set()  # lanes that may have something to claim
        self.claiming: dict[str, Lane] = {}  # given to the committer, not yet answered
        self.holds = Holds()
        self.ended: set[str] = set()  # boots that left or were lost in this term
        self.inherited: set[str] = set()  # boots whose end no earlier leader recorded

    def load(self, claims: Iterable[OpenClaim], now: float, database_now: float) -> None:
        """Takes over what an earlier leader had claimed."""
        for found in claims:
            claim = self.open(found.row, self.durations.expected(found.row.type), found.ready)
            claim.is_published = True
            if found.started_at is not None:
                claim.started_at = found.started_at
                claim.started = now - max(0.0, database_now - found.started_at)

    def add_agent(self, info: AgentInfo) -> KnownAgent:
        """A new boot; it is charged for the claims that it already has."""
        slots = AgentSlots(info.id, tuple(info.types), frozenset(info.tags), info.max_concurrency)
        for claim in self.claims.values():
            if claim.agent_id == info.id:
                slots.give(claim.expected_seconds)
        slots.accepts_work = self.holds.of_agent(info.name) is None
        slots.barred = {breaker.type for breaker in self.breakers.of_agent(info.name)}
        self.agents[info.id] = agent = KnownAgent(info, slots)
        return agent

    def note_outcome(self, claim: Claim, error_class: str | None, now: float) -> Breaker | None:
        """The end of an attempt for the agent's breaker; returns the breaker if that opened or closed it."""
        name = name_of(claim.agent_id)
        breaker = self.breakers.note(name, claim.row.type, error_class, claim.id, now)
        if breaker is not None:
            self._bar(name)
        return breaker

    def send_probes(self, now: float) -> None:
        """Lets one task through to each agent whose breaker has been open long enough and that has none of the type.

        A probe that came to nothing, since it was handed back or its claim failed, is so sent again.
        """
        self.breakers.forget_old(now)
        for breaker in self.breakers.open.values():
            if now < breaker.retry_at:
                continue
            for agent in self.agents.values():
                if agent.info.name == breaker.agent and not any(
                    claim.row.type == breaker.type for claim in self.claims_of(agent.info.id)
                ):
                    breaker.is_probing = True
                    agent.slots.barred.discard(breaker.type)
                    agent.slots.probes.add(breaker.type)

    def _bar(self, name: str) -> None:
        barred = {breaker.type for breaker in self.breakers.of_agent(name)}
        for agent in self.agents.values():
            if agent.info.name == name:
                agent.slots.barred = set(barred)
                agent.slots.probes.clear()

    def hold(self, holds: Holds) -> None:
        """What operators hold back from now on."""
        self.holds = holds
        for agent in self.agents.values():
            is_draining = agent.heartbeat is not None and agent.heartbeat.draining
            agent.slots.accepts_work = not is_draining and holds.of_agent(agent.info.name) is None

    def remove_agent(self, agent_id: str) -> None:
        """The boot ended; whatever still comes from it does not bring it back."""
        self.agents.pop(agent_id, None)
        self.ended.add(agent_id)

    def open(self, row: Claimed, expected_seconds: float, ready: float = 0.0) -> Claim:
        """A claim that was committed; its agent was charged when it was placed."""
        claim = self.claims[row.id] = Claim(row, expected_seconds, ready)
        return claim

    def close(self, claim: Claim) -> None:
        """The claim is over: its agent has room again."""
        if self.claims.get(claim.id) is claim:
            del self.claims[claim.id]
            agent = self.agents.get(claim.agent_id)
            if agent is not None:
                agent.slots.take_back(claim.expected_seconds)

    def find(self, task_id: str, attempt: int) -> Claim | None:
        """The open claim of this pair, if it is the current one."""
        claim = self.claims.get(task_id)
        return claim if claim is not None and claim.attempt == attempt else None

    def claims_of(self, agent_id: str) -> list[Claim]:
        return [claim for claim in self.claims.values() if claim.agent_id == agent_id]

    def wanted(self, cover_seconds: float, limit: int) -> dict[Lane, int]:
        """How many tasks of each hot lane could be placed now."""
        wanted = {}
        for lane in self.hot_lanes:
            if self.holds.of_lane(lane) is not None:
                continue
            expected = self.durations.expected(lane.type)
            room = sum(
                min(agent.slots.free(expected, cover_seconds), 1 if lane.type in agent.slots.probes else limit)
                for agent in self.agents.values()
                if agent.slots.is_let_in(lane)
            )
            if room > 0:
                wanted[lane] = min(room, limit)
        if wanted and self.claiming:
            # their ids are still at the head of the lane until the publication removes them
            for lane in self.claiming.values():
                if lane in wanted:
                    wanted[lane] += 1
        return wanted
