"""Records agents' reports in a tick's transaction: ends, starts, progress, checkpoints (P4)."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from taskyard.core.errors import ErrorClass
from taskyard.core.payload.storable_text import storable
from taskyard.core.postgres.database import DriverTransaction
from taskyard.core.postgres.store import hedges, tick
from taskyard.core.postgres.store.dependants import Ended
from taskyard.core.postgres.store.hedges import Dropped, Takeover
from taskyard.core.postgres.store.suspension import Suspension
from taskyard.core.postgres.store.tick import Completion, Settlement, Stale
from taskyard.core.protocol import Checkpoint, Reply
from taskyard.core.scheduling.retry import fingerprint
from taskyard.worker.dispatch.batch import Batch, Committed
from taskyard.worker.dispatch.claim_holders import NOT_CURRENT
from taskyard.worker.dispatch.decisions import error_json
from taskyard.worker.dispatch.savepoints import each, reasons
from taskyard.worker.dispatch.suspending import suspend

MAX_REASON_LENGTH = 300  # bytes of PostgreSQL's error text


def record(tx: DriverTransaction, batch: Batch, committed: Committed) -> None:
    """Records what it can. Items behind a lock are left for later, unlike outdated ones.

    A skipped attempt that is still its task's current one was locked.
    """
    stale: list[Stale] = []
    completed, unstorable = _complete(tx, batch, committed, stale)
    if batch.started:
        recorded: set[str] = set()
        refused = each(tx, batch.started, lambda items: recorded.update(tick.start(tx, items)))
        done = recorded | {start[0] for start in refused}
        missing = {s[0]: s[1] for s in batch.started if s[0] not in done}
        held = tick.still_current(tx, list(missing.items())) if missing else {}
        committed.left.started += [s for s in batch.started if held.get(s[0]) == "assigned"]
    if batch.progress:
        each(tx, list(batch.progress.values()), lambda items: tick.update_progress(tx, items))
    if batch.checkpoints:
        _save_checkpoints(tx, batch, committed)
    failed = _settle(tx, [*batch.settlements, *unstorable], batch, committed, stale)
    if batch.takeovers:
        _take_over(tx, batch, committed, stale)
    if stale:
        each(tx, stale, lambda items: tick.note_stale(tx, items))
    committed.ended = Ended(sorted(completed), sorted(failed))


def record_suspensions(tx: DriverTransaction, batch: Batch, committed: Committed) -> None:
    """Suspends tasks, as `record` does the rest; what PostgreSQL can't store ends its attempt."""
    suspended, refused = suspend(tx, batch, committed)
    whys = reasons(tx, len(refused))
    stale: list[Stale] = []
    failed = _settle(tx, [_unstorable(i, why) for i, why in zip(refused, whys, strict=True)], batch, committed, stale)
    done = suspended | {item.id for item in refused}
    missing = [item for item in batch.suspensions if item.id not in done]
    held = tick.still_current(tx, [(item.id, item.attempt) for item in missing]) if missing else {}
    committed.left.suspensions += [item for item in missing if item.id in held]
    stale += [
        Stale(item.id, item.attempt, batch.reporters.get(item.id), "suspended")
        for item in missing
        if item.id not in held
    ]
    if stale:
        each(tx, stale, lambda items: tick.note_stale(tx, items))
    committed.ended += Ended([], failed)


def _complete(
    tx: DriverTransaction, batch: Batch, committed: Committed, stale: list[Stale]
) -> tuple[set[str], list[Settlement]]:
    if not batch.completions:
        return set(), []
    if won := [c for c in batch.completions if c.beside]:
        # whose results count only then (P22)
        each(tx, won, lambda items: committed.promoted.extend(hedges.promote(tx, items)))
    completed: set[str] = set()
    refused = each(tx, batch.completions, lambda items: completed.update(tick.complete(tx, items)))
    whys = reasons(tx, len(refused))
    unstorable = {item.id for item in refused}
    missing = [c for c in batch.completions if c.id not in completed and c.id not in unstorable]
    # of a second attempt whose task was locked, the one beside it is still the current one
    held = tick.still_current(tx, [(c.id, c.beside or c.attempt) for c in missing]) if missing else {}
    committed.left.completions += [c for c in missing if c.id in held]
    stale += [Stale(c.id, c.attempt, batch.reporters.get(c.id), "completed") for c in missing if c.id not in held]
    return completed, [_unstorable(item, why) for item, why in zip(refused, whys, strict=True)]


