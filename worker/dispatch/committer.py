"""Commits ticks: one transaction each on the leader's connection, in a thread of its own.

While PostgreSQL works on one tick, the dispatcher collects and decides the next one. Locked rows are skipped. If a
table is locked, the part of the transaction that needs it is left out and tried again after a growing pause, and
everything else goes on.
"""

from __future__ import annotations

import time
from queue import SimpleQueue

import psycopg2
import psycopg2.extensions
import structlog

from taskyard.core.errors import LeadershipLost
from taskyard.core.postgres.database import LEADER_LOCK_TIMEOUT_MS, DriverTransaction
from taskyard.core.postgres.errors import is_connection_lost
from taskyard.core.postgres.joined import joined
from taskyard.core.postgres.store import locks, tick
from taskyard.core.postgres.store.dependants import NONE, Ended
from taskyard.core.threads import OnEscape, start_thread
from taskyard.worker.dispatch.batch import Batch, Committed
from taskyard.worker.dispatch.lock_waits import LockWaits
from taskyard.worker.dispatch.pauses import Pauses
from taskyard.worker.dispatch.postponed import Postponed
from taskyard.worker.dispatch.savepoints import LOCKED, REFUSED, Careful
from taskyard.worker.dispatch.transaction_parts import PARTS, Part, apart

RERUNS = 20

log = structlog.get_logger(__name__)


class Committer:
    """Commits batches one after the other. Any doubt about a commit's outcome raises LeadershipLost (P14)."""

    def __init__(self, connection: psycopg2.extensions.connection, postponed: Postponed) -> None:
        self._connection = connection
        self.pauses = Pauses()
        self.lock_waits = LockWaits(postponed, self.pauses)
        self._batches: SimpleQueue[Batch | None] = SimpleQueue()
        self._outcomes: SimpleQueue[Committed | Exception] = SimpleQueue()
        self._started = self._ended = 0  # batches
        self._is_closed = False
        self._thread = start_thread(
            "committer", self._run, OnEscape.GO_ON, mend=self._give_up, is_over=lambda: self._is_closed
        )

    def start(self, batch: Batch) -> None:
        """Starts to commit a batch; exactly one `wait` must follow."""
        self._started += 1
        self._batches.put(batch)

    def wait(self) -> Committed:
        """Returns the outcome of the oldest batch that was started; raises LeadershipLost."""
        outcome = self._outcomes.get()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def commit(self, batch: Batch) -> Committed:
        """Commits a batch in the caller's thread, while none is in flight; raises LeadershipLost."""
        committed = commit(self._connection, batch, self.pauses)
        self._find_holders()
        return committed

    def close(self) -> None:
        """Ends the thread once it has committed the batches it was given."""
        self._is_closed = True
        self._batches.put(None)
        self._thread.join()

    def _find_holders(self) -> None:
        """Logs lock holders from time to time while the tick is blocked."""
        if not self.lock_waits.is_time(time.monotonic()):
            return
        try:
            with self._connection.cursor() as cursor:
                self.lock_waits.look(DriverTransaction(cursor), time.monotonic())
            self._connection.commit()
        except psycopg2.Error as error:
            if is_connection_lost(error) and not isinstance(error, LOCKED):
                raise _lost(error) from error
            self._connection.rollback()
            log.warning("tick.blocked", reason=f"the lock holder can't be identified: {_first_line(error)}")

    def _run(self) -> None:
        while (batch := self._batches.get()) is not None:
            try:
                outcome: Committed | Exception = self.commit(batch)
            except Exception as error:  # passed to the waiting caller
                outcome = error
            self._outcomes.put(outcome)
            self._ended += 1

    def _give_up(self, error: BaseException) -> None:
        """Reports to the waiting caller that the thread failed: the outcome of the commit is unknown."""
        if self._started > self._ended:
            self._outcomes.put(LeadershipLost(f"the thread that commits failed: {type(error).__name__}: {error}"))
            self._ended += 1


def commit(connection: psycopg2.extensions.connection, batch: Batch, pauses: Pauses | None = None) -> Committed:
    """Runs a batch as one transaction; what it takes to end tasks that others wait for may follow in a second one.

    After a deadlock or serialization failure it runs again; a row that PostgreSQL or its driver refuses is found by
    halving under savepoints and quarantined (`Committed.odd`), an end of an attempt is settled `unstorable`; parts
    whose table is locked are left. Raises LeadershipLost.
    """
    began = time.perf_counter()
    if not batch.has_statements():
        return Committed()
    pauses = Pauses() if pauses is None else pauses
    attempt = _Attempt(batch, pauses)
    committed = _committed(connection, attempt)
    if committed.completed is not None and (rest := _rest_of(batch, committed, committed.completed)) is not None:
        later = commit(connection, rest, pauses)
        committed.add(later)
        committed.odd = later.odd
    committed.seconds = time.perf_counter() - began
    return committed


