"""Submits and follows workflows over HTTP: the calls, and their methods of both clients."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from pydantic import TypeAdapter

from taskyard.api.models.retries import RetryPlan
from taskyard.api.models.workflows import (
    ChangedWorkflow,
    SubmittedWorkflow,
    WorkflowGraph,
    WorkflowInfo,
    WorkflowList,
)
from taskyard.client.calls import Call
from taskyard.client.options import encoded
from taskyard.core.errors import SubmissionError
from taskyard.core.i18n import msg
from taskyard.core.ids import parsed_id

PAGE_WORKFLOWS = 50
Value = TypeVar("Value")


class Asking(Protocol):
    """What makes calls: `Client`."""

    def ask(self, call: Call[Value]) -> Value:
        """Returns the answer to a call."""


class AsyncAsking(Protocol):
    """What makes calls with `await`: `AsyncClient`."""

    async def ask(self, call: Call[Value]) -> Value:
        """Returns the answer to a call."""


def submit(name: Any, tasks: Any, options: Mapping[str, Any], *, dry_run: bool = False) -> Call[SubmittedWorkflow]:
    """Submits a workflow (tasks by key) or a group (a list) under an idempotency key; raises SubmissionError."""
    given = {"name": name, "tasks": tasks, **{key: value for key, value in options.items() if value is not None}}
    given.setdefault("idempotency_key", str(uuid.uuid4()))
    query = [("dry_run", "true")] if dry_run else []
    body = encoded("tasks", given)
    return Call("POST", "/workflows", SubmittedWorkflow.model_validate_json, query, body, given=given)


def get(workflow_id: object) -> Call[WorkflowInfo]:
    """Reads a workflow; raises SubmissionError."""
    return Call("GET", _path(workflow_id), WorkflowInfo.model_validate_json)


def graph(workflow_id: object) -> Call[WorkflowGraph]:
    """Reads a workflow with its tasks and edges; raises SubmissionError."""
    return Call("GET", _path(workflow_id, "/graph"), WorkflowGraph.model_validate_json)


def find(only: Mapping[str, Any], before: str | None, limit: int) -> Call[WorkflowList]:
    """Reads a page of workflows."""
    states = only.get("states")
    given = {**only, "states": ",".join(map(str, states)) if states else None, "before": before, "limit": limit}
    query = [(name, str(value)) for name, value in given.items() if value]
    return Call("GET", "/workflows", WorkflowList.model_validate_json, query, given=given)


def change(workflow_id: object, command: str, reason: str) -> Call[int]:
    """Cancels or retries a workflow, reads how many tasks that changed; raises SubmissionError."""

    def read(text: bytes) -> int:
        return ChangedWorkflow.model_validate_json(text).tasks

    body = encoded("reason", {"reason": reason})
    return Call("POST", _path(workflow_id, f"/{command}"), read, body=body, may_repeat=False, given={"reason": reason})


def preview_retry(workflow_id: object) -> Call[RetryPlan | None]:
    """Reads what a retry of a workflow would do; raises SubmissionError."""
    return Call("GET", _path(workflow_id, "/retry-preview"), TypeAdapter(RetryPlan | None).validate_json)


def _path(workflow_id: object, rest: str = "") -> str:
    known = parsed_id(workflow_id)
    if known is None:
        raise SubmissionError("workflow", workflow_id, msg("the id of a workflow (a UUID)"))
    return f"/workflows/{known}{rest}"


@dataclass(frozen=True, slots=True)
class Workflows:
    """The workflows of a client: `client.workflows`. Every method raises the errors of `Client`."""

    _client: Asking = field(repr=False)

    def submit(
        self, name: str, tasks: Mapping[str, Any], *, title: str | None = None, idempotency_key: str | None = None
    ) -> SubmittedWorkflow:
        """Stores a workflow, all or nothing, and returns its id and the ids of its tasks by key.

        `tasks` are tasks (see `taskyard.task`), or lists of them, which are groups, by key. Raises SubmissionError,
        whose `parts` are all problems, and IdempotencyConflict.
        """
        return self._client.ask(submit(name, tasks, {"title": title, "idempotency_key": idempotency_key}))

    def submit_group(
        self,
        name: str,
        tasks: Iterable[Mapping[str, Any]],
        *,
        title: str | None = None,
        idempotency_key: str | None = None,
    ) -> SubmittedWorkflow:
        """Stores tasks without edges that belong together; their ids are `tasks["tasks"]`."""
        return self._client.ask(submit(name, list(tasks), {"title": title, "idempotency_key": idempotency_key}))

    def check(self, name: str, tasks: Any, *, title: str | None = None) -> None:
        """Raises SubmissionError if a workflow or group would be refused; stores nothing."""
        self._client.ask(submit(name, tasks, {"title": title}, dry_run=True))

    def get(self, workflow_id: str) -> WorkflowInfo:
        """Returns a workflow with its state, counts and progress; raises TaskNotFound."""
        return self._client.ask(get(workflow_id))

    def graph(self, workflow_id: str) -> WorkflowGraph:
        """Returns a workflow with its tasks and edges; raises TaskNotFound."""
        return self._client.ask(graph(workflow_id))

    def find(
        self,
        *,
        states: Iterable[str] | None = None,
        name: str | None = None,
        text: str | None = None,
        created_by: str | None = None,
        page_workflows: int = PAGE_WORKFLOWS,
    ) -> Iterator[WorkflowInfo]:
        """Yields workflows that match every condition, the newest first. `text` is a part of name, title or id."""
        only = {"states": list(states or ()), "name": name, "text": text, "created_by": created_by}
        before = None
        while True:
            page = self._client.ask(find(only, before, page_workflows))
            yield from page.workflows
            before = page.next
            if before is None:
                return

    def cancel(self, workflow_id: str, *, reason: str = "") -> int:
        """Cancels all unfinished tasks of a workflow; returns how many. Raises TaskNotFound or IllegalTransition."""
        return self._client.ask(change(workflow_id, "cancel", reason))

    def retry(self, workflow_id: str, *, reason: str = "") -> int:
        """Runs the failed and cancelled tasks of a workflow again; returns how many."""
        return self._client.ask(change(workflow_id, "retry", reason))

    def preview_retry(self, workflow_id: str) -> RetryPlan | None:
        """Returns what `retry` would make run again; None if that is too much to list. Raises TaskNotFound."""
        return self._client.ask(preview_retry(workflow_id))


@dataclass(frozen=True, slots=True)
class AsyncWorkflows:
    """See `Workflows`: the same methods, with `await` or `async for`."""

    _client: AsyncAsking = field(repr=False)

    async def submit(
        self, name: str, tasks: Mapping[str, Any], *, title: str | None = None, idempotency_key: str | None = None
    ) -> SubmittedWorkflow:
        """See `Workflows.submit`."""
        return await self._client.ask(submit(name, tasks, {"title": title, "idempotency_key": idempotency_key}))

    async def submit_group(
        self,
        name: str,
        tasks: Iterable[Mapping[str, Any]],
        *,
        title: str | None = None,
        idempotency_key: str | None = None,
    ) -> SubmittedWorkflow:
        """See `Workflows.submit_group`."""
        return await self._client.ask(submit(name, list(tasks), {"title": title, "idempotency_key": idempotency_key}))

    async def check(self, name: str, tasks: Any, *, title: str | None = None) -> None:
        """See `Workflows.check`."""
        await self._client.ask(submit(name, tasks, {"title": title}, dry_run=True))

    async def get(self, workflow_id: str) -> WorkflowInfo:
        """See `Workflows.get`."""
        return await self._client.ask(get(workflow_id))

    async def graph(self, workflow_id: str) -> WorkflowGraph:
        """See `Workflows.graph`."""
        return await self._client.ask(graph(workflow_id))

    async def find(
        self,
        *,
        states: Iterable[str] | None = None,
        name: str | None = None,
        text: str | None = None,
        created_by: str | None = None,
        page_workflows: int = PAGE_WORKFLOWS,
    ) -> AsyncIterator[WorkflowInfo]:
        """See `Workflows.find`."""
        only = {"states": list(states or ()), "name": name, "text": text, "created_by": created_by}
        before = None
        while True:
            page = await self._client.ask(find(only, before, page_workflows))
            for one in page.workflows:
                yield one
            before = page.next
            if before is None:
                return

    async def cancel(self, workflow_id: str, *, reason: str = "") -> int:
        """See `Workflows.cancel`."""
        return await self._client.ask(change(workflow_id, "cancel", reason))

    async def retry(self, workflow_id: str, *, reason: str = "") -> int:
        """See `Workflows.retry`."""
        return await self._client.ask(change(workflow_id, "retry", reason))

    async def preview_retry(self, workflow_id: str) -> RetryPlan | None:
        """See `Workflows.preview_retry`."""
        return await self._client.ask(preview_retry(workflow_id))
