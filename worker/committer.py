"""The commit of a tick: one transaction on the leader's connection, in a thread of its own.

While PostgreSQL works on one tick, the dispatcher collects and decides the next one.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from queue import SimpleQueue

import psycopg2
import psycopg2.errors
import psycopg2.extensions
import structlog

from core.database import DriverTransaction
from core.database_errors import is_connection_lost
from core.errors import ErrorClass, LeadershipLost, SubmissionError
from core.protocol import Reply
from core.retry import fingerprint
from core.store import holding, recovering, submitting, ticking
from core.store.ticking import Completion, Settlement, Stale
from core.supervision import OnEscape, start_thread
from worker.batch import Batch, Committed
from worker.careful import REFUSED, Careful, each
from worker.decisions import error_json

RERUNS = 20

log = structlog.get_logger(__name__)


class Committer:
    """Commits batches one after the other. Any doubt about a commit's outcome is LeadershipLost (P14)."""

    def __init__(self, connection: psycopg2.extensions.connection) -> None:
        self._connection = connection
        self._batches: SimpleQueue[Batch | None] = SimpleQueue()
        self._outcomes: SimpleQueue[Committed | Exception] = SimpleQueue()
        self._started = self._ended = 0  # batches
        self._is_closed = False
        self._thread = start_thread(
            "committer", self._run, OnEscape.GO_ON, mend=self._give_up, is_over=lambda: self._is_closed
        )

    def start(self, batch: Batch) -> None:
        """Hands a batch over; exactly one `wait` must follow."""
        self._started += 1
        self._batches.put(batch)

    def wait(self) -> Committed:
        """The outcome of the oldest batch that was started; raises LeadershipLost."""
        outcome = self._outcomes.get()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def commit(self, batch: Batch) -> Committed:
        """Commits a batch in the caller's thread, while none is in flight; raises LeadershipLost."""
        return commit(self._connection, batch)

    def close(self) -> None:
        """Ends the thread once it has committed what it was given."""
        self._is_closed = True
        self._batches.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (batch := self._batches.get()) is not None:
            try:
                outcome: Committed | Exception = commit(self._connection, batch)
            except Exception as error:  # handed to whoever waits
                outcome = error
            self._outcomes.put(outcome)
            self._ended += 1

    def _give_up(self, error: BaseException) -> None:
        """Tells whoever waits that the thread failed: whether the batch was committed is not known."""
        if self._started > self._ended:
            self._outcomes.put(LeadershipLost(f"the thread that commits failed: {type(error).__name__}: {error}"))
            self._ended += 1


def commit(connection: psycopg2.extensions.connection, batch: Batch) -> Committed:
    """Runs a batch as one transaction.

    A deadlock or serialization failure runs it again; a row that PostgreSQL or its driver refuses is found
    by halving under savepoints and set aside (`Committed.odd`), an end of an attempt is settled `unstorable`.
    Raises LeadershipLost.
    """
    began = time.perf_counter()
    if not batch.has_statements():
        return Committed()
    careful = False
    for _ in range(RERUNS):
        try:
            with connection.cursor() as cursor:
                committed = _apply(Careful(cursor) if careful else DriverTransaction(cursor), batch)
                connection.commit()
            committed.seconds = time.perf_counter() - began
            return committed
        except psycopg2.extensions.TransactionRollbackError as error:
            connection.rollback()
            log.info("tick.rerun", reason=str(error).splitlines()[0])
        except REFUSED as error:
            if is_connection_lost(error):  # of these classes, too: a server that is read-only now
                raise _lost(error) from error
            connection.rollback()
            if careful:
                raise
            careful = True
        except psycopg2.Error as error:
            if not is_connection_lost(error):
                raise
            raise _lost(error) from error
    raise LeadershipLost(f"a tick met a deadlock or serialization failure {RERUNS} times in a row")


def _lost(error: BaseException) -> LeadershipLost:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return LeadershipLost(f"the leader's connection broke: {reason}")


def _apply(tx: DriverTransaction, batch: Batch) -> Committed:
    """The statements in the order of P6: lock → settle → unblock → claim, then what locks nothing."""
    committed = Committed()
    if batch.settlements or batch.started or batch.progress or batch.checkpoints:
        ticking.lock(tx, _ids_of(batch))
    stale = list(batch.stale)
    completed, unstorable = _complete(tx, batch, stale)
    if batch.started:
        each(tx, batch.started, lambda items: ticking.start(tx, items))
    if batch.progress:
        each(tx, list(batch.progress.values()), lambda items: ticking.update_progress(tx, items))
    if batch.checkpoints:
        _save_checkpoints(tx, batch, committed)
    failed = _settle(tx, [*batch.settlements, *unstorable], batch, committed, stale)
    if completed:
        committed.waiting += ticking.unblock(tx, sorted(completed))
    if failed:
        ticking.cancel_descendants(tx, sorted(failed), "dispatcher")
    if batch.children:
        _submit_children(tx, batch, committed)
    if batch.claims:
        committed.claimed = claimed = []
        wanted = [(candidate.id, agent.id) for candidate, agent in batch.claims]
        each(tx, wanted, lambda items: claimed.extend(ticking.claim(tx, *zip(*items, strict=True))))
    if stale:
        each(tx, stale, lambda items: ticking.note_stale(tx, items))
    if batch.logs:
        each(tx, batch.logs, lambda items: ticking.add_logs(tx, items))
    _keep_house(tx, batch, committed)
    committed.odd = tx.odd if isinstance(tx, Careful) else []
    return committed


