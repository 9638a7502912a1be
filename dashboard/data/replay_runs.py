"""Runs replays for viewers: one at a time, each in a process of its own, whatever becomes of the viewer's page.

Viewers who choose the same share a replay and its result.
"""

from __future__ import annotations

import atexit
import logging
import threading
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import streamlit as st

from taskyard.core.access.permissions import Permission
from taskyard.core.embedded.servers import resolve
from taskyard.core.errors import TaskyardError, Unavailable
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.threads import OnEscape, start_thread
from taskyard.core.views.replay_process import AskedReplay, ReplayProcess
from taskyard.core.views.replays import ReplayedSpan
from taskyard.dashboard.data import base
from taskyard.dashboard.data.base import Reading, connections
from taskyard.dashboard.data.readings import check
from taskyard.dashboard.data.viewer import actor, viewer

MAX_KEPT = 20
END_SECONDS = 5.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Choice:
    """What a viewer has replayed: the last `span_seconds` under a policy, of a queue or of all (empty)."""

    queue: str
    span_seconds: int
    policy: str


@dataclass(frozen=True, slots=True)
class ReplayRun:
    """The current status of a replay. It runs until `ended_at`; then it was stopped, has a `found` result, or the
    `problem` that ended it.
    """

    choice: Choice
    started_at: datetime
    share: float = 0.0
    ended_at: datetime | None = None
    found: ReplayedSpan | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ReplayStatus:
    """The last replay of what a viewer has chosen, if there was one, and whether some other one runs."""

    run: ReplayRun | None
    is_other_running: bool


class ReplayRuns:
    """The replays of this process. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: dict[Choice, ReplayRun] = {}
        self._running: tuple[Choice, ReplayProcess, threading.Thread] | None = None
        atexit.register(self.close)

    def start(self, choice: Choice, process: ReplayProcess) -> None:
        """Starts a replay in a thread, unless the same one runs; raises SubmissionError if another does."""

        def give_up(error: BaseException) -> None:
            kind = type(error).__name__
            self._end(choice, problem=msg("{kind}: the dashboard's log has the details", kind=kind))

        begun = threading.Event()

        def work() -> None:
            begun.wait()
            self._work(choice, process)

        with self._lock:
            if self._running is not None:
                if self._running[0] == choice:
                    return
                raise refused("replay", choice.policy, msg("one at a time: wait for the one that runs"))
            try:
                thread = start_thread("replay", work, OnEscape.END_THREAD, mend=give_up)
            except RuntimeError as error:
                text = msg("the dashboard's process gets no thread for it: {reason}", reason=str(error))
                raise Unavailable(text) from None
            self._running = choice, process, thread
            self._runs.pop(choice, None)
            kept = [(choice, ReplayRun(choice, base.now())), *self._runs.items()]
            self._runs = dict(kept[:MAX_KEPT])
        begun.set()

    def status(self, choice: Choice) -> ReplayStatus:
        """Returns the last replay of a choice."""
        with self._lock:
            is_other = self._running is not None and self._running[0] != choice
            return ReplayStatus(self._runs.get(choice), is_other)

    def stop(self, choice: Choice) -> None:
        """Stops the replay of a choice, if it runs."""
        with self._lock:
            if self._running is not None and self._running[0] == choice:
                self._running[1].stop()

    def close(self) -> None:
        """Stops whatever runs."""
        running = self._running
        if running is not None:
            running[1].stop()
            running[2].join(END_SECONDS)

    def _work(self, choice: Choice, process: ReplayProcess) -> None:
        try:
            found = process.run(lambda share: self._update(choice, share=share))
        except TaskyardError as error:
            self._end(choice, problem=error.text)
        except Exception as error:
            log.exception("a replay failed")
            self._end(choice, problem=msg("{kind}: the dashboard's log has the details", kind=type(error).__name__))
        else:
            self._end(choice, found=found)

    def _update(self, choice: Choice, **changes: object) -> None:
        with self._lock:
            if choice in self._runs:
                self._runs[choice] = replace(self._runs[choice], **changes)  # type: ignore[arg-type]

    def _end(self, choice: Choice, **changes: object) -> None:
        self._update(choice, ended_at=base.now(), **changes)
        with self._lock:
            self._running = None


@st.cache_resource(show_spinner=False, on_release=ReplayRuns.close)
def runs() -> ReplayRuns:
    """Returns this process's replays."""
    return ReplayRuns()


def status(choice: Choice) -> Reading[ReplayStatus]:
    """Returns the last replay of a choice; raises NotPermitted unless the viewer sees all tasks."""
    check(viewer(), Permission.TASK_READ, is_whole=True)
    return Reading(runs().status(choice), base.now())


def start(choice: Choice) -> None:
    """Starts a replay up to now; raises SubmissionError, NotPermitted or Unavailable."""
    check(actor(), Permission.TASK_READ, is_whole=True)
    settings, until = connections().settings, base.now()
    since = until - timedelta(seconds=choice.span_seconds)
    asked = AskedReplay(
        since.timestamp(),
        until.timestamp(),
        choice.policy,
        choice.queue or None,
        settings.placement,
        settings.placement_by_queue,
    )
    runs().start(choice, ReplayProcess(resolve(settings).database_url, asked))


def stop(choice: Choice) -> None:
    """Stops a replay; raises NotPermitted or Unavailable."""
    check(actor(), Permission.TASK_READ, is_whole=True)
    runs().stop(choice)
