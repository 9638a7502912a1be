"""Defines one term of leadership: its beginning, and everything that belongs to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec
import psycopg2
import psycopg2.errors
import structlog

from taskyard.core.clock import Clock
from taskyard.core.config import Settings
from taskyard.core.errors import LeadershipLost
from taskyard.core.postgres.database import DriverTransaction
from taskyard.core.postgres.store import holds, kept_reports
from taskyard.core.postgres.store import recovery as recovery_store
from taskyard.core.postgres.store.recovery import NIL
from taskyard.core.protocol import KnownType
from taskyard.core.redis.connection import reaching_redis
from taskyard.core.redis.ports import LeaderPort
from taskyard.core.scheduling.breaker import Breakers
from taskyard.core.scheduling.matching import Matching
from taskyard.core.submission.predictor import Predictor
from taskyard.core.submission.validate import Limits
from taskyard.core.task_types.registry import Registry
from taskyard.worker.dispatch.agent_access import AgentAccess
from taskyard.worker.dispatch.batch import Batch, Committed, Unpublished
from taskyard.worker.dispatch.child_workflows import ChildWorkflows
from taskyard.worker.dispatch.committer import Committer
from taskyard.worker.dispatch.decisions import policy_of
from taskyard.worker.dispatch.due_schedules import DueSchedules
from taskyard.worker.dispatch.durations import Durations
from taskyard.worker.dispatch.fleet_types import FleetTypes
from taskyard.worker.dispatch.freed_lanes import FreedLanes
from taskyard.worker.dispatch.input_checks import InputChecks
from taskyard.worker.dispatch.intake import Intake
from taskyard.worker.dispatch.leader import LeaderConnection
from taskyard.worker.dispatch.leader_state import LeaderState
from taskyard.worker.dispatch.made_inputs import DueInputs
from taskyard.worker.dispatch.postponed import Postponed
from taskyard.worker.dispatch.published import PublishedHere
from taskyard.worker.dispatch.recovery import Recovery
from taskyard.worker.dispatch.sweep_position import SweepPosition
from taskyard.worker.dispatch.transaction_parts import KEPT
from taskyard.worker.dispatch.unclaimable import Unclaimable
from taskyard.worker.dispatch.unsettled_parents import UnsettledParents
from taskyard.worker.dispatch.withheld_claims import resume

MIN_COVER_SECONDS = 0.01
MAX_COVER_SECONDS = 0.1
APART_SECONDS = 10.0  # a new term is in the database a moment before it is in Redis

_Found = TypeVar("_Found")

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Term:
    """A leader's memory and connections. `database_offset` is the database's clock less our monotonic one."""

    epoch: int
    generation: str
    committer: Committer
    leader_state: LeaderState
    recovery: Recovery
    sweep: SweepPosition
    intake: Intake
    agent_access: AgentAccess
    input_checks: InputChecks
    postponed: Postponed
    schedules: DueSchedules
    workflows: ChildWorkflows
    database_offset: float
    results_after: bytes = b"0-0"
    wake_after: bytes = b"0-0"
    next_due: float | None = None
    cover_seconds: float = 0.01
    freed_lanes: FreedLanes = field(default_factory=FreedLanes)
    may_free: bool = True  # whether tasks waited for others when a tick last looked
    has_roster: bool = False  # whether it has read who is present
    unpublished: list[Unpublished] = field(default_factory=list)  # claims to be settled by the next tick
    unclaimable: Unclaimable = field(default_factory=Unclaimable)
    unsettled_parents: UnsettledParents = field(default_factory=UnsettledParents)
    due_inputs: DueInputs = field(default_factory=DueInputs)
    workflows_after: str = NIL  # where the search for workflows that are over continues

    def database_now(self, clock: Clock) -> float:
        """Returns the database's time in epoch seconds."""
        return clock.monotonic() + self.database_offset

    def add_due(self, batch: Batch, clock: Clock) -> None:
        """Adds what is due without any report: ended parents, inputs to be made, schedules, answers."""
        kept = self.leader_state.kept
        if self.has_roster:
            entries = kept.take_read()
            resume(self.leader_state)
            self.intake.read(entries, batch)
        batch.kept_wanted, batch.kept_done = kept.wanted(), kept.take_applied()
        self.intake.answer_workflows(batch)
        batch.ended = self.unsettled_parents.take(batch.began)
        batch.input_checks = self.input_checks
        batch.looks_for_inputs |= self.due_inputs.take(batch.began)
        batch.firing = self.schedules.take(self.database_now(clock), batch.began)

    def note_freed(self, batch: Batch, committed: Committed) -> None:
        """Takes how many tasks a tick freed, before the next one is committed."""
        if committed.may_free is not None:
            self.may_free = committed.may_free
        if committed.freed_lanes is not None:
            self.freed_lanes.note(batch.ends(), committed.freed_lanes)

    def note(self, committed: Committed, clock: Clock) -> None:
        """Takes what a tick's transaction read."""
        if committed.holds is not None:
            self.leader_state.hold(committed.holds)
        kept = self.leader_state.kept
        kept.note_bodies(committed.kept_bodies, was_left=KEPT in committed.left_parts)
        if committed.kept is not None:
            kept.note(committed.kept)
            resume(self.leader_state)
        if committed.agent_users is not None:
            self.agent_access.note(committed.agent_users)
        if committed.database_time is not None:
            self.database_offset = committed.database_time - clock.monotonic()
        now = clock.monotonic()
        self.schedules.note(committed.next_fire, committed.fired, self.database_now(clock), now)
        self.schedules.note_left(committed.left_parts, now)
        # long enough ahead for a commit, a publication and the way back, so that agents don't run dry
        cover = min(MAX_COVER_SECONDS, max(MIN_COVER_SECONDS, 3 * committed.seconds))
        self.cover_seconds += 0.2 * (cover - self.cover_seconds)

    def note_read(self, entries: Sequence[tuple[bytes, bytes]]) -> None:
        """Moves the positions in the results past these entries, in their order."""
        for entry, _ in entries if self.agent_access.read_to else entries[-1:]:
            if not self.agent_access.note_read(entry):
                self.results_after = entry


