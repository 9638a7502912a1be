"""Decides what is sent, when it is sent again, and what an answer means; sends nothing itself.

A caller drives `exchange`, a generator: it does what each step says, sends back what came of it, and gets the value.
Only what can't be doubled is repeated: requests that never arrived, that the API put off, or that do the same twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from random import random
from typing import TypeVar

from pydantic import ValidationError

from taskyard.client.address import API_PATH, Address
from taskyard.client.calls import Call
from taskyard.client.problems import error_of_answer
from taskyard.core.errors import Busy, TaskyardError, Unavailable
from taskyard.core.i18n import msg

FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 0.1, 5.0
PASSING = frozenset({408, 429, 502, 503, 504})  # a later try may succeed
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Request:
    """A request to send: what it carries besides the token, and how long the API may be silent."""

    method: str
    url: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes | None
    silence_seconds: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing to do for a while."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the API, or of a proxy before it."""

    status: int
    body: bytes
    retry_after: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer came. `was_sent`: the request may have arrived; `is_final`: it would not the next time, either."""

    reason: str
    was_sent: bool
    is_final: bool = False


class Again(Exception):
    """Raised by what reads an answer that says to try again; `error` is raised if there is no time for that."""

    def __init__(self, error: TaskyardError) -> None:
        super().__init__(str(error))
        self.error = error


Steps = Generator[Request | Pause, Reply | Lost | None, Value]


@dataclass(frozen=True, slots=True)
class Rules:
    """Where the API is, and how long one waits for it; clock and chance are arguments for tests."""

    address: Address
    timeout_seconds: float
    retry_seconds: float
    clock: Callable[[], float] = field(default=time.monotonic)
    chance: Callable[[], float] = field(default=random)

    def request(self, call: Call[Value]) -> Request:
        """Returns the request of a call."""
        headers = {} if call.body is None else {"content-type": call.media_type}
        url = f"{self.address.url}{API_PATH}{call.path}"
        silence_seconds = self.timeout_seconds + call.wait_seconds
        return Request(call.method, url, tuple(call.query), headers, call.body, silence_seconds)


class Patience:
    """How much longer one tries: the pause before the next time, until the time for it is over."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._tries = 0
        self._gives_up_at = rules.clock() + rules.retry_seconds

    def pause_seconds(self, at_least: float, error: TaskyardError) -> float:
        """Returns a pause with full jitter (https://aws.amazon.com/builders-library, "Timeouts, retries, and
        backoff with jitter"), after what the API asked for; raises `error` if there is no time for it.
        """
        longest = min(LAST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0**self._tries)
        pause = at_least + self._rules.chance() * longest
        if self._rules.clock() + pause >= self._gives_up_at:
            raise error
        self._tries += 1
        return pause


def exchange(call: Call[Value], rules: Rules) -> Steps[Value]:
    """Returns what a call reads, after as many tries as the rules allow; raises the API's errors and Unavailable."""
    request = rules.request(call)
    patience = Patience(rules)
    while True:
        reply = yield request
        assert reply is not None
        if isinstance(reply, Reply) and 200 <= reply.status < 300:
            try:
                return call.read(reply.body) if call.read_reply is None else call.read_reply(reply)
            except Again as again:
                error, at_least = again.error, 0.0
            except (ValidationError, ValueError):
                raise _stranger(rules, reply) from None
        else:
            error, at_least = failure(reply, call, rules)
        yield Pause(patience.pause_seconds(at_least, error))


def failure(reply: Reply | Lost, call: Call[Value], rules: Rules) -> tuple[TaskyardError, float]:
    """Returns the error to raise if it stays, and the least pause; raises it if a repetition could do harm."""
    if isinstance(reply, Lost):
        lost = lost_error(reply, call, rules)
        if reply.is_final or (reply.was_sent and not call.may_repeat):
            raise lost
        return lost, 0.0
    if 300 <= reply.status < 400:
        raise _stranger(rules, reply)
    error = error_of_answer(reply.status, reply.body, rules.address.url, call.given)
    is_undone = isinstance(error, Busy)  # any other 503 may be of a commit whose answer was lost
    if reply.status in PASSING and (call.may_repeat or is_undone):
        return error, asked_pause(reply)
    raise error


def lost_error(lost: Lost, call: Call[Value], rules: Rules) -> Unavailable:
    """Returns the error of a request without an answer."""
    if lost.was_sent and not call.may_repeat:
        text = msg(
            "{url}: the connection was lost before the answer came ({reason}): it may have been done or not",
            url=rules.address.url,
            reason=lost.reason,
        )
        return Unavailable(text)
    return Unavailable(msg("{url} can't be reached: {reason}", url=rules.address.url, reason=lost.reason))


def asked_pause(reply: Reply) -> float:
    """Returns the seconds of `Retry-After`; 0 if there is none, or a date."""
    return float(reply.retry_after) if reply.retry_after.isdecimal() else 0.0


def _stranger(rules: Rules, reply: Reply) -> TaskyardError:
    return error_of_answer(reply.status, b"", rules.address.url, {})
