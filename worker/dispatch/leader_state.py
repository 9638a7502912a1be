"""Holds the leader's memory between ticks: open claims, agents, lanes. All of it is rebuilt from PostgreSQL."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, KeysView
from functools import partial

from taskyard.core.ids import agent_name_of
from taskyard.core.models import Lane
from taskyard.core.postgres.store.recovery import OpenClaim
from taskyard.core.postgres.store.tick import Claimed
from taskyard.core.protocol import AgentInfo, KnownType, Pair
from taskyard.core.scheduling.agent_slots import NONE, AgentSlots, matches_any
from taskyard.core.scheduling.breaker import Breaker, Breakers
from taskyard.core.scheduling.crews import Crews
from taskyard.core.scheduling.holds import Holds
from taskyard.core.task_types.registry import Registry
from taskyard.worker.dispatch.claim import Claim
from taskyard.worker.dispatch.durations import Durations
from taskyard.worker.dispatch.fleet_types import FleetTypes
from taskyard.worker.dispatch.hedges import Hedge, Hedges
from taskyard.worker.dispatch.hot_lanes import HotLanes
from taskyard.worker.dispatch.kept_reports import KeptReports
from taskyard.worker.dispatch.known_agent import KnownAgent

SHUNNED_SECONDS = 60.0  # a version of a type that refused an input gets no more of the type for this long


class LeaderState:
    """Open claims and agents, and their free room for placement."""

    def __init__(self, durations: Durations, breakers: Breakers | None = None, fleet: FleetTypes | None = None) -> None:
        self.durations = durations
        self.fleet = fleet or FleetTypes(Registry())
        self.breakers = breakers or Breakers()
        self.claims: dict[str, Claim] = {}
        self._claims_of: dict[str, dict[str, Claim]] = {}  # by agent, none without any
        self.agents: dict[str, KnownAgent] = {}
        self.hedges = Hedges(self.agents)
        self._named: dict[str, dict[str, KnownAgent]] = {}  # by name, then by id
        self._refusing: set[KnownAgent] = set()  # those with refusals
        self.crews = Crews()
        self.hot_lanes = HotLanes()
        self.claiming: dict[str, Lane] = {}  # passed to the committer, not yet answered
        self.holds = Holds()
        self.kept = KeptReports()
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
            if found.hedged is not None and found.hedge_agent_id is not None:
                row = found.row._replace(attempt=found.hedged, agent_id=found.hedge_agent_id)
                hedge = Hedge(row, claim, claim.expected_seconds, now)
                hedge.is_published, hedge.started, hedge.started_at = True, claim.started, claim.started_at
                self.hedges.open(hedge)

    def add_agent(self, info: AgentInfo) -> KnownAgent:
        """Adds a new boot, charged for the claims that it already has."""
        self._drop(info.id)
        self.kept.note_agent(info)
        slots = AgentSlots(info.id, tuple(info.types), frozenset(info.tags), info.max_concurrency)
        for claim in (*self.claims_of(info.id), *self.hedges.of(info.id)):
            slots.give(claim.expected_seconds)
            slots.add_bytes(claim.input_bytes)
        slots.barred = frozenset(breaker.type for breaker in self.breakers.of_agent(info.name))
        slots.known_types = self.fleet.known_by(info.id)
        slots.allowed = self.allowed_types.get(info.name)
        self.agents[info.id] = agent = KnownAgent(info, slots)
        agent.let_in(is_held=self.holds.of_agent(info.name) is not None)
        self._named.setdefault(info.name, {})[info.id] = agent
        self.crews.add(slots)
        return agent

    def agents_named(self, name: str) -> list[KnownAgent]:
        """Returns the boots of a name."""
        return list(self._named.get(name, {}).values())

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
            for agent in self.agents_named(breaker.agent):
                has_one = any(claim.row.type == breaker.type for claim in self.claims_of(agent.info.id))
                if has_one:
                    continue
                breaker.is_probing = True
                if breaker.type not in agent.slots.probes:
                    agent.slots.barred -= {breaker.type}
                    agent.slots.probes |= {breaker.type}

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
        return any(agent.slots.is_let_in(Lane("", task_type)) for agent in self.agents.values())

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
        for agent in list(self._refusing):
            over = [name for name, (_, until) in agent.refusals.items() if until <= now]
            for name in over:
                del agent.refusals[name]
            if over:
                self._note_refusals(agent)

    def _note_refusals(self, agent: KnownAgent) -> None:
        agent.slots.refused = {name: reason for name, (reason, _) in agent.refusals.items()}
        (self._refusing.add if agent.refusals else self._refusing.discard)(agent)

    def _bar(self, name: str) -> None:
        barred = frozenset(breaker.type for breaker in self.breakers.of_agent(name))
        for agent in self.agents_named(name):
            agent.slots.barred, agent.slots.probes = barred, NONE

    def hold(self, holds: Holds) -> None:
        """Sets the holds in force."""
        if holds == self.holds:
            return
        self.holds = holds
        self.hot_lanes.hold(holds)
        for agent in self.agents.values():
            agent.let_in(is_held=holds.of_agent(agent.info.name) is not None)

    def remove_agent(self, agent_id: str) -> None:
        """Removes a boot that ended; late messages from it do not bring it back."""
        self._drop(agent_id)
        self.fleet.forget(agent_id)
        self.ended.add(agent_id)

    def _drop(self, agent_id: str) -> None:
        agent = self.agents.pop(agent_id, None)
        if agent is not None:
            self.crews.remove(agent.slots)
            self._refusing.discard(agent)
            named = self._named[agent.info.name]
            del named[agent_id]
            if not named:
                del self._named[agent.info.name]

    def open(self, row: Claimed, expected_seconds: float, ready: float = 0.0) -> Claim:
        """Opens a committed claim; its agent was charged when it was placed."""
        if row.id in self.claims:
            self._forget(self.claims[row.id])
        claim = self.claims[row.id] = Claim(row, expected_seconds, ready)
        self._claims_of.setdefault(claim.agent_id, {})[claim.id] = claim
        agent = self.agents.get(claim.agent_id)
        if agent is not None:
            agent.slots.add_bytes(claim.input_bytes)
        return claim

    def close(self, claim: Claim) -> None:
        """Closes the claim: its agent has room again."""
        if self.claims.get(claim.id) is claim:
            self._forget(claim)
            agent = self.agents.get(claim.agent_id)
            if agent is not None:
                agent.slots.take_back(claim.expected_seconds, claim.input_bytes)

    def _forget(self, claim: Claim) -> None:
        del self.claims[claim.id]
        if claim.second is not None:
            self.hedges.free(claim.id)
        claims = self._claims_of[claim.agent_id]
        del claims[claim.id]
        if not claims:
            del self._claims_of[claim.agent_id]

    def find(self, task_id: str, attempt: int) -> Claim | None:
        """Returns the open claim of this pair, if it is the current one."""
        claim = self.claims.get(task_id)
        return claim if claim is not None and claim.attempt == attempt else None

    def claims_of(self, agent_id: str) -> list[Claim]:
        """Returns what an agent has, the oldest first."""
        claims = self._claims_of.get(agent_id)
        return list(claims.values()) if claims else []

    def published_pairs(self, agent_id: str) -> frozenset[Pair]:
        """Returns the pairs that an agent was sent, second attempts among them."""
        pairs = frozenset(claim.pair for claim in self.claims_of(agent_id) if claim.is_published)
        return pairs | self.hedges.pairs_of(agent_id) if self.hedges else pairs

    @property
    def holders(self) -> KeysView[str]:
        """Returns the ids of all agents that have something."""
        return self._claims_of.keys()

    def can_place(self, cover_seconds: float) -> bool:
        """Returns True if a task of a hot lane could be placed now."""
        self.crews.refresh(cover_seconds)
        return self.hot_lanes.has_room(partial(self._room_for, cover_seconds, 1))

    def wanted(self, cover_seconds: float, limit: int, limit_bytes: int) -> dict[Lane, int]:
        """Returns which hot lanes a tick is to look at, and how many of their tasks it is to read.

        `limit` is how many tasks it can place at most, `limit_bytes` the size of the inputs of one lane.
        """
        self.crews.refresh(cover_seconds)
        wanted = self.hot_lanes.wanted(partial(self._room_for, cover_seconds, limit))
        at_once = {task_type: self.durations.at_once(task_type, limit_bytes) for task_type in {x.type for x in wanted}}
        for lane, count in wanted.items():
            if count > at_once[lane.type]:
                wanted[lane] = at_once[lane.type]
        if wanted and self.claiming:
            # what is being claimed stays at the head of its lane until the publication removes it
            for lane, count in Counter(self.claiming.values()).items():
                if lane in wanted:
                    wanted[lane] += count
        return wanted

    def _room_for(self, cover_seconds: float, limit: int, lane: Lane) -> int:
        expected_seconds = self.durations.expected(lane.type)
        return self.crews.of(lane).room(lane.type, expected_seconds, cover_seconds, limit)
