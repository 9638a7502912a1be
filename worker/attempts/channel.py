"""Connects a running handler to its agent, and through it to the dispatcher."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any

from msgspec import Raw

from taskyard.core.errors import PermanentError, TransientError
from taskyard.core.payload.storable_text import storable
from taskyard.core.protocol import (
    MAX_TEXT_LENGTH,
    AskChildren,
    AttemptEnd,
    Checkpoint,
    Log,
    Progress,
    Request,
    Run,
    SubmitChild,
    SubmitWorkflow,
)
from taskyard.worker.attempts.ports import AttemptOwner
from taskyard.worker.logging.redaction import redacted_text

PROGRESS_INTERVAL_SECONDS = 0.5
FIRST_LINES, LAST_LINES = 900, 100  # of what one attempt logs: passed on at once, and kept until its end
FIRST_CHARACTERS = 1 << 20  # of these first lines
REPLY_TIMEOUT_SECONDS = 30.0
MAIL_KINDS = frozenset({"send", "receive", "ack"})  # of requests that the agent answers itself
# In place of an ErrorClass, for an attempt that goes back at no cost: …
CANNOT_RUN = "cannot_run"  # … to an agent that can run it
KEPT_FROM_RUNNING = "kept_from_running"  # … because another one took its place


def refusal_of(done: AttemptEnd) -> str | None:
    """Returns why the attempt could not be run here at all; None if it was run."""
    return _reason_of(done, CANNOT_RUN)


def hindrance_of(done: AttemptEnd) -> str | None:
    """Returns what kept the attempt from running here; None if nothing did."""
    return _reason_of(done, KEPT_FROM_RUNNING)


def _reason_of(done: AttemptEnd, kind: str) -> str | None:
    return done.failure.message if done.failure is not None and done.failure.error_class == kind else None


class AgentChannel:
    """The channel of one attempt, whose order the boot `agent_id` got."""

    __slots__ = (
        "_agent",
        "_characters",
        "_last_lines",
        "_last_progress",
        "_lock",
        "_logged",
        "_passed_on",
        "_run",
        "agent_id",
        "cancelled",
    )

    def __init__(self, agent: AttemptOwner, run: Run, agent_id: str) -> None:
        self._agent = agent
        self._run = run
        self.agent_id = agent_id
        self._lock = threading.Lock()
        self._logged = self._passed_on = 0  # lines; …
        self._characters = 0  # … of these
        self._last_lines: deque[Log] | None = None
        self._last_progress = 0.0
        self.cancelled = False

    def is_cancelled(self) -> bool:
        return self.cancelled

    def emit(self, message: dict[str, Any]) -> None:
        """Passes progress (at most two a second, and the last) and log lines on."""
        run = self._run
        if message["kind"] == "progress":
            now = time.monotonic()
            if now - self._last_progress >= PROGRESS_INTERVAL_SECONDS or message["fraction"] == 1.0:
                self._last_progress = now
                text = _kept(message["message"])
                report = Progress(run.task_id, run.attempt, message["fraction"], text, self.agent_id)
                self._agent.outbox.add(report)
            return
        text = _kept(message["message"])
        line = Log(self.agent_id, run.task_id, run.attempt, _kept(message["level"]), text)
        if message["kind"] == "output" or self._is_among_first(line):
            self._agent.outbox.add(line)

    def close(self) -> None:
        """Ends the channel: passes on the last lines of a log that was too long."""
        with self._lock:
            kept, self._last_lines = self._last_lines, deque(maxlen=0)
        if kept:
            left_out = self._logged - len(kept) - self._passed_on
            if left_out > 0:
                text = f"{left_out:,} log lines left out"
                self._agent.outbox.add(Log(self.agent_id, self._run.task_id, self._run.attempt, "warning", text))
            for line in kept:
                self._agent.outbox.add(line)

    def _is_among_first(self, line: Log) -> bool:
        """Returns True if a line is passed on at once; otherwise it replaces the oldest kept line."""
        with self._lock:
            self._logged += 1
            self._characters += len(line.message)
            if self._last_lines is None:
                if self._logged <= FIRST_LINES and self._characters <= FIRST_CHARACTERS:
                    self._passed_on += 1
                    return True
                self._last_lines = deque(maxlen=LAST_LINES)
            self._last_lines.append(line)
        return False

    def request(self, message: dict[str, Any]) -> Any:
        """Sends a request and waits; raises PermanentError if it is refused, TransientError without an answer."""
        run, agent = self._run, self._agent
        if message["kind"] in MAIL_KINDS:
            return agent.mail.request((run.task_id, run.attempt), message)
        request_id = agent.requests.open()
        agent.outbox.add(self._report(message, request_id))
        reply = agent.requests.wait(request_id, REPLY_TIMEOUT_SECONDS)
        if reply is None:
            raise TransientError(
                f"{message['kind']} of task {run.task_id}: no answer from the dispatcher in {REPLY_TIMEOUT_SECONDS:g} s"
            )
        if reply.refused is not None:
            raise PermanentError(reply.refused)
        return reply.value

    def _report(self, message: dict[str, Any], request_id: str) -> Request:
        run, agent_id = self._run, self._agent.info.id
        if message["kind"] == "submit_workflow":
            call = Raw(message["call"])
            return SubmitWorkflow(agent_id, request_id, run.task_id, run.attempt, call, self.agent_id, message["key"])
        if message["kind"] == "checkpoint":
            state = Raw(message["state"])
            children = message["children"]
            own = (run.task_id, run.attempt, state, self.agent_id, children, message["signals"])
            return Checkpoint(agent_id, request_id, *own)
        if message["kind"] == "outcomes":
            ids, after = message["ids"], message["after"]
            return AskChildren(agent_id, request_id, run.task_id, run.attempt, ids, after, self.agent_id)
        return SubmitChild(
            agent_id,
            request_id,
            run.task_id,
            run.attempt,
            0,
            message["type"],
            Raw(message["input"]),
            message["options"],
            self.agent_id,
            message["key"],
        )


def _kept(text: str) -> str:
    """Returns `text` without secrets, in storable form."""
    return storable(redacted_text(text), 4 * MAX_TEXT_LENGTH)[:MAX_TEXT_LENGTH]
