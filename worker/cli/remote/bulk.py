"""Implements an operation on many tasks over HTTP, through the client."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic_core import from_json, to_json

from taskyard.client import Client
from taskyard.client.calls import Call
from taskyard.client.lines import lines_of
from taskyard.core.errors import TaskyardError, Unavailable
from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.retry_outcome import RunAgain
from taskyard.core.submission.bulk_operation import Operation
from taskyard.worker.cli.ports.bulk import Counted, Ended, Progress


class RemoteBulk:
    """The tasks of the installation whose API a client reaches; see `BulkPort`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def preview(self, operation: Operation, only: TaskFilter) -> Counted:
        found = self._client.request("POST", "/tasks/bulk/preview", json=_order(operation, only))
        matching = found["matching"]
        as_of = matching and datetime.fromisoformat(matching["as_of"])
        again = tuple(RunAgain(**one) for one in found["again"])
        return Counted(found["meant"], found["changed"], found["is_exact"], as_of, found["besides"], again)

    def run(self, operation: Operation, only: TaskFilter, counted: Counted, progress: Progress) -> Ended:
        given = {**_order(operation, only), "reason": operation.reason}
        if counted.as_of is not None:
            as_of = counted.as_of.isoformat()
            given["matching"] = {"count": counted.allowed, "is_exact": counted.is_exact, "as_of": as_of}
        call = Call("POST", "/tasks/bulk", _line, body=to_json(given), may_repeat=False, given=given)
        for line in lines_of(self._client, call):
            if line.get("problem"):
                raise TaskyardError(f"{line['problem']}; {line['done']:,} are done, the same command does the rest")
            if line["is_over"]:
                return Ended(*(line[name] for name in ("id", "done", "skipped", "dependants", "is_stopped")))
            progress(line["done"], line["skipped"], line["total"])
        raise Unavailable("the API ended it early: what is done stays, the same command does the rest")


def _order(operation: Operation, only: TaskFilter) -> dict[str, Any]:
    target: dict[str, Any] = {"all": True} if only.is_empty else {"filter": only.as_json()}
    return {"action": operation.action.value, "priority": operation.priority, "scope": operation.scope, **target}


def _line(text: bytes) -> dict[str, Any]:
    found = from_json(text)
    if not isinstance(found, dict):
        raise ValueError("a line that is no object")
    return found