def _committed(connection: psycopg2.extensions.connection, attempt: _Attempt) -> Committed:
    for _ in range(RERUNS):
        try:
            if attempt.is_careful:
                with connection.cursor() as cursor:
                    committed = attempt.run(Careful(cursor, finds_refused=attempt.finds_refused))
                    connection.commit()
            else:
                with joined(connection, is_lone=attempt.is_plain) as tx:
                    committed = attempt.run_plain(tx) if attempt.is_plain else attempt.run(tx)
            attempt.conclude()
            return committed
        except LOCKED as error:
            connection.rollback()
            attempt.note_locked(error)
        except psycopg2.extensions.TransactionRollbackError as error:
            connection.rollback()
            log.info("tick.rerun", reason=_first_line(error))
        except REFUSED as error:
            if is_connection_lost(error):  # of these classes, too: a server that is read-only now
                raise _lost(error) from error
            connection.rollback()
            if attempt.finds_refused:
                raise
            attempt.finds_refused = True
        except psycopg2.Error as error:
            if not is_connection_lost(error):
                raise
            raise _lost(error) from error
    raise LeadershipLost(f"a tick met a deadlock or serialization failure {RERUNS} times in a row")


def _rest_of(batch: Batch, committed: Committed, completed: set[str]) -> Batch | None:
    """Returns what is left to do for the successes of a plain tick: to release what waits for these, and the stale."""
    missing = [done for done in batch.completions if done.id not in completed]
    ended = Ended(sorted(completed), []) if committed.may_free else NONE
    return Batch(completions=missing, reporters=batch.reporters, ended=ended) if missing or ended else None


class _Attempt:
    """Keeps what is known of a batch's transaction from one run of it to the next."""

    def __init__(self, batch: Batch, pauses: Pauses) -> None:
        self.finds_refused = False
        self._batch = batch
        self._pauses = pauses
        # a lock was in the way, or a row takes too long: from here on each part is tried separately
        self._is_locked = batch.has_unclaimable
        now = time.monotonic()
        self._paused = {part.name for part in PARTS if pauses.is_paused(part.name, now)} if pauses else set()
        frees = batch.completions and (batch.may_free or any(done.beside for done in batch.completions))
        self._is_plain = not (frees or batch.has_other_statements())
        self._failed: set[str] = set()
        self._done: set[str] = set()

    @property
    def is_careful(self) -> bool:
        """Returns True if items have to be run under savepoints."""
        return self.finds_refused or self._is_locked or bool(self._pauses)

    @property
    def is_plain(self) -> bool:
        """Returns True if there is nothing but claims and successes for which no task waits, as far as is known."""
        return self._is_plain and not self.is_careful

    def run_plain(self, tx: DriverTransaction) -> Committed:
        """Runs the one message of a plain tick."""
        committed = Committed()
        found = tick.run_plain(tx, self._batch.written())
        committed.completed, committed.may_free, committed.claimed = found
        return committed

    def run(self, tx: DriverTransaction) -> Committed:
        """Runs the statements in the order of P6."""
        committed = Committed()
        self._failed, self._done = set(), set()
        for part in PARTS:
            if not part.has(self._batch, committed):
                continue
            if part.name in self._paused:
                part.leave(self._batch, committed)
            elif isinstance(tx, Careful) and (self._is_locked or self._pauses.is_known(part.name)):
                self._run_apart(tx, part, committed)
            else:
                part.run(tx, self._batch, committed)
        if isinstance(tx, Careful):
            committed.odd = tx.odd
        return committed

    def note_locked(self, error: psycopg2.Error) -> None:
        """Records that something waited too long for a lock."""
        if self._is_locked:
            log.info("tick.rerun", reason=_first_line(error))
        self._is_locked = True

    def conclude(self) -> None:
        """Updates the pauses after the commit: parts that were blocked pause, the others go on."""
        now = time.monotonic()
        for name in self._failed:
            self._pauses.note(name, now)
        for name in self._done:
            self._pauses.clear(name)

    def _run_apart(self, tx: Careful, part: Part, committed: Committed) -> None:
        tx.finds_locked = True
        is_done = apart(tx, part, self._batch, committed)
        tx.finds_locked = False
        locks.wait_at_most(tx, LEADER_LOCK_TIMEOUT_MS)
        (self._done if is_done else self._failed).add(part.name)


def _lost(error: BaseException) -> LeadershipLost:
    return LeadershipLost(f"the leader's connection broke: {_first_line(error)}")


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
