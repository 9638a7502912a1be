"""Runs a replay in a process of its own: it computes for seconds, in which a server of pages must answer others."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from taskyard.core.errors import Unavailable
from taskyard.core.i18n import TranslatableText, msg
from taskyard.core.threads import call_later
from taskyard.core.views.replays import ReplayedSpan

CHILD = "taskyard.core.views.replay_child"
TIMEOUT_SECONDS = 600.0
END_SECONDS = 10.0  # that the process may take to end after its last word


@dataclass(frozen=True, slots=True)
class AskedReplay:
    """What to replay: a span (epoch seconds) under another `policy`, of one queue or all (None).

    The policies that act are `placement`, and by queue those of `placement_by_queue`.
    """

    since: float
    until: float
    policy: str
    queue: str | None
    placement: str
    placement_by_queue: Mapping[str, str]

    def acting_of(self, queue: str) -> str:
        """Returns the policy of a queue that acts."""
        return self.placement_by_queue.get(queue, self.placement)


class Order(msgspec.Struct):
    """What the process reads: the database's address and what to replay."""

    database_url: str
    asked: AskedReplay


class Answer(msgspec.Struct):
    """A line that the process writes: the share that is done; in the end also the result, or why there is none, as
    `packed` makes it.
    """

    share: float = 0.0
    found: ReplayedSpan | None = None
    problem: Any = None

    @property
    def is_last(self) -> bool:
        """Returns True if nothing follows."""
        return self.found is not None or self.problem is not None


def packed(text: object) -> object:
    """Returns a text that can be translated as JSON has it: its template and values."""
    if isinstance(text, TranslatableText):
        return {"template": text.template, "values": {name: packed(value) for name, value in text.values.items()}}
    return text if isinstance(text, int | float | str | None) else str(text)


def unpacked(text: Any) -> Any:
    """Returns what `packed` was given; words and times in it are plain texts."""
    if isinstance(text, dict):
        return TranslatableText(text["template"], {name: unpacked(value) for name, value in text["values"].items()})
    return text


class ReplayProcess:
    """One replay. `stop` may be called from another thread, at any time."""

    def __init__(self, database_url: str, asked: AskedReplay, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._order = msgspec.json.encode(Order(database_url, asked))  # no argument: everybody sees these
        self._timeout_seconds = timeout_seconds
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._is_stopped = self._is_late = False

    def run(self, progress: Callable[[float], None]) -> ReplayedSpan | None:
        """Returns the result, None if it was stopped; `progress` is told the share that is done.

        Raises Unavailable with what the process says if it has no result, also if it dies or takes too long.
        """
        with self._lock:
            if self._is_stopped:
                return None
            self._process = process = self._started()
        cancel_timeout = call_later(self._timeout_seconds, self._end_late)
        try:
            answer = self._last_answer(process, progress)
        finally:
            cancel_timeout()
            self._end(process)
        if self._is_stopped:
            return None
        if answer is None:
            reason = msg("it took too long") if self._is_late else msg("the log of this server has the details")
            raise Unavailable(msg("the replay ended without a result: {reason}", reason=reason))
        if answer.found is None:
            raise Unavailable(unpacked(answer.problem))
        return answer.found

    def stop(self) -> None:
        """Ends it, or sees to it that it does not begin."""
        with self._lock:
            self._is_stopped = True
            if self._process is not None:
                self._process.kill()

    def _started(self) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                [sys.executable, "-m", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
            )
        except OSError as error:
            raise Unavailable(msg("the replay can't start: {reason}", reason=str(error))) from error

    def _last_answer(self, process: subprocess.Popen[bytes], progress: Callable[[float], None]) -> Answer | None:
        """Returns what the process says in the end; None if it ends before that."""
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(self._order)
            process.stdin.close()
            for line in process.stdout:
                answer = _decode(line)
                if answer.is_last:
                    return answer
                progress(answer.share)
        except (OSError, msgspec.DecodeError):
            pass
        return None

    def _end_late(self) -> None:
        self._is_late = True
        if self._process is not None:
            self._process.kill()

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        try:
            process.wait(0 if self._is_stopped else END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


_decode = msgspec.json.Decoder(Answer).decode
