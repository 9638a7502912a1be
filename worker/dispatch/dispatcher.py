"""Runs the tick: collect → decide → commit once → publish. Only here does the state of tasks change.

Two ticks overlap: while PostgreSQL commits one (`worker.dispatch.committer`), this thread collects and decides the
next; it publishes each tick after its commit and before the next one's.
"""

from __future__ import annotations

import threading

import structlog

from taskyard.core.clock import Clock
from taskyard.core.errors import LeadershipLost, Unavailable
from taskyard.core.redis.broker import StaleEpoch
from taskyard.core.redis.connection import reaching_redis
from taskyard.core.telemetry.live_snapshot import AgentLive
from taskyard.core.threads import count_escape
from taskyard.worker.dispatch.agents_live import agents_live
from taskyard.worker.dispatch.batch import Batch, Committed
from taskyard.worker.dispatch.placement_pass import Placing
from taskyard.worker.dispatch.postponed import SLICE
from taskyard.worker.dispatch.progress import LoopProgress
from taskyard.worker.dispatch.publication import odd_of, publication_of, publish_apart, settle_unpublished
from taskyard.worker.dispatch.sweep import Sweeper
from taskyard.worker.dispatch.term import Term, TermFactory
from taskyard.worker.dispatch.tick_reports import Tick, TickLog
from taskyard.worker.dispatch.transaction_parts import CLAIMS, INPUTS, PARENTS, RECORD
from taskyard.worker.dispatch.unprocessable import audit
from taskyard.worker.failpoints import COLLECTED, COMMITTED, PUBLISHED, failpoint

BLOCK_SECONDS = 0.25  # between duties; arrivals end the wait
HELD_BLOCK_SECONDS = 0.02
RETRY_SECONDS = 0.5
MAX_RETRY_SECONDS = 2.0  # while a server stays away
LARGE_BATCH = 50  # tasks
MAX_COLLECTED = 1_000  # entries of a stream in one tick
ROSTER = "roster"
SWEEP = "sweep"
# The steps that may have to wait, as its progress names them.
BEGINNING = "PostgreSQL and Redis, to lead or to stand by"
COLLECTING = "Redis, for reports and wake-ups"
COMMITTING = "PostgreSQL, to commit a tick"
PUBLISHING = "Redis, to publish a tick"

log = structlog.get_logger(__name__)


