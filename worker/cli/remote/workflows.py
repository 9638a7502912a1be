"""Implements the operations on workflows over HTTP, through the client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from taskyard.client import Client
from taskyard.core.retry_outcome import RetryPreview

MAX_PAGE = 200


class RemoteWorkflows:
    """The workflows of the installation whose API a client reaches; see `WorkflowPort`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def submit(self, given: Mapping[str, Any]) -> dict[str, Any]:
        options = {"title": given.get("title"), "idempotency_key": given.get("idempotency_key")}
        return self._client.workflows.submit(given.get("name"), given.get("tasks"), **options).model_dump()  # type: ignore[arg-type]

    def check(self, given: Mapping[str, Any]) -> None:
        self._client.workflows.check(given.get("name"), given.get("tasks"), title=given.get("title"))  # type: ignore[arg-type]

    def find(self, states: Sequence[str], name: str | None, text: str | None, limit: int) -> list[dict[str, Any]]:
        pages = min(limit, MAX_PAGE)
        found = self._client.workflows.find(states=states, name=name, text=text, page_workflows=pages)
        return [one.model_dump(mode="json") for one in islice(found, limit)]

    def graph(self, workflow_id: str) -> dict[str, Any]:
        return self._client.workflows.graph(workflow_id).model_dump(mode="json")

    def cancel(self, workflow_id: str, reason: str) -> int:
        return self._client.workflows.cancel(workflow_id, reason=reason)

    def retry(self, workflow_id: str, reason: str) -> int:
        return self._client.workflows.retry(workflow_id, reason=reason)

    def preview_retry(self, workflow_id: str) -> RetryPreview | None:
        found = self._client.workflows.preview_retry(workflow_id)
        return None if found is None else found.as_preview()
