"""Describes each request to the API: what is asked, how the answer is read, and whether a repetition does harm."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from pydantic import TypeAdapter
from pydantic_core import from_json

from taskyard.api.models.retries import Retried, RetryPlan
from taskyard.api.models.tasks import (
    CancelledTree,
    HistoryEvent,
    LogPage,
    OpenBelow,
    SignalStored,
    Submitted,
    TaskDetails,
    TaskPage,
    TaskResult,
)
from taskyard.client.options import encoded
from taskyard.core.edges import CancelScope, RetryScope
from taskyard.core.errors import SubmissionError
from taskyard.core.explanation import Explanation
from taskyard.core.i18n import msg
from taskyard.core.ids import parsed_id

JSON, LINES = "application/json", "application/x-ndjson"
Answer = TypeVar("Answer")
_history = TypeAdapter(list[HistoryEvent])
_explanation = TypeAdapter(Explanation)


@dataclass(frozen=True, slots=True)
class Call(Generic[Answer]):
    """A request. `may_repeat`: twice is the same as once, so it is sent again if its answer is lost.

    `given` is what the caller passed, by the names that errors use; `wait_seconds` is how long the API may keep it.
    `read_reply` reads the whole answer instead of its body alone, for what is said in its headers.
    """

    method: str
    path: str
    read: Callable[[bytes], Answer]
    query: Sequence[tuple[str, str]] = ()
    body: bytes | None = None
    media_type: str = JSON
    may_repeat: bool = True
    wait_seconds: float = 0.0
    given: Mapping[str, Any] = field(default_factory=dict)
    read_reply: Callable[[Any], Answer] | None = None


def submit(body: bytes, given: Mapping[str, Any]) -> Call[str]:
    """Submits one task, which carries an idempotency key; reads its id."""
    return Call("POST", "/tasks", lambda text: Submitted.model_validate_json(text).id, body=body, given=given)


def get(task_id: object, *, explain: bool = False) -> Call[TaskDetails]:
    """Reads a task; raises SubmissionError."""
    query = [("explain", "true")] if explain else []
    return Call("GET", task_path(task_id), TaskDetails.model_validate_json, query)


def result(task_id: object, wait_seconds: float) -> Call[TaskResult]:
    """Reads a task's result, which the API waits for; raises SubmissionError."""
    query = [("wait", f"{wait_seconds:.3f}")]
    path = task_path(task_id, "/result")
    return Call("GET", path, TaskResult.model_validate_json, query, wait_seconds=wait_seconds)


def search(
    only: Mapping[str, Any], *, sort: str | None, limit: int, after: str | None, explain: bool = False
) -> Call[TaskPage]:
    """Reads a page of a search; raises SubmissionError."""
    given = {**only, "sort": sort, "limit": limit, "after": after, "explain": "true" if explain else None}
    return Call("GET", "/tasks", TaskPage.model_validate_json, _search_query(given), given=given)


def conditions(**only: object) -> dict[str, Any]:
    """Returns the conditions of a search for all its pages: what can be read only once becomes a list."""
    return {
        name: list(value) if isinstance(value, Iterable) and not isinstance(value, str) else value
        for name, value in only.items()
    }


def history(task_id: object) -> Call[list[HistoryEvent]]:
    """Reads a task's events; raises SubmissionError."""
    return Call("GET", task_path(task_id, "/history"), _history.validate_json)


def log(task_id: object, *, before: str | None, limit: int) -> Call[LogPage]:
    """Reads a page of a task's log; raises SubmissionError."""
    query = [("limit", str(limit)), *([] if before is None else [("before", before)])]
    return Call("GET", task_path(task_id, "/log"), LogPage.model_validate_json, query)


def why(task_id: object) -> Call[Explanation]:
    """Reads why a task waits; raises SubmissionError."""
    return Call("GET", task_path(task_id, "/why"), _explanation.validate_json)


def open_below(task_id: object) -> Call[list[str]]:
    """Reads the ids of unfinished tasks that a task and its children submitted; raises SubmissionError."""
    return Call("GET", task_path(task_id, "/open-below"), lambda text: OpenBelow.model_validate_json(text).ids)