class Dispatcher:
    """Leads when it can, stands by when it can't, ticks while it leads."""

    def __init__(self, terms: TermFactory, clock: Clock) -> None:
        self._terms = terms
        self._broker = terms.broker
        self._clock = clock
        self._placing = Placing(terms.broker, clock, terms.policy_of, terms.matching)
        self._sweeping = Sweeper(terms.broker)
        self._asked: set[str] = set()
        self._stop = threading.Event()
        self._last_trouble = ""
        self.is_leading = threading.Event()
        self.term: Term | None = None  # while it leads
        self.agents_seen: list[AgentLive] = []  # at the last roster; replaced, never changed
        self.log = TickLog()
        self.runs, self.published, self.matching = terms.durations.runs, terms.published, terms.matching
        self.hedging = self._placing.hedging
        self.progress = LoopProgress(clock.monotonic)
        self.ticks = 0
        self.committed_seconds = 0.0

    def run(self) -> None:
        """Leads or stands by until `stop`. Runs in its own thread."""
        pause = RETRY_SECONDS
        while not self._stop.is_set():
            try:
                self.progress.begin(BEGINNING)
                term = self._terms.begin()
                pause = RETRY_SECONDS
                if term is not None:
                    self._last_trouble = ""
                    self._lead(term)
                else:
                    self._stand_by()
            except (LeadershipLost, Unavailable, StaleEpoch) as error:
                self._note_trouble(str(error))
                self.progress.fail(str(error))
                self._terms.abandon()
                pause = min(2 * pause, MAX_RETRY_SECONDS)
            except Exception as error:  # a defect: logged with its traceback, and a new term begins
                log.exception("dispatcher.failed")
                count_escape("dispatcher")
                self.progress.fail(f"{type(error).__name__}: {error}")
                self._terms.abandon()
            self._stop.wait(pause)
        self._terms.abandon()

    def stop(self) -> None:
        """Ends `run` after the current tick, which releases the lock."""
        self._stop.set()

    def ask(self, duty: str) -> None:
        """Requests a periodic duty from the tick: ROSTER or SWEEP (P15)."""
        self._asked.add(duty)

    def blocked(self, least_seconds: float) -> list[str]:
        """Returns what locked tables have blocked for at least this long, one line each. Thread-safe."""
        term = self.term
        return [] if term is None else term.committer.lock_waits.problems(self._clock.monotonic(), least_seconds)

    def _lead(self, term: Term) -> None:
        self._asked |= {ROSTER, SWEEP}
        self.term = term
        self.is_leading.set()
        in_flight: Batch | None = None
        try:
            with reaching_redis():
                while not self._stop.is_set() or in_flight is not None:
                    in_flight = self.tick(term, in_flight)
        finally:
            self.is_leading.clear()
            self.term = None
            self.agents_seen = []
            term.committer.close()
            term.workflows.close()
            self._terms.abandon()

    def _stand_by(self) -> None:
        """Stands by while another worker leads; ready if both servers answer. Raises Unavailable."""
        with reaching_redis():
            self._broker.ping()
        self.progress.complete()
        self._note_trouble("another worker leads: standing by")

    def _note_trouble(self, trouble: str) -> None:
        """Logs once what keeps this worker from leading."""
        if trouble != self._last_trouble:
            log.warning("leader.waiting", reason=trouble)
        self._last_trouble = trouble

    # the tick

    def tick(self, term: Term, in_flight: Batch | None) -> Batch | None:
        """Runs one round; returns the batch that is being committed when it ends.

        A small batch is committed and published at once. Only while a large one is committed, which takes long, is
        the next one collected in parallel.
        """
        self.progress.begin(COLLECTING)
        batch = self._gather(term, may_block=in_flight is None)
        failpoint(COLLECTED)
        self.progress.begin(COMMITTING)
        if in_flight is not None and not batch.has_other_statements():
            batch.written()  # now: PostgreSQL would wait for it while it has nothing else to do
        earlier = term.committer.wait() if in_flight is not None else None
        if in_flight is not None and earlier is not None:
            term.note_freed(in_flight, earlier)
        batch.may_free = term.may_free
        if not self._stop.is_set():
            self._placing.offer(term, batch)
        is_large = batch.size() >= LARGE_BATCH
        if is_large:
            term.committer.start(batch)
        if in_flight is not None and earlier is not None:
            self._publish(term, in_flight, earlier)
        if is_large:
            self.progress.complete()
            return batch
        if not batch.is_empty():
            committed = term.committer.commit(batch)
            term.note_freed(batch, committed)
            self._publish(term, batch, committed)
        self.progress.complete()
        return None

    def _gather(self, term: Term, *, may_block: bool) -> Batch:
        batch = Batch()
        if not self._stop.is_set():
            if term.postponed.is_full or term.workflows.is_full:
                if may_block:
                    self._stop.wait(HELD_BLOCK_SECONDS)
            elif term.has_roster:  # the first tick reads who is present before it reads their reports: Holders.holds
                self._collect(term, batch, may_block=may_block)
            batch.began = self._clock.monotonic()
            self._decide(term, batch)
            audit([*batch.odd, *self._broker.take_odd()], batch)
            term.postponed.add_due(batch, batch.began)
            term.add_due(batch, self._clock)
        return batch

    def _collect(self, term: Term, batch: Batch, *, may_block: bool) -> None:
        block_ms = self._block_ms(term) if may_block else None
        own_after = term.agent_access.read_to
        results, wakes = self._broker.collect(term.results_after, term.wake_after, block_ms, MAX_COLLECTED, own_after)
        if results:
            term.note_read(results)
            term.intake.read(results, batch)
        if wakes:
            term.wake_after = wakes[-1].entry
            self._placing.wake(term, wakes)

    def _block_ms(self, term: Term) -> int | None:
        """Returns how long the collection may wait for input, in milliseconds; None: not at all."""
        if self._asked or term.sweep.is_rebuilding:
            return None
        now = self._clock.monotonic()
        if not term.committer.pauses.is_paused(CLAIMS, now) and term.leader_state.can_place(term.cover_seconds):
            return None
        seconds = HELD_BLOCK_SECONDS if term.intake.holds_starts else BLOCK_SECONDS
        for due in (term.postponed.next_due(), term.unsettled_parents.next_due(), term.due_inputs.next_due()):
            if due is not None:
                seconds = min(seconds, due - now)
        seconds = min(seconds, term.schedules.seconds_left(term.database_now(self._clock), now))
        if term.next_due is not None:
            seconds = min(seconds, term.next_due - term.database_now(self._clock))
        return int(seconds * 1000) if seconds >= 0.001 else None

    def _decide(self, term: Term, batch: Batch) -> None:
        for unpublished in term.unpublished:
            settle_unpublished(term.leader_state, unpublished, batch)
        term.unpublished.clear()
        term.intake.release_starts(batch)
        if ROSTER in self._asked:
            self._asked.discard(ROSTER)
            self._inspect(term, batch)
        if SWEEP in self._asked or term.sweep.is_rebuilding:
            self._asked.discard(SWEEP)
            self._sweeping.begin(term, batch)
        term.recovery.conclude(term.results_after, batch, term.agent_access.read_to)
        self._placing.place(term, batch)

    def _inspect(self, term: Term, batch: Batch) -> None:
        recovery, own = term.recovery, term.agent_access.read_to
        roster = self._broker.roster(
            self._terms.ttl_seconds, revive_canary=recovery.canary_is_dead, reporters=own, turn=recovery.next_turn()
        )
        if roster.generation != term.generation or not term.generation.startswith(self._broker.run_id()):
            raise LeadershipLost("Redis was wiped or restarted: a new term rebuilds it")
        if roster.epoch != term.epoch:
            raise StaleEpoch(f"epoch {term.epoch} is over: {roster.epoch} leads")
        batch.ping = True
        term.leader_state.hot_lanes.update(roster.lanes)
        now = self._clock.monotonic()
        term.agent_access.enforce(self._broker.agent_users, now)
        for agent_id in recovery.inspect(roster, term.generation, now, batch):
            self._broker.drop_heartbeat(agent_id)
        term.has_roster = True
        self.hedging.note_running(term.leader_state, now)
        self.agents_seen = agents_live(term.leader_state, now, term.database_now(self._clock))

    def _publish(self, term: Term, batch: Batch, committed: Committed) -> None:
        failpoint(COMMITTED)
        self.progress.begin(PUBLISHING)
        self._broker.quarantine.add(batch.odd)
        self._broker.set_aside(committed.odd)
        batch.consumed = self._note_left(term, batch, committed)
        self._sweeping.conclude(term, batch, committed)
        now = self._clock.monotonic()
        term.unclaimable.note(committed.unclaimable, [row.id for row in committed.claimed], now)
        committed.waiting = term.unclaimable.without_paused(committed.waiting, now)
        publication, claims = publication_of(term.leader_state, batch, committed, self._terms.policy_of)
        term.unpublished += committed.unpublished
        term.leader_state.durations.note_inputs([*committed.claimed, *(task.claim for task in committed.freed)])
        if not publication.is_empty():
            refused = publish_apart(lambda part: self._broker.publish(term.epoch, part), publication)
            self._broker.set_aside(odd_of(part, reason) for part, reason in refused)
        self.progress.begin(COMMITTING)
        failpoint(PUBLISHED)
        for candidate, _ in batch.claims:
            term.leader_state.claiming.pop(candidate.id, None)
        for claim in claims:
            claim.is_published = True
        for task in committed.waiting:
            if not task.is_due_later:
                term.leader_state.hot_lanes.add(task.lane)
            elif term.next_due is None or task.ready < term.next_due:
                term.next_due = task.ready
        term.note(committed, self._clock)
        if committed.left.claims:
            term.leader_state.hot_lanes.update(candidate.lane for candidate, _ in batch.claims)
        self.ticks += 1
        self.committed_seconds += committed.seconds
        seconds = self._clock.monotonic() - batch.began, committed.seconds
        self.log.add(Tick(batch.size(), *seconds, batch.failed, batch.successes, committed.joined, committed.lost))

    def _note_left(self, term: Term, batch: Batch, committed: Committed) -> list[bytes]:
        """Keeps blocked parts for later; returns the entries of the results that may be deleted now."""
        now = self._clock.monotonic()
        postponed = term.postponed
        if RECORD in committed.left_parts:
            postponed.cap = max(1, postponed.cap // 2)
        elif postponed.cap < SLICE:
            postponed.cap = min(SLICE, 2 * postponed.cap)
        term.unsettled_parents.note(committed.ended, now, has_moved=bool(committed.waiting or committed.cancelled))
        if batch.parents_after is not None and PARENTS not in committed.left_parts:
            term.unsettled_parents.note_found(committed.found_ended, committed.parents_next, now)
        was_left = INPUTS in committed.left_parts
        term.due_inputs.note(now, has_more=committed.has_more_inputs, was_left=was_left)
        return postponed.settle(batch, committed.left, now)
