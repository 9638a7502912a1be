"""Recovers inside the tick: reconcile, reap, orphans, overdue attempts (P9 to P11, P15).

Every second the leader reads the roster (heartbeats, the inboxes' and results' tails, at one instant). What looks
lost then is only a suspect: it is acted upon after every result that was in the stream at that instant has been read.
Of a thousand agents and more it reads a part of the heartbeats each time, in rotation, and only looks whether the
others are there.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

import structlog

from taskyard.core.errors import ErrorClass
from taskyard.core.ids import agent_name_of, is_id
from taskyard.core.protocol import Cancel, Drain, Failure, Heartbeat, decode_heartbeat
from taskyard.core.redis.quarantine import Odd
from taskyard.core.redis.roster import EVERYBODY, NO_OWN, Roster, Turn
from taskyard.core.scheduling.hedging import LOST, UNHELD
from taskyard.core.scheduling.holds import HoldMode
from taskyard.core.task_types.retry_policy import RetryPolicy
from taskyard.worker.dispatch.batch import Batch
from taskyard.worker.dispatch.claim import Claim
from taskyard.worker.dispatch.decisions import hand_back, judge
from taskyard.worker.dispatch.known_agent import KnownAgent
from taskyard.worker.dispatch.leader_state import LeaderState
from taskyard.worker.dispatch.outcome_events import note_failure
from taskyard.worker.dispatch.suspects import Suspects, position
from taskyard.worker.dispatch.unprocessable import ESCAPES, reason_of, settle_escaped
from taskyard.worker.dispatch.withheld_claims import is_withheld, park

DEAF_AFTER_SECONDS = 10.0
OVERDUE_GRACE_SECONDS = 15.0
MAX_WATCHED_SECONDS = 2.0  # between two rosters; time that this leader did not observe is not held against agents
AGENTS_AT_ONCE = 1_000  # whose heartbeats are read in one roster, more or less
READINGS_IN_TTL = 3  # of each heartbeat, at least

log = structlog.get_logger(__name__)


class Recovery:
    """Checks everything that is open a second time."""

    def __init__(self, leader_state: LeaderState, policy_for: Callable[[str], RetryPolicy], ttl_seconds: float) -> None:
        self._leader_state = leader_state
        self._policy_for = policy_for
        self._ttl_seconds = ttl_seconds
        self._suspects: Suspects | None = None
        self._canary_since: float | None = None
        self._unreadable: dict[str, float] = {}  # agent id → since when its heartbeat is invalid
        self._now = 0.0  # monotonic seconds of the last roster
        self._turn = EVERYBODY
        self.watched_seconds = 0.0  # for which rosters were read

    @property
    def canary_is_dead(self) -> bool:
        """Returns True if the canary must be recreated with the next reading of the roster."""
        return self._canary_since is None

    # the roster

    def next_turn(self) -> Turn:
        """Returns whose heartbeats the next roster is to read: everybody's at the beginning of a term."""
        if self._now:
            count, most = len(self._leader_state.agents), max(1, int(self._ttl_seconds / READINGS_IN_TTL))
            readings = max(1, min(-(-count // AGENTS_AT_ONCE), most))
            self._turn = Turn(readings, (self._turn.number + 1) % readings)
        return self._turn

    def inspect(self, roster: Roster, generation: str, now: float, batch: Batch) -> list[str]:
        """Reads a roster: new agents, suspects, orphans. `now` is monotonic seconds.

        Returns the ids whose heartbeats were invalid for a whole TTL, and are to be deleted.
        """
        if not roster.canary_lives or self._canary_since is None:
            self._canary_since = now if roster.canary_lives else None
        self.watched_seconds += min(max(0.0, now - self._now), MAX_WATCHED_SECONDS) if self._now else 0.0
        self._now = now
        own_tails = {name: position(tail) for name, tail in roster.own_tails.items()}
        suspects = Suspects(position(roster.results_tail), own_tails)
        for agent_id, (encoded, inbox_tail) in roster.agents.items():
            if agent_id in self._leader_state.ended:
                continue
            try:
                heartbeat = self._decoded(agent_id, encoded)
                self._inspect_agent(agent_id, heartbeat, inbox_tail, generation, now, batch, suspects)
                self._unreadable.pop(agent_id, None)
            except ESCAPES as error:
                if not self._leader_state.kept.is_newer(agent_id, encoded):
                    self._note_unreadable(agent_id, encoded, error, now, batch)
        self._suspect_silent(roster, now, suspects)
        self._leader_state.send_probes(now)
        self._leader_state.forget_refusals(now)
        if suspects.unheld or suspects.lost_agents:
            self._suspects = suspects
        self._settle_overdue(now, batch)
        return self._forgettable(roster, now)

    def _decoded(self, agent_id: str, encoded: bytes) -> Heartbeat:
        """Returns a heartbeat; raises ValueError for another version or foreign data."""
        heartbeat = decode_heartbeat(encoded)
        known, claims = self._leader_state.agents.get(agent_id), self._leader_state.claims
        if known is not None and heartbeat.agent == known.info:
            heartbeat.agent = known.info  # which was checked
        elif heartbeat.agent.id != agent_id or not heartbeat.agent.is_storable():
            raise ValueError("its agent id does not match, or can't be stored")
        if not all(task_id in claims or is_id(task_id) for task_id, _ in heartbeat.held):
            raise ValueError("it holds an invalid task")
        return heartbeat

    def _note_unreadable(self, agent_id: str, encoded: bytes, error: BaseException, now: float, batch: Batch) -> None:
        """Logs an invalid heartbeat once. Its agent counts as alive for a TTL: it may write a valid one."""
        if agent_id not in self._unreadable:
            self._unreadable[agent_id] = now
            log.error("agent.unreadable", agent=agent_id, reason=reason_of(error))
            batch.odd.append(Odd("heartbeat", f"agent:{agent_id}", reason_of(error), encoded, agent_id=agent_id))

    def _forgettable(self, roster: Roster, now: float) -> list[str]:
        for agent_id in self._unreadable.keys() - roster.agents.keys() - roster.others:
            del self._unreadable[agent_id]
        return [agent_id for agent_id, since in self._unreadable.items() if now - since >= self._ttl_seconds]

    def _inspect_agent(
        self,
        agent_id: str,
        heartbeat: Heartbeat,
        inbox_tail: bytes,
        generation: str,
        now: float,
        batch: Batch,
        suspects: Suspects,
    ) -> None:
        agent = self._leader_state.agents.get(agent_id)
        if agent is None:
            agent = self._leader_state.add_agent(heartbeat.agent)
            batch.arrival(heartbeat.agent)
        agent.looked_at = now
        if agent.heartbeat is None or agent.heartbeat.number != heartbeat.number:
            agent.heartbeat_at, agent.heard_at = now, self.watched_seconds
        elif self.watched_seconds - agent.heard_at > self._ttl_seconds + 1:
            # Redis expires a heartbeat by its own clock, and late if that was set back: one that is not renewed is
            # no proof of life either.
            suspects.unheard.add(agent_id)
        agent.heartbeat = heartbeat
        hold = self._leader_state.holds.of_agent(heartbeat.agent.name)
        agent.let_in(is_held=hold is not None)
        if not heartbeat.draining and (agent.usable_slots == 0 or (hold and hold.mode is HoldMode.DRAINING)):
            self._call_back(agent_id, batch)
        held = frozenset(heartbeat.held)
        batch.held += held & agent.held_before
        agent.held_before = held
        if heartbeat.generation != generation:
            return
        read, tail = position(heartbeat.read_position.encode()), position(inbox_tail)
        published = self._leader_state.published_pairs(agent_id)
        # a busy agent never reaches this reading's tail, but that of the one before
        if read >= tail:
            suspects.unheld += sorted(published - held)
        elif agent.tail_before is not None and read >= agent.tail_before:
            suspects.unheld += sorted((published & agent.published_before) - held)
        agent.tail_before, agent.published_before = tail, published
        if read >= tail:
            agent.unread_since = None
        elif agent.unread_since is None or read >= agent.unread_tail:
            # a busy agent's heartbeat is always slightly behind: it has to pass the earlier tail
            agent.unread_since, agent.unread_tail = now, tail
        else:
            self._suspect_deaf(agent, agent.unread_since, now, suspects)

    def _suspect_deaf(self, agent: KnownAgent, unread_since: float, now: float, suspects: Suspects) -> None:
        if now - unread_since > DEAF_AFTER_SECONDS:
            log.warning("agent.deaf", agent=agent.info.id, unread_seconds=round(now - unread_since, 1))
            suspects.lost_agents.append(agent.info.id)

    def _call_back(self, agent_id: str, batch: Batch) -> None:
        """Makes an agent hand back what it has not started: it drains, or has lost all its seats."""
        if any(claim.started is None and claim.is_published for claim in self._leader_state.claims_of(agent_id)):
            batch.order(agent_id, Drain())

    def _suspect_silent(self, roster: Roster, now: float, suspects: Suspects) -> None:
        leader_state = self._leader_state
        there = roster.agents.keys() | roster.others
        for agent_id in leader_state.agents.keys() - there:
            leader_state.agents[agent_id].looked_at = now
        # a claim that was being committed when its agent's end was read
        suspects.lost_agents += sorted(leader_state.holders & leader_state.ended)
        if self._canary_since is None or now - self._canary_since < self._ttl_seconds:
            return  # silence proves nothing yet: heartbeats may have been lost with time, not with agents
        known = (leader_state.agents.keys() | leader_state.inherited | leader_state.holders) - leader_state.ended
        unreadable = {agent_id for agent_id, since in self._unreadable.items() if now - since >= self._ttl_seconds}
        suspects.lost_agents += sorted(known - (there - unreadable - suspects.unheard))

    def _settle_overdue(self, now: float, batch: Batch) -> None:
        self._leader_state.hedges.drop_overdue(now)
        for claim in list(self._leader_state.claims.values()):
            if claim.started is None or now < claim.started + claim.row.timeout_seconds + OVERDUE_GRACE_SECONDS:
                continue
            agent = self._leader_state.agents.get(claim.agent_id)
            if agent is None or (is_withheld(self._leader_state, claim) and claim.pair not in agent.held_before):
                continue  # the reaper's, or it may have ended
            message = (
                f"its agent did not report the end of an attempt with a timeout of {claim.row.timeout_seconds:g} s"
            )
            self._fail(claim, Failure(ErrorClass.TIMEOUT, message), now, batch)
            batch.order(claim.agent_id, Cancel(claim.id, claim.attempt))
            self._leader_state.close(claim)

    # the verdict

    def conclude(self, cursor: bytes, batch: Batch, own: Mapping[str, bytes] = NO_OWN) -> None:
        """Acts on suspects once results were read up to the tail at which they were seen.

        The own results of an agent, read up to `own`, count for this agent alone: no other one can delay a verdict.
        """
        suspects = self._suspects
        if suspects is None or position(cursor) < suspects.tail:
            return
        unread = {name for name, tail in suspects.own_tails.items() if name in own and position(own[name]) < tail}
        later = Suspects(suspects.tail, suspects.own_tails)
        for task_id, attempt in suspects.unheld:
            hedge = self._leader_state.hedges.find(task_id, attempt)
            claim = hedge or self._leader_state.find(task_id, attempt)
            if claim is not None and agent_name_of(claim.agent_id) in unread:
                later.unheld.append(claim.pair)
            elif hedge is not None:
                self._leader_state.hedges.drop(hedge, UNHELD)
            elif claim is not None and not park(self._leader_state, claim):
                self._requeue(claim, UNHELD, batch)
        for agent_id in suspects.lost_agents:
            if agent_name_of(agent_id) in unread:
                later.lost_agents.append(agent_id)
            else:
                self.reap(agent_id, "lost", batch, may_live=True)
        self._suspects = later if later.unheld or later.lost_agents else None

    def reap(self, agent_id: str, state: str, batch: Batch, *, may_live: bool = False) -> None:
        """Takes back everything from a boot that is gone; fences it if it may still live."""
        claims = self._leader_state.claims_of(agent_id)
        if state == "lost":
            log.warning("agent.lost", agent=agent_id, open_tasks=len(claims))
        for claim in claims:
            if park(self._leader_state, claim):
                continue
            if claim.started is None:
                self._requeue(claim, "its agent was lost before it started", batch)
                continue
            failure = Failure(ErrorClass.AGENT_LOST, "its agent was lost while it ran")
            self._fail(claim, failure, max(self._now, claim.started), batch)
            self._leader_state.close(claim)
        for hedge in self._leader_state.hedges.of(agent_id):
            self._leader_state.hedges.drop(hedge, LOST)
        self._leader_state.remove_agent(agent_id)
        batch.endings.append((agent_id, state))
        if may_live:
            batch.fenced.append(agent_id)

    def _fail(self, claim: Claim, failure: Failure, now: float, batch: Batch) -> None:
        try:
            settlement = judge(claim, failure, self._policy_for(claim.row.type), random.random())
        except ESCAPES as error:
            settle_escaped(self._leader_state, claim, error, batch)
            return
        batch.settlements.append(settlement)
        will_retry = not settlement.ends_task
        note_failure(
            self._leader_state,
            batch,
            claim,
            failure.error_class,
            now,
            will_retry=will_retry,
            started_at=claim.started_at,
        )

    def _requeue(self, claim: Claim, reason: str, batch: Batch) -> None:
        try:
            batch.settlements.append(hand_back(claim, self._policy_for(claim.row.type), reason, random.random()))
        except ESCAPES as error:
            settle_escaped(self._leader_state, claim, error, batch)
        self._leader_state.close(claim)
