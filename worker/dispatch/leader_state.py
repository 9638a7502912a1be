"""Holds the leader's memory between ticks: open claims, agents, lanes. All of it is rebuilt from PostgreSQL."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from taskyard.core.ids import agent_name_of
from taskyard.core.models import Lane
from taskyard.core.postgres.store.recovery import OpenClaim
from taskyard.core.postgres.store.tick import Claimed
from taskyard.core.protocol import AgentInfo, Heartbeat, KnownType, Pair
from taskyard.core.scheduling.breaker import Breaker, Breakers
from taskyard.core.scheduling.holds import Holds
from taskyard.core.scheduling.placement import AgentSlots, as_agents_see, matches_any, room_for
from taskyard.core.task_types.registry import Registry
from taskyard.worker.dispatch.fleet_types import FleetTypes

# The minimum cost of a task on its way through an agent, whatever its handler takes.
MIN_SECONDS = 25e-6
SMOOTHING = 0.05
MAX_KEPT_INPUT_LENGTH = 1_000  # characters
FIRST_CLAIMS = 16  # of a type whose inputs are unknown
SIZE_FADING = 0.9  # of the largest input, with each tick that claims the type
UNKNOWN_SECONDS = 3600.0
SHUNNED_SECONDS = 60.0  # a version of a type that refused an input gets no more of the type for this long


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
        "input_bytes",
        "is_published",
        "ready",
        "row",
        "started",
        "started_at",
    )

    def __init__(self, row: Claimed, expected_seconds: float, ready: float) -> None:
        self.ready = ready
        self.input_bytes = len(row.input) + len(row.resumed or "")
        # what only the agent needs is not kept while it runs
        self.row = row if self.input_bytes <= MAX_KEPT_INPUT_LENGTH else row._replace(input="", resumed=None)
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
    """An agent that registered or sent a heartbeat.

    `heartbeat_at` is when its last heartbeat was first seen, 0 before the first; `unheard_seconds` is how long rosters
    were read since without another one; `unread_since` is when its
    inbox ended at `unread_tail`, which it has not read yet (monotonic seconds; None: it has read everything).
    """

    info: AgentInfo
    slots: AgentSlots
    heartbeat: Heartbeat | None = None
    heartbeat_at: float = 0.0
    unheard_seconds: float = 0.0
    held_before: frozenset[Pair] = frozenset()
    published_before: frozenset[Pair] = frozenset()
    tail_before: tuple[int, int] | None = None
    unread_since: float | None = None
    unread_tail: tuple[int, int] = (0, 0)
    refusals: dict[str, tuple[str, float]] = field(default_factory=dict)
    unstarted: Pair | None = None  # the first claim that it has a free slot for and has not started …
    unstarted_since: float = 0.0  # … and since when it is the first


@dataclass(slots=True)
class Durations:
    """The mean run time in seconds of each type, exponentially smoothed; unknown types count as long."""

    means: dict[str, float] = field(default_factory=dict)
    sizes: dict[str, float] = field(default_factory=dict)  # bytes of the largest inputs of late

    def at_once(self, task_type: str, limit_bytes: int) -> int:
        """Returns how many tasks of a type one tick may claim so that their inputs stay below a limit (at least 1)."""
        size = self.sizes.get(task_type)
        return FIRST_CLAIMS if size is None else max(1, int(limit_bytes / max(size, 1.0)))

    def note_inputs(self, claimed: Iterable[Claimed]) -> None:
        """Records the size of inputs; a large one counts for a while."""
        largest: dict[str, int] = {}
        for row in claimed:
            largest[row.type] = max(largest.get(row.type, 0), len(row.input))
        for task_type, size in largest.items():
            self.sizes[task_type] = max(float(size), self.sizes.get(task_type, 0.0) * SIZE_FADING)

    def expected(self, task_type: str) -> float:
        return self.means.get(task_type, UNKNOWN_SECONDS)

    def note(self, task_type: str, run_seconds: float) -> None:
        mean = self.means.get(task_type)
        seconds = run_seconds + MIN_SECONDS
        self.means[task_type] = seconds if mean is None else mean + SMOOTHING * (seconds - mean)


class LeaderState:
    """Open claims and agents, and their free room for placement."""

    def __init__(self, durations: Durations, breakers: Breakers | None = None, fleet: FleetTypes | None = None) -> None:
        self.durations = durations
        self.fleet = fleet or FleetTypes(Registry())
        self.breakers = breakers or Breakers()
        self.claims: dict[str, Claim] = {}
        self.agents: dict[str, KnownAgent] = {}
        self.hot_lanes: set[Lane] = set()  # lanes that may have something to claim
        self.claiming: dict[str, Lane] = {}  # passed to the committer, not yet answered
        self.holds = Holds()
        self.ended: set[str] = set()  # boots that left or were lost in this term
        self.allowed_types: dict[str, tuple[str, ...]] = {}  # by name: of agents with credentials of their own
        self.inherited: set[str] = set()  # boots whose end no earlier leader recorded

    def load(self, claims: Iterable[OpenClaim], now: float, database_now: float) -> None:
        """Adds the claims of an earlier leader."""
        for found in claims:
            claim = self.open(found.row, self.durations.expected(found.row.type), found.ready)
            claim.is_published = True
            if found.started_at is not None:
                claim.started_at = found.started_at
                claim.started = now - max(0.0, database_now - found.started_at)

    def add_agent(self, info: AgentInfo) -> KnownAgent:
        """Adds a new boot, charged for the claims that it already has."""
        slots = AgentSlots(info.id, tuple(info.types), frozenset(info.tags), info.max_concurrency)
        for claim in self.claims.values():
            if claim.agent_id == info.id:
                slots.give(claim.expected_seconds)
                slots.open_bytes += claim.input_bytes
        slots.accepts_work = self.holds.of_agent(info.name) is None
        slots.barred = {breaker.type for breaker in self.breakers.of_agent(info.name)}
        slots.known_types = self.fleet.known_by(info.id)
        slots.allowed = self.allowed_types.get(info.name)
        self.agents[info.id] = agent = KnownAgent(info, slots)
        return agent

    def note_outcome(self, claim: Claim, error_class: str | None, now: float) -> Breaker | None:
        """Records the end of an attempt for the agent's breaker; returns the breaker if that opened or closed it."""
        name = agent_name_of(claim.agent_id)
        breaker = self.breakers.note(name, claim.row.type, error_class, claim.id, now)
        if breaker is not None:
            self._bar(name)
        return breaker

    def send_probes(self, now: float) -> None:
        """Sends one probe to each agent whose breaker has been open long enough, unless it has a task of the type.

        A probe that was handed back, or whose claim failed, is thereby repeated.
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

    def learn_types(self, agent_id: str, known: Iterable[KnownType]) -> dict[str, list[str]]:
        """Stores the types that an agent declared and may have: it gets no others. Returns as FleetTypes.learn."""
        allowed = self.allowed_types.get(agent_name_of(agent_id))
        deployed = self.fleet.learn(
            agent_id, [one for one in known if allowed is None or matches_any(one.name, allowed)]
        )
        if agent_id in self.agents:
            self.agents[agent_id].slots.known_types = self.fleet.known_by(agent_id)
        return deployed

    def bar_type(self, agent_id: str, task_type: str, reason: str) -> None:
        """Bars a type that the boot can't run: it gets none of it again (P16)."""
        if agent_id in self.agents:
            self.agents[agent_id].refusals[task_type] = (reason, math.inf)
            self._note_refusals(self.agents[agent_id])

    def pause_type(self, agent_id: str, task_type: str, reason: str, until: float) -> bool:
        """Pauses a type for a boot until then (monotonic seconds); returns whether other agents can take it."""
        agent = self.agents.get(agent_id)
        if agent is not None and agent.refusals.get(task_type, ("", 0.0))[1] < until:
            agent.refusals[task_type] = (reason, until)
            self._note_refusals(agent)
        lane = Lane("", task_type)
        return any(agent.slots.is_let_in(lane) for agent in self.agents.values())

    def shun_version(self, agent_id: str, task_type: str, reason: str, now: float) -> bool:
        """Bars a version of a type that refused an input from agents of that version for a while.

        Returns False, and changes nothing, without agents of another version: one bad input must not stop its type.
        """
        version = self.fleet.version_at(agent_id, task_type)
        same, others = list[KnownAgent](), list[KnownAgent]()
        for agent in self.agents.values():
            found = self.fleet.version_at(agent.info.id, task_type)
            if found is not None and task_type not in agent.slots.refused and agent.slots.matches(task_type):
                (same if found == version else others).append(agent)
        for agent in same if others else ():
            agent.refusals[task_type] = (reason, now + SHUNNED_SECONDS)
            self._note_refusals(agent)
        return bool(others)

    def forget_refusals(self, now: float) -> None:
        """Lifts expired bars and pauses of types."""
        for agent in self.agents.values():
            over = [name for name, (_, until) in agent.refusals.items() if until <= now]
            for name in over:
                del agent.refusals[name]
            if over:
                self._note_refusals(agent)

    def _note_refusals(self, agent: KnownAgent) -> None:
        agent.slots.refused = {name: reason for name, (reason, _) in agent.refusals.items()}

    def _bar(self, name: str) -> None:
        barred = {breaker.type for breaker in self.breakers.of_agent(name)}
        for agent in self.agents.values():
            if agent.info.name == name:
                agent.slots.barred = set(barred)
                agent.slots.probes.clear()

    def hold(self, holds: Holds) -> None:
        """Sets the holds in force."""
        self.holds = holds
        for agent in self.agents.values():
            is_draining = agent.heartbeat is not None and agent.heartbeat.draining
            agent.slots.accepts_work = not is_draining and holds.of_agent(agent.info.name) is None

    def remove_agent(self, agent_id: str) -> None:
        """Removes a boot that ended; late messages from it do not bring it back."""
        self.agents.pop(agent_id, None)
        self.fleet.forget(agent_id)
        self.ended.add(agent_id)

    def open(self, row: Claimed, expected_seconds: float, ready: float = 0.0) -> Claim:
        """Opens a committed claim; its agent was charged when it was placed."""
        claim = self.claims[row.id] = Claim(row, expected_seconds, ready)
        agent = self.agents.get(row.agent_id)
        if agent is not None:
            agent.slots.open_bytes += claim.input_bytes
        return claim

    def close(self, claim: Claim) -> None:
        """Closes the claim: its agent has room again."""
        if self.claims.get(claim.id) is claim:
            del self.claims[claim.id]
            agent = self.agents.get(claim.agent_id)
            if agent is not None:
                agent.slots.take_back(claim.expected_seconds)
                agent.slots.open_bytes -= claim.input_bytes

    def find(self, task_id: str, attempt: int) -> Claim | None:
        """Returns the open claim of this pair, if it is the current one."""
        claim = self.claims.get(task_id)
        return claim if claim is not None and claim.attempt == attempt else None

    def claims_of(self, agent_id: str) -> list[Claim]:
        return [claim for claim in self.claims.values() if claim.agent_id == agent_id]

    def wanted(self, cover_seconds: float, limit: int) -> dict[Lane, int]:
        """Returns how many tasks of each hot lane could be placed now."""
        wanted = {}
        rooms: dict[Lane, int] = {}
        agents = [agent.slots for agent in self.agents.values()]
        for lane in self.hot_lanes:
            if self.holds.of_lane(lane) is not None:
                continue
            if (alike := as_agents_see(lane)) not in rooms:
                rooms[alike] = room_for(lane, agents, self.durations.expected(lane.type), cover_seconds, limit)
            if rooms[alike] > 0:
                wanted[lane] = min(rooms[alike], limit)
        if wanted and self.claiming:
            # their ids stay at the head of the lane until the publication removes them
            for lane in self.claiming.values():
                if lane in wanted:
                    wanted[lane] += 1
        return wanted
