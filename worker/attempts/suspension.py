"""Defines what a handler may wait for without a slot, and what it finds when its task goes on."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from pydantic import BaseModel, ValidationError

from taskyard.core.errors import PermanentError, SubmissionError, shortened
from taskyard.core.ids import parsed_id
from taskyard.core.payload.encode import decode_input
from taskyard.core.payload.storable_json import refusal
from taskyard.core.protocol import MAX_LISTED, Until, UntilSignal
from taskyard.core.questions.question import Asked
from taskyard.core.submission.signal_names import check_name
from taskyard.core.task_types.schemas import input_schema
from taskyard.worker.attempts.outputs import one_line
from taskyard.worker.logging.redaction import redacted_text

MAX_SECONDS = 10 * 366 * 24 * 3600.0
MAX_SCHEMA_BYTES = 64 << 10
Model = TypeVar("Model", bound=BaseModel)
Data = TypeVar("Data", covariant=True)


class SuspendAttempt(BaseException):
    """Raised by `TaskContext.suspend` to end the attempt. Not an Exception, so that `except Exception` lets it pass."""

    def __init__(self, until: Until, state: bytes | None, children: int, signals: dict[str, int]) -> None:
        self.until, self.state, self.children, self.signals = until, state, children, signals
        super().__init__("the task is suspended: this ends the attempt, and must not be caught")


@dataclass(frozen=True, slots=True)
class ChildrenEnded:
    """Until these children have ended, or all that the task has submitted (None); see `children`."""

    ids: tuple[str, ...] | None


class Awaited(Protocol[Data]):
    """A wait for a signal by a name."""

    @property
    def name(self) -> str:
        """The name of the signal."""

    def read(self, text: bytes) -> Data:
        """Returns what the JSON text of a signal's data says; raises pydantic.ValidationError."""


@dataclass(frozen=True, slots=True)
class SignalReceived(Generic[Model]):
    """Until a signal has come; see `signal`."""

    name: str
    model: type[Model]
    schema: dict[str, Any]
    timeout_seconds: float | None

    def read(self, text: bytes) -> Model:
        """Returns the data of such a signal; raises pydantic.ValidationError."""
        return decode_input(self.model, text)  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal that a task has got: `data` as it was sent, None if a time ran out."""

    name: str
    id: str
    data: Any
    sent_by: str
    sent_at: datetime
    is_timeout: bool


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A signal whose data do not fit what its handler waits for: its number, its JSON text, and why, in one line."""

    number: int
    text: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class ChildOutcome:
    """How a child ended: `key` is the one it was submitted by; `error` has its class and message."""

    id: str
    key: str
    type: str
    state: str
    output: Any
    error: dict[str, Any] | None


def children(*ids: str) -> ChildrenEnded:
    """Returns what `suspend` may wait for: the ends of these children, or without any of all submitted so far.

    Raises PermanentError for what is no id of a task.
    """
    if len(ids) > MAX_LISTED:
        raise PermanentError(f"children: {len(ids)} ids are not accepted, expected at most {MAX_LISTED}")
    parsed = []
    for number, one in enumerate(ids):
        id_ = parsed_id(one)
        if id_ is None:
            raise PermanentError(f"children.{number}: {shortened(one)} is not accepted, expected a task id (a UUID)")
        parsed.append(id_)
    return ChildrenEnded(tuple(parsed) or None)


def signal(name: str, model: type[Model], timeout_seconds: float | None = None) -> SignalReceived[Model]:
    """Returns what `suspend` may wait for: a signal by this name with data of this model, at most for so long.

    Raises PermanentError for an invalid name, model or timeout.
    """
    try:
        check_name(name)
    except SubmissionError as error:
        raise PermanentError(f"signal: {error}") from None
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise PermanentError(f"signal: model {shortened(model)} is not accepted, expected a class of pydantic models")
    schema = input_schema(model) or {}
    problem = refusal(msgspec.json.encode(schema), MAX_SCHEMA_BYTES)
    if problem is not None:
        raise PermanentError(f"signal: the JSON Schema of {model.__name__} {problem}")
    timeout = None if timeout_seconds is None else checked_seconds("timeout_seconds", timeout_seconds)
    return SignalReceived(name, model, schema, timeout)


