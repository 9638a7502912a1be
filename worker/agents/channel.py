"""The way from a running handler to its agent, and through it to the dispatcher."""

from __future__ import annotations

import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

import orjson
from msgspec import Raw

from core.errors import PermanentError, TransientError
from core.protocol import Checkpoint, Done, Log, Progress, Reply, Run, SubmitChild
from worker.agents.agent_mail import MAIL_KINDS
from worker.log_redaction import redacted_text

if TYPE_CHECKING:
    from worker.agents.base import BaseAgent

PROGRESS_INTERVAL_SECONDS = 0.5
LOG_LIMIT = 1_000  # lines of one attempt
REPLY_TIMEOUT_SECONDS = 30.0
CANNOT_RUN = "cannot_run"  # in place of an ErrorClass: the attempt goes back to whoever can run it


def refusal_of(done: Done) -> str | None:
    """Why the attempt could not be run here at all; None if it was run."""
    return done.failure.message if done.failure is not None and done.failure.error_class == CANNOT_RUN else None


class Requests:
    """Questions to the dispatcher that wait for their answers."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[threading.Event, list[Reply]]] = {}

    def open(self) -> str:
        request_id = uuid.uuid4().hex
        self._waiting[request_id] = (threading.Event(), [])
        return request_id

    def answer(self, reply: Reply) -> None:
        waiting = self._waiting.get(reply.request_id)
        if waiting is not None:
            waiting[1].append(reply)
            waiting[0].set()

    def wait(self, request_id: str, timeout_seconds: float) -> Reply | None:
        """The answer, or None if it did not come in time."""
        event, replies = self._waiting[request_id]
        try:
            return replies[0] if event.wait(timeout_seconds) else None
        finally:
            del self._waiting[request_id]


class AgentChannel:
    """The channel of one attempt, whose order the boot `agent_id` got."""

    __slots__ = ("_agent", "_last_progress", "_logged", "_run", "agent_id", "cancelled")

    def __init__(self, agent: BaseAgent, run: Run, agent_id: str) -> None:
        self._agent = agent
        self._run = run
        self.agent_id = agent_id
        self._logged = 0
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
                text = _storable(message["message"])
                report = Progress(run.task_id, run.attempt, message["fraction"], text, self.agent_id)
                self._agent.outbox.add(report)
            return
        self._logged += 1
        if self._logged <= LOG_LIMIT:
            text = _storable(message["message"])
            if self._logged == LOG_LIMIT:
                text = f"{text} (the last line: an attempt may log {LOG_LIMIT})"
            self._agent.outbox.add(Log(self.agent_id, run.task_id, run.attempt, _storable(message["level"]), text))

    def request(self, message: dict[str, Any]) -> Any:
        """Asks and waits; raises PermanentError if it is refused, TransientError without an answer."""
        run, agent = self._run, self._agent
        if message["kind"] in MAIL_KINDS:
            return agent.mail.request((run.task_id, run.attempt), message)
        request_id = agent.requests.open()
        try:
            report = self._report(message, request_id)
        except (TypeError, ValueError) as error:
            raise PermanentError(f"{message['kind']}: not JSON: {error}") from None
        agent.outbox.add(report)
        reply = agent.requests.wait(request_id, REPLY_TIMEOUT_SECONDS)
        if reply is None:
            raise TransientError(
                f"{message['kind']} of task {run.task_id}: the dispatcher did not answer in {REPLY_TIMEOUT_SECONDS:g} s"
            )
        if reply.refused is not None:
            raise PermanentError(reply.refused)
        return reply.value

    def _report(self, message: dict[str, Any], request_id: str) -> Checkpoint | SubmitChild:
        run, agent_id = self._run, self._agent.info.id
        if message["kind"] == "checkpoint":
            state = Raw(orjson.dumps(message["state"]))
            children = message["children"]
            return Checkpoint(agent_id, request_id, run.task_id, run.attempt, state, self.agent_id, children)
        return SubmitChild(
            agent_id,
            request_id,
            run.task_id,
            run.attempt,
            message["ordinal"],
            message["type"],
            message["input"],
            message["options"],
            self.agent_id,
        )


def _storable(text: str) -> str:
    """`text` without secrets and what PostgreSQL or UTF-8 can't hold."""
    return redacted_text(text).replace("\x00", "�").encode("utf-8", "replace").decode()