def _settle(
    tx: DriverTransaction, settlements: list[Settlement], batch: Batch, committed: Committed, stale: list[Stale]
) -> list[str]:
    if not settlements:
        return []
    settled: set[str] = set()
    failed: list[str] = []

    def run(items: Sequence[Settlement]) -> None:
        ids, waiting, newly_failed = tick.settle(tx, items)
        settled.update(ids)
        committed.waiting.extend(waiting)
        failed.extend(newly_failed)

    refused = each(tx, settlements, run)
    for item, why in zip(refused, reasons(tx, len(refused)), strict=True):
        item.error, item.detail = _unstorable_texts("PostgreSQL refused the text of the error", why)
        run([item])
    missing = [s for s in settlements if s.id not in settled]
    held = tick.still_current(tx, [(s.id, s.attempt) for s in missing]) if missing else {}
    committed.left.settlements += [s for s in missing if s.id in held]
    stale += [
        Stale(s.id, s.attempt, batch.reporters[s.id], s.event)
        for s in missing
        if s.id not in held and s.id in batch.reporters
    ]
    return failed


def _take_over(tx: DriverTransaction, batch: Batch, committed: Committed, stale: list[Stale]) -> None:
    """Has second attempts go on whose first ones have ended."""
    done: set[str] = set()

    def run(items: Sequence[Takeover]) -> None:
        done.update(hedges.take_over(tx, items))

    refused = each(tx, batch.takeovers, run)
    for item, why in zip(refused, reasons(tx, len(refused)), strict=True):
        item.end.error, item.end.detail = _unstorable_texts("PostgreSQL refused the text of the error", why)
        run([item])
    missing = [one for one in batch.takeovers if one.id not in done]
    held = tick.still_current(tx, [(one.id, one.end.attempt) for one in missing]) if missing else {}
    committed.left.takeovers += [one for one in missing if one.id in held]
    over = [one for one in missing if one.id not in held]  # the task was cancelled
    if over:
        hedges.drop(tx, [Dropped(one.id, one.attempt, one.agent_id, None) for one in over])
        committed.orphans += [(one.id, one.attempt) for one in over]
    stale += [
        Stale(one.id, one.end.attempt, batch.reporters[one.id], one.end.event)
        for one in over
        if one.id in batch.reporters
    ]


def _unstorable(item: Completion | Suspension, why: str) -> Settlement:
    what = "output" if isinstance(item, Completion) else "state"
    error, detail = _unstorable_texts(f"PostgreSQL refused the {what} as data", why)
    return Settlement(item.id, item.attempt, "failed", "failed", error=error, detail=detail, started_at=item.started_at)


def _unstorable_texts(message: str, why: str) -> tuple[str, str]:
    """Returns the error and the event's detail; the fingerprint ignores the type, which is unknown here."""
    mark = fingerprint("", ErrorClass.UNSTORABLE, message, "")
    text = error_json(ErrorClass.UNSTORABLE, f"{message}: {storable(why, MAX_REASON_LENGTH)}", None, mark)
    return text, text


def _save_checkpoints(tx: DriverTransaction, batch: Batch, committed: Committed) -> None:
    last = {c.task_id: c for c in batch.checkpoints}
    items = [(c.task_id, c.attempt, bytes(c.state).decode(), c.children, _used(c)) for c in last.values()]
    saved: set[str] = set()
    refused = {item[0] for item in each(tx, items, lambda part: saved.update(tick.save_checkpoints(tx, part)))}
    missing = [(id_, attempt) for id_, attempt, *_ in items if id_ not in saved and id_ not in refused]
    held = tick.still_current(tx, missing) if missing else {}
    for checkpoint in batch.checkpoints:
        reply = Reply(checkpoint.request_id, True)
        if checkpoint.task_id in refused:
            reply = Reply(checkpoint.request_id, None, "checkpoint: PostgreSQL can't store this state")
        elif checkpoint.task_id in held:
            committed.left.checkpoints.append(checkpoint)
            continue
        elif checkpoint.task_id not in saved:
            reply = Reply(checkpoint.request_id, None, f"checkpoint: {NOT_CURRENT}")
        committed.replies.append((checkpoint.agent_id, reply))


def _used(checkpoint: Checkpoint) -> str | None:
    return orjson.dumps(checkpoint.signals).decode() if checkpoint.signals else None