class TermFactory:
    """Begins terms when the lock is free."""

    def __init__(
        self, settings: Settings, registry: Registry, database_url: str, broker: LeaderPort, worker: str, clock: Clock
    ) -> None:
        self.broker = broker
        self.ttl_seconds = settings.agent_ttl_seconds
        self.policy_of = settings.placement_of
        self._limits = Limits.of(settings)
        self._registry = registry
        self._clock = clock
        self._database_url = database_url
        self._leader = LeaderConnection(database_url, worker)
        self.durations = Durations()
        self.published = PublishedHere()
        self.matching = Matching()
        self._predict = Predictor(self.published.read, clock.monotonic)
        self._breakers = Breakers()
        self._apart_since: float | None = None

    def begin(self) -> Term | None:
        """Returns a new term, or None if another worker leads; raises Unavailable or LeadershipLost."""
        self.broker.ping()  # without Redis no term could begin, and another worker may reach it
        epoch = self._leader.try_lead()
        if epoch is None:
            self._check_redis()
            return None
        self._apart_since = None
        users = self._read(recovery_store.agent_users)
        with reaching_redis():
            reporters = [user.name for user in users]
            accepted, generation, is_new = self.broker.lead(epoch, self._leader.database, reporters)
        if not accepted:
            raise LeadershipLost(f"Redis knows a term after {epoch}: two databases may share its namespace")
        fleet = FleetTypes(self._registry)
        leader_state = LeaderState(self.durations, self._breakers, fleet)
        database_now = self._load(leader_state)
        recovery = Recovery(leader_state, lambda name: policy_of(fleet, name), self.ttl_seconds)
        postponed, sweep = Postponed(), SweepPosition()
        if is_new:
            sweep.rebuild()
        log.info("leader.elected", epoch=epoch, new_generation=is_new, open_claims=len(leader_state.claims))
        workflows = ChildWorkflows(self._database_url, self.broker, fleet, self._limits, self._clock, self._predict)
        return Term(
            epoch=epoch,
            generation=generation,
            committer=Committer(self._leader.required(), postponed),
            postponed=postponed,
            schedules=DueSchedules(fleet, self._limits, self._predict),
            workflows=workflows,
            leader_state=leader_state,
            recovery=recovery,
            sweep=sweep,
            agent_access=AgentAccess(leader_state, users),
            input_checks=InputChecks(fleet, self._limits.input_limit_bytes),
            intake=Intake(
                leader_state, recovery, fleet, self._limits, self._clock, postponed, workflows, self._predict
            ),
            database_offset=database_now - self._clock.monotonic(),
        )

    def abandon(self) -> None:
        """Closes the connection, which releases the lock."""
        self._leader.close()

    def _check_redis(self) -> None:
        """Raises LeadershipLost if this Redis has not seen the current term for APART_SECONDS."""
        with reaching_redis():
            is_known = self.broker.epoch() == self._leader.epoch
        now = self._clock.monotonic()
        self._apart_since = None if is_known else self._apart_since or now
        if self._apart_since is not None and now - self._apart_since > APART_SECONDS:
            raise LeadershipLost(
                "another worker leads this database through another Redis or namespace, so that agents and submissions "
                "here get no answers: give both the same TASKYARD_REDIS_URL and TASKYARD_NAMESPACE"
            )

    def _load(self, leader_state: LeaderState) -> float:
        def load(tx: DriverTransaction) -> float:
            database_now = recovery_store.database_time(tx)
            leader_state.hold(holds.holds(tx))
            leader_state.inherited.update(recovery_store.online_agents(tx))
            leader_state.kept.load(kept_reports.kept(tx), recovery_store.agent_versions(tx))
            for agent_id, known in recovery_store.known_types(tx):
                _learn(leader_state, agent_id, known)
            leader_state.fleet.remember(recovery_store.last_versions(tx))
            leader_state.load(recovery_store.claimed_tasks(tx), self._clock.monotonic(), database_now)
            return database_now

        return self._read(load)

    def _read(self, read: Callable[[DriverTransaction], _Found]) -> _Found:
        connection = self._leader.required()
        try:
            with connection.cursor() as cursor:
                found = read(DriverTransaction(cursor))
            connection.commit()
        except psycopg2.errors.LockNotAvailable as error:
            raise LeadershipLost(f"a term can't begin: {self._leader.who_is_in_the_way()}") from error
        except psycopg2.Error as error:
            raise LeadershipLost(f"the leader's connection broke: {str(error).strip()}") from error
        return found


def _learn(leader_state: LeaderState, agent_id: str, known: object) -> None:
    """Restores an agent's declaration to an earlier leader; logs and ignores one of another version of Taskyard."""
    try:
        leader_state.learn_types(agent_id, msgspec.convert(known, list[KnownType]))
    except msgspec.ValidationError as error:
        log.warning("agent.types_unreadable", agent=agent_id, reason=str(error))
