"""Puts boundaries into the functions of the product that a task passes, in one process of each kind."""

from __future__ import annotations

import atexit
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from taskyard.worker.devtools.bench.trace.recorder import Recorder, around


def of_submitter(recorder: Recorder) -> Callable[[], None]:
    """Marks validated, inserting, inserted and pushed; returns what takes the boundaries away again."""
    from taskyard.core.postgres.store import submission
    from taskyard.core.submission import submit
    from taskyard.core.submission.queue_notifier import QueueNotifier

    def inserting(tx: Any, submissions: Any) -> None:
        recorder.mark("inserting", _ids(submissions))

    def inserted(found: None, answer: Any, tx: Any, submissions: Any) -> None:
        recorder.mark("inserted", _ids(submissions))

    undo = [
        around(
            submit, "validate_submission", after=lambda _, one, *given, **options: recorder.mark("validated", [one.id])
        ),
        around(submission, "insert", inserting, inserted),
        around(QueueNotifier, "push", after=lambda _, none, self, waiting: recorder.mark("pushed", _ids(waiting))),
    ]

    def take_away() -> None:
        for put_back in undo:
            put_back()

    return take_away


def of_worker(recorder: Recorder, folder: Path) -> None:
    """Marks woken, looked, claiming, written, committed and published of claims, and read and settled of ends."""
    from taskyard.core.redis.broker import Broker
    from taskyard.worker.dispatch import committer
    from taskyard.worker.dispatch.dispatcher import Dispatcher
    from taskyard.worker.duties.outcomes import Duties

    last = dict.fromkeys(("woken", "looked", "claiming", "written"), 0.0)

    def note(name: str) -> Callable[..., None]:
        return lambda *given, **options: last.update({name: time.monotonic()})

    def committed(began: dict[str, float], done: Any, connection: Any, batch: Any, pauses: Any = None) -> None:
        now, claimed, ended = time.monotonic(), _ids(done.claimed), _ids(batch.completions)
        times = began | {"written": last["written"], "committed": now}
        for name in ("woken", "looked", "claiming", "written", "committed"):
            recorder.mark(name, claimed, times[name])
        recorder.mark("read", ended, began["woken"])
        recorder.mark("settled", ended, now)
        parts = {"roster": batch.ping, "sweep": batch.sweep, "arrivals": batch.arrivals}
        parts |= {"claims": claimed, "starts": batch.started, "ends": ended}
        recorder.span(f"tick with {', '.join(name for name, has in parts.items() if has)}", began["woken"])

    def run_spanned(name: str, run: Callable[[], object]) -> None:
        began = time.monotonic()
        run()
        recorder.span(name, began)

    watched = Duties.watched

    def watched_and_spanned(
        self: Duties, name: str, run: Callable[[], object], late_after_seconds: float
    ) -> Callable[[], None]:
        return watched(self, name, lambda: run_spanned(name, run), late_after_seconds)

    atexit.register(recorder.save, folder)
    around(Broker, "collect", after=note("woken"))
    around(Broker, "peek", after=note("looked"))
    for run in ("run", "run_plain"):
        around(committer._Attempt, run, after=note("written"))
    around(committer, "commit", lambda *given, **options: {**last, "claiming": time.monotonic()}, committed)
    around(
        Dispatcher,
        "_publish",
        after=lambda _, none, self, term, batch, done: recorder.mark("published", _ids(done.claimed)),
    )
    Duties.watched = watched_and_spanned  # type: ignore[method-assign]


def of_agent(recorder: Recorder, folder: Path) -> None:
    """Marks received, announcing, announced, ended and reported of what an agent runs."""
    from taskyard.worker.agents.base import BaseAgent
    from taskyard.worker.agents.heartbeat import HeartbeatSender
    from taskyard.worker.agents.local_queue import LocalQueue
    from taskyard.worker.agents.outbox import Outbox
    from taskyard.worker.agents.slot_threads import SlotThreads

    def announced(found: None, answer: bool, self: SlotThreads, runs: Any) -> None:
        recorder.mark("announced", _task_ids(runs))

    def ended(found: None, answer: None, self: SlotThreads, index: int, run: Any, **options: Any) -> None:
        recorder.mark("ended", [run.task_id])

    def reported(ids: list[str], answer: None, self: Outbox, *given: Any) -> None:
        recorder.mark("reported", ids)

    # its process ends without exit handlers
    around(BaseAgent, "stop", after=lambda _, none, self: recorder.save(folder))
    around(LocalQueue, "put", lambda self, runs: recorder.mark("received", _task_ids(runs)))
    around(SlotThreads, "_announce", lambda self, runs: recorder.mark("announcing", _task_ids(runs)), announced)
    around(SlotThreads, "_execute", after=ended)
    around(Outbox, "_flush", lambda self, *given: [pair[0] for pair in self._ended], reported)
    around(
        HeartbeatSender, "send", lambda self: time.monotonic(), lambda began, _, self: recorder.span("heartbeat", began)
    )


def _ids(items: Iterable[Any]) -> list[str]:
    return [one.id for one in items]


def _task_ids(runs: Iterable[Any]) -> list[str]:
    return [run.task_id for run in runs]
