"""Begins second attempts beside stragglers in the tick, after everything else was placed."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import NamedTuple

from taskyard.core.errors import UnknownTaskType
from taskyard.core.postgres.store.hedges import Takeover
from taskyard.core.protocol import Pair
from taskyard.core.scheduling.hedging import MIN_RUN_SECONDS, Chosen, Straggler, agent_for, room
from taskyard.worker.dispatch.batch import Batch
from taskyard.worker.dispatch.fleet_types import FleetTypes
from taskyard.worker.dispatch.leader_state import LeaderState

MAX_AT_ONCE = 20  # stragglers for which agents are looked for, once a second


class RunningAttempt(NamedTuple):
    """An attempt that may be hedged; `started` is monotonic seconds."""

    id: str
    attempt: int
    started: float


class Hedging:
    """Told by the learner's thread which attempts are late, of those that the dispatcher's thread lists as running."""

    def __init__(self) -> None:
        self.running: list[RunningAttempt] = []  # replaced, never changed
        self.stragglers: Mapping[Pair, Straggler] = {}  # replaced, never changed
        self._looked_at: Mapping[Pair, Straggler] = self.stragglers
        self._tried: set[Pair] = set()

    def note_running(self, leader_state: LeaderState, now: float) -> None:
        """Lists what runs and may be hedged. `now` is monotonic seconds."""
        may_be: dict[str, bool] = {}
        found = []
        for claim in leader_state.claims.values():
            if claim.started is None or now - claim.started < MIN_RUN_SECONDS:
                continue
            name = claim.row.type
            if name not in may_be:
                may_be[name] = _is_idempotent(leader_state.fleet, name)
            if may_be[name]:
                found.append(RunningAttempt(claim.id, claim.attempt, claim.started))
        self.running = found
        self._tried &= {(one.id, one.attempt) for one in found}

    def choose(self, leader_state: LeaderState, batch: Batch) -> None:
        """Adds to a batch the second attempts that are to begin, each on an agent with an idle slot."""
        stragglers = self.stragglers
        if stragglers is self._looked_at:
            return
        self._looked_at = stragglers
        late = [one for pair, one in stragglers.items() if pair not in self._tried]
        if not late:
            return
        agents = leader_state.agents.values()
        most = room(sum(agent.slots.max_concurrency for agent in agents), len(leader_state.hedges))
        for straggler in random.sample(late, min(len(late), MAX_AT_ONCE)):  # each has its turn
            if most <= len(batch.hedges):
                return
            claim = leader_state.find(straggler.id, straggler.attempt)
            if claim is None or leader_state.holds.of_lane(straggler.lane) is not None:
                continue
            beside = leader_state.agents.get(claim.agent_id)
            host = beside.info.host if beside is not None else ""
            able = ((agent.slots, agent.info.host) for agent in agents)
            agent = agent_for(straggler.lane, claim.agent_id, host, able)
            if agent is None:
                continue
            expected_seconds = leader_state.durations.expected(straggler.lane.type)
            agent.give(expected_seconds)
            self._tried.add(claim.pair)
            batch.hedges.append(Chosen(straggler, agent, expected_seconds))


def conclude(leader_state: LeaderState, batch: Batch) -> None:
    """Decides about second attempts whose first ones have ended, and has a batch record what was dropped.

    If the batch ends the first one without a result, the second goes on instead of it.
    """
    hedges = leader_state.hedges
    for hedge in hedges.take_freed():
        end = next((one for one in batch.settlements if (one.id, one.attempt) == (hedge.id, hedge.beside)), None)
        if end is None or hedge.agent_id in leader_state.ended:
            hedges.note_dropped(hedge.row, None)
            continue
        batch.settlements = [one for one in batch.settlements if one is not end]
        batch.takeovers.append(Takeover(end, hedge.attempt, hedge.agent_id, hedge.started_at))
        if hedge.agent_id in leader_state.agents:
            leader_state.agents[hedge.agent_id].slots.give(hedge.expected_seconds)
        row = hedge.row._replace(refunded=hedge.row.refunded + hedge.attempt - hedge.beside)
        claim = leader_state.open(row, hedge.expected_seconds, hedge.ready)
        claim.is_published, claim.started, claim.started_at = hedge.is_published, hedge.started, hedge.started_at
    hedges.flush(batch)


def _is_idempotent(fleet: FleetTypes, name: str) -> bool:
    try:
        return fleet.get(name).idempotent
    except UnknownTaskType:
        return False