def checked_seconds(field: str, value: object) -> float:
    """Returns a number of seconds; raises PermanentError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise PermanentError(f"suspend: {field} {shortened(value)} is not accepted, expected a number of seconds")
    if not 0 <= value <= MAX_SECONDS:
        raise PermanentError(f"suspend: {field} {value} is not accepted, expected 0 to {MAX_SECONDS:.0f} seconds")
    return float(value)


def checked_time(value: datetime) -> float:
    """Returns a time in epoch seconds; raises PermanentError for one without a time zone."""
    if value.tzinfo is None or value.utcoffset() is None:
        raise PermanentError(f"suspend: until {value} is not accepted, expected a datetime with a time zone")
    return value.timestamp()


class _Resumed(msgspec.Struct):
    """What a claim says of a task that was suspended or has signals: see core.protocol.Run."""

    now: float
    used: dict[str, int]
    received: list[tuple[int, str, str, str, msgspec.Raw, str, float]]


_decode = msgspec.json.Decoder(_Resumed).decode


class Resumption:
    """What an attempt knows of its task's signals and of the time. `log` gets lines for the task's log."""

    def __init__(self, text: str | None, log: Callable[[str], object]) -> None:
        found = _Resumed(0.0, {}, []) if text is None else _decode(text)
        self._now, self._received, self._log = found.now, found.received, log
        self._passed_over: dict[str, PassedOver] = {}
        self.used = found.used

    def has_passed(self, at: float) -> bool:
        """Returns True if a time (epoch seconds) has passed: by the database's clock, which decides, or by our own."""
        return at <= max(self._now, time.time())

    def take(self, wanted: Awaited[Data]) -> tuple[bool, Data | None]:
        """Returns whether there is a signal that was not used before the checkpoint, and its data; it is used then.

        None: the time ran out. Signals whose data do not fit are passed over: that may be seen by the handler's model
        alone, whose validators no JSON Schema has.
        """
        self._passed_over.pop(wanted.name, None)
        for number, name, id_, kind, data, _sender, _at in self._received:
            if name != wanted.name or number <= self.used.get(name, 0):
                continue
            if kind == "timeout":
                self.used[name] = number
                return True, None
            try:
                found = wanted.read(bytes(data))
            except ValidationError as error:
                reason = redacted_text(one_line("data", error))
                self._passed_over[name] = PassedOver(number, bytes(data), reason)
                self._log(f"signal {name} with the id {id_} is not accepted: {reason}")
            else:
                self.used[name] = number
                return True, found
        return False, None

    def passed_over(self, name: str) -> PassedOver | None:
        """Returns the last signal by a name that `take` has passed over behind the last one that was used."""
        return self._passed_over.get(name)

    def until(
        self, name: str, schema: dict[str, Any], timeout_seconds: float | None, asked: Asked | None = None
    ) -> UntilSignal:
        """Returns the wait for a signal by a name behind all that were used or passed over."""
        used, passed = self.used.get(name, 0), self._passed_over.get(name)
        after = max(used, 0 if passed is None else passed.number)
        return UntilSignal(name, schema, after, timeout_seconds, asked, used)

    def signals(self, name: str) -> list[Signal]:
        """Returns all signals by a name, oldest first, as of the attempt's beginning."""
        return [
            Signal(name, id_, msgspec.json.decode(data), sender, datetime.fromtimestamp(at, UTC), kind == "timeout")
            for _number, own, id_, kind, data, sender, at in self._received
            if own == name
        ]


def outcome_of(row: list[Any]) -> ChildOutcome:
    """Returns an outcome from the leader's answer, whose output and error are JSON texts."""
    id_, key, type_, state, output, error = row
    return ChildOutcome(
        id_,
        key.removeprefix("key/"),
        type_,
        state,
        None if output is None else msgspec.json.decode(output),
        None if error is None else msgspec.json.decode(error),
    )
