"""Implements the operations on workflows by this host's own connections to PostgreSQL and Redis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import islice
from typing import Any

from taskyard.core.access.identity import local_actor
from taskyard.core.payload.culprits import refused
from taskyard.core.postgres.store.workflows import WorkflowFilter
from taskyard.core.retry_outcome import RetryPreview
from taskyard.core.submission.workflow_check import WorkflowCall
from taskyard.core.submission.workflow_commands import check_workflow_id
from taskyard.core.submission.workflow_submission import group_call
from taskyard.core.views.workflows import SeenWorkflow, graph_of, page_of
from taskyard.core.workflows.states import WorkflowState
from taskyard.worker.cli.connections import acting, opened_reading


class LocalWorkflows:
    """The workflows of the installation that the settings name; see `WorkflowPort`."""

    def submit(self, given: Mapping[str, Any]) -> dict[str, Any]:
        with acting(load_types=True) as (permitted, _):
            return permitted.workflows().submit(_call(given))[0]._asdict()

    def check(self, given: Mapping[str, Any]) -> None:
        with acting(load_types=True) as (permitted, _):
            permitted.workflows().check(_call(given))

    def find(self, states: Sequence[str], name: str | None, text: str | None, limit: int) -> list[dict[str, Any]]:
        only = WorkflowFilter([_state(one) for one in states] or None, name, text)
        with opened_reading() as tx:
            return list(islice(map(_shown, page_of(tx, local_actor(), only, limit=limit).workflows), limit))

    def graph(self, workflow_id: str) -> dict[str, Any]:
        with opened_reading() as tx:
            found = graph_of(tx, local_actor(), check_workflow_id(workflow_id))
        return {
            "workflow": _shown(found.workflow),
            "nodes": [_plain(node._asdict()) for node in found.nodes],
            "edges": [_plain(edge._asdict()) for edge in found.edges],
            "submitted": [_plain(one._asdict()) for one in found.submitted],
        }

    def cancel(self, workflow_id: str, reason: str) -> int:
        with acting() as (permitted, _):
            return permitted.workflows().cancel(workflow_id, reason)

    def retry(self, workflow_id: str, reason: str) -> int:
        with acting() as (permitted, _):
            return permitted.workflows().retry(workflow_id, reason)

    def preview_retry(self, workflow_id: str) -> RetryPreview | None:
        with acting() as (permitted, _):
            return permitted.workflows().preview_retry(workflow_id)


def _call(given: Mapping[str, Any]) -> WorkflowCall:
    title, key = given.get("title"), given.get("idempotency_key")
    if isinstance(given.get("tasks"), list):
        return group_call(given.get("name"), given["tasks"], title, key)
    return WorkflowCall(given.get("name"), given.get("tasks"), title=title, idempotency_key=key)


def _state(name: str) -> WorkflowState:
    if name not in set(WorkflowState):
        raise refused("state", name, f"one of {', '.join(WorkflowState)}")
    return WorkflowState(name)


def _shown(workflow: SeenWorkflow) -> dict[str, Any]:
    return _plain(asdict(workflow))


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}
