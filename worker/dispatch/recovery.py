"""Recovers inside the tick: reconcile, reap, orphans, overdue attempts, sweep (P8 to P11, P15).

Every second the leader reads the roster (all heartbeats, the inboxes' and results' tails, at one instant). What
looks lost then is only a suspect: it is acted upon after every result that was in the stream at that instant has
been read.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog

from taskyard.core.errors import ErrorClass
from taskyard.core.ids import agent_name_of, is_id
from taskyard.core.postgres.store.recovery import NIL
from taskyard.core.protocol import Cancel, Drain, Failure, Heartbeat, Pair, decode_heartbeat
from taskyard.core.redis.broker import NO_OWN, Roster
from taskyard.core.redis.quarantine import Odd
from taskyard.core.scheduling.holds import HoldMode
from taskyard.core.task_types.retry_policy import RetryPolicy
from taskyard.worker.dispatch.batch import Batch, Sweep
from taskyard.worker.dispatch.decisions import hand_back, judge
from taskyard.worker.dispatch.known_agent import KnownAgent
from taskyard.worker.dispatch.leader_state import Claim, LeaderState
from taskyard.worker.dispatch.outcome_events import note_failure
from taskyard.worker.dispatch.unprocessable import ESCAPES, reason_of, settle_escaped

DEAF_AFTER_SECONDS = 10.0
OVERDUE_GRACE_SECONDS = 15.0
MAX_WATCHED_SECONDS = 2.0  # between two rosters; time that this leader did not observe is not held against agents
SWEEP_SLICE = 2_000
REBUILD_SLICE = 10_000

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Suspects:
    """Claims that looked lost at one reading of the roster; judged once results are read up to `tail`."""

    tail: tuple[int, int]
    own_tails: dict[str, tuple[int, int]]  # of agents with results of their own
    unheld: list[Pair] = field(default_factory=list)
    lost_agents: list[str] = field(default_factory=list)


class Recovery:
    """Checks everything that is open a second time."""

    def __init__(self, leader_state: LeaderState, policy_for: Callable[[str], RetryPolicy], ttl_seconds: float) -> None:
        self._leader_state = leader_state
        self._policy_for = policy_for
        self._ttl_seconds = ttl_seconds
        self._suspects: Suspects | None = None
        self._canary_since: float | None = None
        self._sweep_after: str | None = None
        self._is_rebuilding = False
        self._unreadable: dict[str, float] = {}  # agent id → since when its heartbeat is invalid
        self._now = 0.0  # monotonic seconds of the last roster

    @property
    def canary_is_dead(self) -> bool:
        """Returns True if the canary must be recreated with the next reading of the roster."""
        return self._canary_since is None

    # the roster

    def inspect(self, roster: Roster, generation: str, now: float, batch: Batch) -> list[str]:
        """Reads a roster: new agents, suspects, orphans. `now` is monotonic seconds.

        Returns the ids whose heartbeats were invalid for a whole TTL, and are to be deleted.
        """
        if not roster.canary_lives or self._canary_since is None:
            self._canary_since = now if roster.canary_lives else None
        watched = min(max(0.0, now - self._now), MAX_WATCHED_SECONDS) if self._now else 0.0
        self._now = now
        own_tails = {name: position(tail) for name, tail in roster.own_tails.items()}
        suspects = Suspects(position(roster.results_tail), own_tails)
        for agent in self._leader_state.agents.values():
            agent.unheard_seconds += watched
        for agent_id, (encoded, inbox_tail) in roster.agents.items():
            if agent_id in self._leader_state.ended:
                continue
            try:
                heartbeat = self._decoded(agent_id, encoded)
                self._inspect_agent(agent_id, heartbeat, inbox_tail, generation, now, batch, suspects)
                self._unreadable.pop(agent_id, None)
            except ESCAPES as error:
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
        if heartbeat.agent.id != agent_id or not heartbeat.agent.is_storable():
            raise ValueError("its agent id does not match, or can't be stored")
        if not all(is_id(task_id) for task_id, _ in heartbeat.held):
            raise ValueError("it holds an invalid task")
        return heartbeat

    def _note_unreadable(self, agent_id: str, encoded: bytes, error: BaseException, now: float, batch: Batch) -> None:
        """Logs an invalid heartbeat once. Its agent counts as alive for a TTL: it may write a valid one."""
        if agent_id not in self._unreadable:
            self._unreadable[agent_id] = now
            log.error("agent.unreadable", agent=agent_id, reason=reason_of(error))
            batch.odd.append(Odd("heartbeat", f"agent:{agent_id}", reason_of(error), encoded, agent_id=agent_id))

    def _forgettable(self, roster: Roster, now: float) -> list[str]:
        for agent_id in self._unreadable.keys() - roster.agents.keys():
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
        if agent.heartbeat is None or agent.heartbeat.number != heartbeat.number:
            agent.heartbeat_at, agent.unheard_seconds = now, 0.0
        agent.heartbeat = heartbeat
        hold = self._leader_state.holds.of_agent(heartbeat.agent.name)
        self._leader_state.let_in(agent, accepts_work=not heartbeat.draining and hold is None)
        if hold is not None and hold.mode is HoldMode.DRAINING and not heartbeat.draining:
            self._call_back(agent_id, batch)
        held = frozenset(heartbeat.held)
        batch.held += held & agent.held_before
        agent.held_before = held
        if heartbeat.generation != generation:
            return
        read, tail = position(heartbeat.read_position.encode()), position(inbox_tail)
        published = frozenset(claim.pair for claim in self._leader_state.claims_of(agent_id) if claim.is_published)
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
        """Makes a draining agent hand back what it has not started."""
        if any(claim.started is None and claim.is_published for claim in self._leader_state.claims_of(agent_id)):
            batch.order(agent_id, Drain())

    def _suspect_silent(self, roster: Roster, now: float, suspects: Suspects) -> None:
        holders = self._leader_state.holders
        # a claim that was being committed when its agent's end was read
        suspects.lost_agents += sorted(holders & self._leader_state.ended)
        if self._canary_since is None or now - self._canary_since < self._ttl_seconds:
            return  # silence proves nothing yet: heartbeats may have been lost with time, not with agents
        known = (self._leader_state.agents.keys() | self._leader_state.inherited | holders) - self._leader_state.ended
        unheard = {agent_id for agent_id, since in self._unreadable.items() if now - since >= self._ttl_seconds}
        # Redis expires a heartbeat by its own clock, and late if that was set back: one that is not renewed is
        # no proof of life either.
        unheard |= {
            id_ for id_, agent in self._leader_state.agents.items() if agent.unheard_seconds > self._ttl_seconds + 1
        }
        suspects.lost_agents += sorted(known - (roster.agents.keys() - unheard))

    def _settle_overdue(self, now: float, batch: Batch) -> None:
        for claim in list(self._leader_state.claims.values()):
            if claim.started is None or now < claim.started + claim.row.timeout_seconds + OVERDUE_GRACE_SECONDS:
                continue
            if claim.agent_id not in self._leader_state.agents:
                continue  # the reaper's
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
            claim = self._leader_state.find(task_id, attempt)
            if claim is not None and agent_name_of(claim.agent_id) in unread:
                later.unheld.append(claim.pair)
            elif claim is not None:
                self._requeue(claim, "its agent does not have it", batch)
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
            if claim.started is None:
                self._requeue(claim, "its agent was lost before it started", batch)
                continue
            failure = Failure(ErrorClass.AGENT_LOST, "its agent was lost while it ran")
            self._fail(claim, failure, max(self._now, claim.started), batch)
            self._leader_state.close(claim)
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
        will_retry = settlement.to_state != "failed"
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

    # the sweep

    def rebuild(self) -> None:
        """Sweeps everything as fast as possible: Redis was wiped, or a new leader begins."""
        self._is_rebuilding = True
        self._sweep_after = None

    @property
    def is_rebuilding(self) -> bool:
        return self._is_rebuilding

    def next_sweep(self) -> Sweep:
        """Returns the next slice of unfinished rows."""
        return Sweep(self._sweep_after or NIL, REBUILD_SLICE if self._is_rebuilding else SWEEP_SLICE)

    def note_sweep(self, next_after: str | None) -> None:
        """Stores where the following slice begins; None: all were seen."""
        self._sweep_after = next_after
        if next_after is None:
            self._is_rebuilding = False


def position(entry_id: bytes) -> tuple[int, int]:
    """Returns a stream id such as b"1690000000000-3" as numbers that compare."""
    milliseconds, _, sequence = entry_id.partition(b"-")
    return int(milliseconds), int(sequence or 0)
