"""Says what the commands on workflows need of an installation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from taskyard.core.retry_outcome import RetryPreview


class WorkflowPort(Protocol):
    """The operations on workflows; records are as JSON has them. All may raise Unavailable and NotPermitted."""

    def submit(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Stores a workflow and returns its id and those of its tasks; raises SubmissionError with all problems."""

    def check(self, given: Mapping[str, Any]) -> None:
        """Raises SubmissionError with all problems of a workflow; stores nothing."""

    def find(self, states: Sequence[str], name: str | None, text: str | None, limit: int) -> list[dict[str, Any]]:
        """Returns the newest workflows that match."""

    def graph(self, workflow_id: str) -> dict[str, Any]:
        """Returns a workflow with its nodes and edges; raises TaskNotFound."""

    def cancel(self, workflow_id: str, reason: str) -> int:
        """Cancels a workflow; returns how many tasks. Raises TaskNotFound, IllegalTransition."""

    def retry(self, workflow_id: str, reason: str) -> int:
        """Retries a workflow; returns how many tasks. Raises TaskNotFound, IllegalTransition."""

    def preview_retry(self, workflow_id: str) -> RetryPreview | None:
        """Returns what `retry` would do; None if that is too much to list. Raises TaskNotFound."""
