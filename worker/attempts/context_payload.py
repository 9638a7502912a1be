"""Converts a handler's values to the JSON of exactly those values, or refuses them (pure).

The check runs in the handler's call, before any process or server sees the value, so that every isolation accepts
and refuses the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

import orjson
import uuid_utils
from pydantic import BaseModel

from taskyard.core.errors import PermanentError, SubmissionError
from taskyard.core.payload.encode import encode_input, encode_json
from taskyard.core.redis.message import MAX_BODY_BYTES
from taskyard.core.states import Priority
from taskyard.core.submission.validate import MAX_PARENTS

LIMIT_BYTES = 64 << 20  # the largest that any installation accepts; the dispatcher knows its own limit
MAX_OPTIONS_BYTES = 1 << 20


def json_of(field: str, value: object, limit_bytes: int = LIMIT_BYTES) -> bytes:
    """Returns the JSON text that reads back as `value`; raises PermanentError, which names the part without one."""
    try:
        return encode_json(field, value, limit_bytes)
    except SubmissionError as error:
        raise PermanentError(str(error)) from None


def input_json(value: object) -> bytes:
    """Returns the JSON text of a child's input: a dict, a model instance or None; raises PermanentError."""
    if not isinstance(value, BaseModel):
        return json_of("input", {} if value is None else value)
    try:
        return encode_input(type(value), value, LIMIT_BYTES).encode()
    except SubmissionError as error:
        raise PermanentError(str(error)) from None


def check_message(value: object) -> None:
    """Raises PermanentError for a value that an agent's mailbox would not return unchanged."""
    json_of("message", value, MAX_BODY_BYTES)


def plain_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the options of `submit` as JSON values; raises PermanentError."""
    return {name: orjson.loads(json_of(name, _plain(value), MAX_OPTIONS_BYTES)) for name, value in options.items()}


def workflow_json(name: object, tasks: object, title: object) -> bytes:
    """Returns a workflow's call as JSON text; raises PermanentError, which names the part without one."""
    given = {"name": name, "tasks": _plain_tasks(tasks)}
    return json_of("tasks", given if title is None else {**given, "title": title})


def _plain_tasks(tasks: object) -> object:
    """Returns tasks with their options and models as JSON values."""
    if isinstance(tasks, Mapping) and "type" not in tasks:
        return {key: _plain_tasks(part) for key, part in tasks.items()}
    if isinstance(tasks, list | tuple):
        return [_plain_tasks(part) for part in tasks]
    if not isinstance(tasks, Mapping):
        return tasks
    return {key: _plain_input(value) if key == "input" else _plain(value) for key, value in tasks.items()}


def _plain_input(value: object) -> object:
    return orjson.loads(input_json(value)) if isinstance(value, BaseModel) else value


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Priority):
        return value.label
    if isinstance(value, UUID | uuid_utils.UUID):
        return str(value)
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping):
        items = [_plain(item) for item in islice(value, MAX_PARENTS + 1)]
        return sorted(items, key=repr) if isinstance(value, Set) else items  # a set's order differs in each process
    return value