def cancel_tree(task_id: object, reason: str) -> Call[int]:
    """Cancels a task and all below it, reads how many were below; raises SubmissionError."""

    def read(text: bytes) -> int:
        return CancelledTree.model_validate_json(text).cancelled_below

    return _change(task_id, "/cancel-tree", read, {"reason": reason})


def cancel(task_id: object, reason: str, scope: object = CancelScope.THIS) -> Call[int]:
    """Cancels a task, reads how many that it submitted were as well; raises SubmissionError."""

    def read(text: bytes) -> int:
        return CancelledTree.model_validate_json(text).cancelled_below

    return _change(task_id, "/cancel", read, {"reason": reason, "scope": scope})


def retry(task_id: object, reason: str, scope: object = RetryScope.THIS) -> Call[Retried]:
    """Makes a task run again, and others as the scope says, reads how many; raises SubmissionError."""
    return _change(task_id, "/retry", Retried.model_validate_json, {"reason": reason, "scope": scope})


def preview_retry(task_id: object, scope: object) -> Call[RetryPlan]:
    """Reads what a retry would do; raises SubmissionError."""
    query = _search_query({"scope": scope})
    return Call("GET", task_path(task_id, "/retry-preview"), RetryPlan.model_validate_json, query)


def reprioritise(task_id: object, priority: object, reason: str) -> Call[None]:
    """Changes a task's priority; raises SubmissionError."""
    return _change(task_id, "/priority", _nothing, {"priority": priority, "reason": reason})


def send_signal(task_id: object, name: str, data: object, signal_id: str | None, reason: str) -> Call[bool]:
    """Sends a signal to a task, reads whether it is new; raises SubmissionError."""

    def read(text: bytes) -> bool:
        return SignalStored.model_validate_json(text).is_new

    if not isinstance(name, str) or not name:
        raise SubmissionError("name", name, msg("the name of a signal"))
    path = task_path(task_id, f"/signals/{quote(name, safe='')}")
    given = {"data": data, "signal_id": signal_id or str(uuid.uuid4()), "reason": reason}
    return Call("POST", path, read, body=encoded("data", given), given=given)


def anything(method: str, path: str, query: Mapping[str, Any], json: object) -> Call[Any]:
    """Asks for what has no method of its own; reads JSON, or None from an empty answer. Raises SubmissionError."""
    if not path.startswith("/") or not path.isascii() or not path.isprintable() or set(path) & set("?# "):
        raise SubmissionError("path", path, msg("a path below /api/v1, such as /agents"))
    body = None if json is None else encoded("json", json)
    given = json if isinstance(json, Mapping) else {}
    may_repeat = method.upper() in ("GET", "HEAD")
    return Call(method.upper(), path, _any_json, _search_query(query), body, may_repeat=may_repeat, given=given)


def task_path(task_id: object, rest: str = "") -> str:
    """Returns the path of a task; raises SubmissionError."""
    known = parsed_id(task_id)
    if known is None:
        raise SubmissionError("task", task_id, msg("a task id (a UUID)"))
    return f"/tasks/{known}{rest}"


def _change(task_id: object, rest: str, read: Callable[[bytes], Answer], given: Mapping[str, Any]) -> Call[Answer]:
    body = encoded("reason", given)
    return Call("POST", task_path(task_id, rest), read, body=body, may_repeat=False, given=given)


def _search_query(given: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns the parameters that are set, as the API takes them: lists joined by commas, times in ISO 8601."""
    query = []
    for name, value in given.items():
        if value is None:
            continue
        if isinstance(value, bool):
            text = "true" if value else "false"
        elif isinstance(value, datetime):
            text = value.isoformat()
        elif isinstance(value, list | tuple | set | frozenset):
            text = ",".join(_item(name, item) for item in value)
        else:
            text = str(value)
        if text:
            query.append((name, text))
    return query


def _item(name: str, item: object) -> str:
    text = str(getattr(item, "label", item))  # a Priority's name
    if "," in text:
        raise SubmissionError(name, text, msg("a name without a comma"))
    return text


def _nothing(_text: bytes) -> None:
    return None


def _any_json(text: bytes) -> Any:
    return from_json(text) if text.strip() else None
