"""Suspends tasks (P18), and wakes those at once for which there is what they wait for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import uuid_utils

from taskyard.core.errors import SubmissionError
from taskyard.core.ids import is_id
from taskyard.core.postgres.database import DriverTransaction
from taskyard.core.postgres.store import questions, signals, suspension, tick
from taskyard.core.postgres.store.questions import NewQuestion
from taskyard.core.postgres.store.suspension import Recorded, Suspension
from taskyard.core.protocol import Failure, Reply, Suspended, UntilChildren, UntilSignal, UntilTime
from taskyard.core.questions.question import SIGNAL_PREFIX, check_asked
from taskyard.core.scheduling.retry import fingerprint
from taskyard.core.submission.signal_fit import misfit
from taskyard.worker.dispatch.batch import Batch, Committed, OutcomesAsked
from taskyard.worker.dispatch.claim import Claim
from taskyard.worker.dispatch.claim_holders import NOT_CURRENT
from taskyard.worker.dispatch.decisions import error_json, known_class
from taskyard.worker.dispatch.report_parts import storable_time
from taskyard.worker.dispatch.savepoints import each

ACTOR = "dispatcher"


def suspension_of(claim: Claim, report: Suspended) -> Suspension:
    """Returns what is to be stored of an attempt that suspends its task; raises ValueError for an invalid one."""
    found = Suspension(
        claim.id,
        claim.attempt,
        until="",
        state=bytes(report.state).decode() if report.has_state else None,
        children_before=report.children,
        signals=orjson.dumps(report.signals).decode() if report.signals else None,
        started_at=report.started_at,
        run_seconds=report.run_seconds,
        cpu_seconds=report.cpu_seconds,
        peak_memory_bytes=report.peak_memory_bytes,
    )
    until = report.until
    told: dict[str, Any]
    if isinstance(until, UntilTime):
        told = {"kind": "time" if report.failure is None else "retry_after"}
        found.delay_seconds = until.seconds
        if until.at is not None:
            found.at = storable_time(until.at)
    elif isinstance(until, UntilChildren):
        if until.ids is not None and not all(map(is_id, until.ids)):
            raise ValueError("children: not all of them are ids of tasks")
        told = {"kind": "children", "of": None if until.ids is None else len(set(until.ids))}
        found.children = True
        found.wanted = None if until.ids is None else orjson.dumps(sorted(set(until.ids))).decode()
    else:
        told = {"kind": "signal", "name": until.name, "schema": until.schema, "after": until.after}
        if until.question is not None:
            told["question"] = until.question.text
        if until.used is not None:
            told["used"] = until.used
        _check_question(until)
        found.question = until.question
        found.signal, found.schema, found.after = until.name, until.schema, until.after
        found.delay_seconds = until.timeout_seconds
    found.until = orjson.dumps(told).decode()
    if report.failure is not None:
        found.error = _error_of(claim, report.failure)
    return found


def _check_question(until: UntilSignal) -> None:
    """Raises ValueError for an invalid question, and for another one's signal that has the name of an answer's."""
    if until.question is None:
        if until.name.startswith(SIGNAL_PREFIX):
            raise ValueError(f"signal: the name {until.name} is that of an answer, and there is no question")
        return
    if not until.name.startswith(SIGNAL_PREFIX):
        raise ValueError(f"question: the signal {until.name} is none of an answer")
    try:
        check_asked(until.question, until.name.removeprefix(SIGNAL_PREFIX), until.timeout_seconds)
    except SubmissionError as error:
        raise ValueError(f"question: {error}") from None


def _error_of(claim: Claim, failure: Failure) -> str:
    error_class = known_class(failure.error_class)
    mark = fingerprint(claim.row.type, error_class, failure.message, failure.traceback or "")
    return error_json(error_class, failure.message, failure.traceback, mark)


def suspend(tx: DriverTransaction, batch: Batch, committed: Committed) -> tuple[set[str], list[Suspension]]:
    """Suspends tasks; returns the ids of those that are, and what PostgreSQL refused as data."""
    recorded: dict[str, Recorded] = {}

    def run(items: Sequence[Suspension]) -> None:
        recorded.update((one.id, one) for one in suspension.suspend(tx, items))

    refused = each(tx, batch.suspensions, run)
    done = [item for item in batch.suspensions if item.id in recorded]
    ready = _without_children(tx, [item for item in done if item.children])
    ready += _with_signals(tx, [item for item in done if item.signal is not None and recorded[item.id].has_signals])
    woken = suspension.wake(tx, sorted(ready), ACTOR) if ready else []
    _ask(tx, [item for item in done if item.question is not None and item.id not in ready])
    committed.waiting += woken
    later = recorded.keys() - {task.id for task in woken}
    committed.waiting += [task for id_ in later if (task := recorded[id_].waiting) is not None]
    return set(recorded), refused


def _without_children(tx: DriverTransaction, items: Sequence[Suspension]) -> list[str]:
    """Makes tasks wait for their unfinished children; returns those that have none."""
    if not items:
        return []
    counts = suspension.await_children(tx, [item.id for item in items], [item.wanted for item in items])
    return [id_ for id_, count in counts.items() if not count]


def _with_signals(tx: DriverTransaction, items: Sequence[Suspension]) -> list[str]:
    """Returns the tasks for which there is a signal that fits; records those that do not fit."""
    if not items:
        return []
    waits = {item.id: item for item in items}
    names = [str(item.signal) for item in items]
    found = signals.awaited(tx, list(waits), names, [item.after for item in items])
    ready: list[str] = []
    refusals: list[tuple[str, str, str, str]] = []
    for one in found:
        reason = None if one.data is None else misfit(waits[one.task_id].schema or {}, orjson.loads(one.data))
        if reason is None:
            ready.append(one.task_id)
        else:
            refusals.append((one.task_id, str(waits[one.task_id].signal), one.signal_id, reason))
    if refusals:
        signals.note_refused(tx, refusals)
    return list(dict.fromkeys(ready))


def _ask(tx: DriverTransaction, items: Sequence[Suspension]) -> None:
    """Stores what suspended tasks ask people."""
    new = [
        NewQuestion(str(uuid_utils.uuid7()), item.id, str(item.signal).removeprefix(SIGNAL_PREFIX), item.question)
        for item in items
        if item.question is not None
    ]
    if new:
        questions.ask(tx, new)


def tell_outcomes(tx: DriverTransaction, batch: Batch, committed: Committed) -> None:
    """Answers attempts that ask how their children ended."""
    pairs = list({asked.pair for asked in batch.outcomes_asked})
    current = tick.still_current(tx, pairs)
    for asked in batch.outcomes_asked:
        reply = Reply(asked.request_id, None, f"children: {NOT_CURRENT}")
        if asked.pair[0] in current:
            reply = _outcomes(tx, asked)
        committed.replies.append((asked.agent_id, reply))


def _outcomes(tx: DriverTransaction, asked: OutcomesAsked) -> Reply:
    task_id, wanted = asked.pair[0], asked.wanted
    known = suspension.children(tx, task_id, wanted)
    if wanted is not None and known.total < len(wanted):
        missing = len(wanted) - known.total
        return Reply(asked.request_id, None, f"children: {missing} of these tasks were not submitted by this task")
    if known.waits_for_it is not None and known.unfinished:
        refusal = f"children: task {known.waits_for_it} waits for this task itself, so both would wait for ever"
        return Reply(asked.request_id, None, refusal)
    page: list[tuple[Any, ...]] = []
    if not known.unfinished:
        page = [tuple(one) for one in suspension.outcomes(tx, task_id, wanted, asked.after)]
    return Reply(asked.request_id, {"total": known.total, "unfinished": known.unfinished, "page": page})
