"""Turns the arguments of a submission into the JSON that the API takes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TypedDict

from pydantic_core import to_json

from taskyard.api.models.tasks import NewTask
from taskyard.core.errors import SubmissionError
from taskyard.core.i18n import msg
from taskyard.core.states import Priority

NAMES = tuple(name for name in NewTask.model_fields if name not in ("type", "input"))
_LISTS = ("requires", "after")


class TaskOptions(TypedDict, total=False):
    """What `submit` takes besides type and input, for type checkers; the API checks what is really given."""

    title: str | None
    queue: str | None
    priority: str | Priority | None
    timeout_seconds: float | None
    max_attempts: int | None
    delay_seconds: float | None
    run_at: datetime | str | None
    requires: Iterable[str] | None
    idempotency_key: str | None
    after: Iterable[str] | None
    when: str | None


def task_json(type: object, input: object, options: Mapping[str, Any], key: str) -> bytes:
    """Returns one task as compact JSON, under `key` if the caller gave no idempotency key; raises SubmissionError."""
    for name in options:
        if name not in NAMES:
            raise SubmissionError("options", name, msg("one of {names}", names=", ".join(NAMES)))
    given = {name: _plain(name, value) for name, value in options.items() if value is not None}
    given.setdefault("idempotency_key", key)
    head = encoded("options", {"type": type, **given})
    return b'%s,"input":%s}' % (head[:-1], encoded("input", input))


def encoded(field: str, value: object) -> bytes:
    """Returns a value as compact JSON; raises SubmissionError for one that JSON has no text for."""
    try:
        text = to_json(value, inf_nan_mode="constants")
    except Exception as error:  # pydantic's error, or that of a caller's class
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SubmissionError(field, value, msg("JSON ({reason})", reason=reason)) from None
    if b"NaN" in text or b"Infinity" in text:

        def refuse(_constant: str) -> object:
            raise SubmissionError(field, value, msg("a finite number"))

        json.loads(text, parse_constant=refuse)
    return text


def _plain(name: str, value: object) -> object:
    if isinstance(value, Priority):
        return value.label
    if isinstance(value, datetime):
        return value.isoformat()
    if name in _LISTS and isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping):
        return list(value)
    return value