def _complete(tx: DriverTransaction, batch: Batch, stale: list[Stale]) -> tuple[set[str], list[Settlement]]:
    if not batch.completions:
        return set(), []
    completed: set[str] = set()
    refused = each(tx, batch.completions, lambda items: completed.update(ticking.complete(tx, items)))
    if len(completed) + len(refused) < len(batch.completions):
        unstorable = {item.id for item in refused}
        stale += [
            Stale(c.id, c.attempt, batch.reporters.get(c.id), "completed")
            for c in batch.completions
            if c.id not in completed and c.id not in unstorable
        ]
    return completed, [_unstorable(item) for item in refused]


def _settle(
    tx: DriverTransaction, settlements: list[Settlement], batch: Batch, committed: Committed, stale: list[Stale]
) -> list[str]:
    if not settlements:
        return []
    settled: set[str] = set()
    failed: list[str] = []

    def run(items: Sequence[Settlement]) -> None:
        ids, waiting, newly_failed = ticking.settle(tx, items)
        settled.update(ids)
        committed.waiting.extend(waiting)
        failed.extend(newly_failed)

    for item in each(tx, settlements, run):
        item.error, item.detail = _unstorable_texts("PostgreSQL refused the text of the error")
        run([item])
    stale += [
        Stale(s.id, s.attempt, batch.reporters[s.id], s.event)
        for s in settlements
        if s.id not in settled and s.id in batch.reporters
    ]
    return failed


def _unstorable(item: Completion) -> Settlement:
    error, detail = _unstorable_texts("PostgreSQL refused the output as data")
    return Settlement(item.id, item.attempt, "failed", "failed", error=error, detail=detail, started_at=item.started_at)


def _unstorable_texts(message: str) -> tuple[str, str]:
    """The error and the event's detail; the same fingerprint for all types, since the type is not known here."""
    mark = fingerprint("", ErrorClass.UNSTORABLE, message, "")
    text = error_json(ErrorClass.UNSTORABLE, message, None, mark)
    return text, text


def _save_checkpoints(tx: DriverTransaction, batch: Batch, committed: Committed) -> None:
    last = {c.task_id: c for c in batch.checkpoints}
    items = [(c.task_id, c.attempt, bytes(c.state).decode(), c.children) for c in last.values()]
    saved: set[str] = set()
    refused = {item[0] for item in each(tx, items, lambda part: saved.update(ticking.save_checkpoints(tx, part)))}
    for checkpoint in batch.checkpoints:
        reply = Reply(checkpoint.request_id, True)
        if checkpoint.task_id in refused:
            reply = Reply(checkpoint.request_id, None, "checkpoint: PostgreSQL can't store this state")
        elif checkpoint.task_id not in saved:
            reply = Reply(checkpoint.request_id, None, "checkpoint: this attempt is no longer the current one")
        committed.replies.append((checkpoint.agent_id, reply))


def _submit_children(tx: DriverTransaction, batch: Batch, committed: Committed) -> None:
    results: dict[int, str | SubmissionError] = {}

    def run(items: Sequence[tuple[int, object]]) -> None:
        inserted = submitting.insert(tx, [batch.children[position].submission for position, _ in items])
        committed.waiting.extend(inserted.waiting)
        results.update(zip((position for position, _ in items), inserted.ids, strict=True))

    for position, child in each(tx, list(enumerate(batch.children)), run):
        results[position] = SubmissionError("input", child, "what PostgreSQL can store")
    for position, child in enumerate(batch.children):
        result = results[position]
        refusal = str(result) if isinstance(result, SubmissionError) else None
        reply = Reply(child.request_id, None if refusal else result, refusal)
        committed.replies.append((child.agent_id, reply))


def _keep_house(tx: DriverTransaction, batch: Batch, committed: Committed) -> None:
    if batch.arrivals:
        agents = [
            {f: getattr(a, f) for f in a.__struct_fields__}
            | {"state": "online", "known_types": batch.known_types.get(a.id)}
            for a in batch.arrivals
        ]
        each(tx, agents, lambda items: committed.joined.extend(recovering.register_agents(tx, items)))
    if batch.endings:
        each(tx, batch.endings, lambda items: committed.lost.extend(recovering.end_agents(tx, items)))
    if batch.arrivals:  # last, since the boot that an agent follows often ends in the same tick
        recovering.forget_boots(tx, list({agent.name: agent.id for agent in batch.arrivals}.values()))
    if batch.sweep is not None:
        waiting, committed.sweep_next = recovering.open_slice(tx, batch.sweep.after, batch.sweep.limit)
        committed.waiting += waiting
    if batch.held:
        each(tx, batch.held, lambda items: committed.orphans.extend(recovering.not_held(tx, items)))
    if batch.ping:
        committed.database_time = recovering.database_time(tx)
        committed.holds = holding.holds(tx)


def _ids_of(batch: Batch) -> set[str]:
    ids = {c.id for c in batch.completions} | {s.id for s in batch.settlements} | {s[0] for s in batch.started}
    return ids | set(batch.progress) | {c.task_id for c in batch.checkpoints}
