"""Submits, shows, lists, cancels and retries workflows."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Response

from taskyard.api.authentication import ActorDep, needs
from taskyard.api.document import refusing
from taskyard.api.models.common import Reason
from taskyard.api.models.retries import RetryPlan
from taskyard.api.models.workflows import (
    ChangedWorkflow,
    NewWorkflow,
    SubmittedWorkflow,
    WorkflowGraph,
    WorkflowInfo,
    WorkflowList,
)
from taskyard.api.reading import ServicesDep, acting_for, in_thread, read_at_once
from taskyard.core.access.permissions import Permission
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.postgres.store.workflows import MAX_PAGE_SIZE, WorkflowFilter
from taskyard.core.submission.workflow_check import WorkflowCall
from taskyard.core.submission.workflow_commands import check_workflow_id
from taskyard.core.submission.workflow_submission import group_call
from taskyard.core.views.workflows import graph_of, page_of, workflow_of
from taskyard.core.workflows.checked import CheckedWorkflow
from taskyard.core.workflows.states import WorkflowState

router = APIRouter(prefix="/workflows", tags=["workflows"])
WorkflowId = Annotated[str, Path(alias="id", description="The workflow's id")]
_REPEATED = {"model": SubmittedWorkflow, "description": "An earlier request with the same idempotency key made it"}
_STATES = ", ".join(WorkflowState)


@router.post(
    "",
    status_code=201,
    summary="Submit a workflow",
    dependencies=[needs(Permission.TASK_SUBMIT)],
    responses={201: {"description": "The workflow is stored"}, 200: _REPEATED, **refusing(409)},
)
async def submit(
    given: NewWorkflow,
    services: ServicesDep,
    actor: ActorDep,
    response: Response,
    dry_run: Annotated[bool, Query(description="Check everything, and store nothing")] = False,
    idempotency_key: Annotated[
        str | None, Header(description="The same key again is the same workflow: a repeated request doubles nothing")
    ] = None,
) -> SubmittedWorkflow:
    """Stores a workflow with all of its tasks, or nothing; all problems are listed in `errors`, with their paths."""
    key = given.idempotency_key
    if idempotency_key is not None and key is not None and key != idempotency_key:
        raise refused("idempotency_key", key, msg("the key of the header Idempotency-Key"))
    key = idempotency_key if key is None else key
    if isinstance(given.tasks, list):
        call = group_call(given.name, given.tasks, given.title, key)
    else:
        call = WorkflowCall(given.name, given.tasks, title=given.title, idempotency_key=key)
    acting = acting_for(services, actor).workflows()
    if dry_run:
        checked = await in_thread(acting.check, call)
        response.status_code = 200
        if isinstance(checked, CheckedWorkflow):
            return SubmittedWorkflow(id=None, tasks={})
        return SubmittedWorkflow(id=checked.id, tasks=checked.tasks)
    found, is_new = await in_thread(acting.submit, call)
    response.status_code = 201 if is_new else 200
    response.headers["location"] = f"/api/v1/workflows/{found.id}"
    return SubmittedWorkflow(id=found.id, tasks=found.tasks)


@router.get("", summary="List workflows", dependencies=[needs(Permission.TASK_READ)])
async def find(
    services: ServicesDep,
    actor: ActorDep,
    states: Annotated[str, Query(description=f"Only in these states, joined by commas: {_STATES}")] = "",
    name: Annotated[str, Query(description="Only of this name")] = "",
    text: Annotated[str, Query(description="A part of the name, the title or the id", max_length=200)] = "",
    created_by: Annotated[str, Query(description="Only submitted by this user")] = "",
    before: Annotated[str | None, Query(description="`next` of an earlier page")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE)] = 50,
) -> WorkflowList:
    """Returns workflows that match every parameter, a page at a time, the newest first."""
    only = WorkflowFilter(read_states(states), name or None, text or None, created_by or None)
    place = None if before is None else check_workflow_id(before)
    found = await read_at_once(services, page_of, actor, only, before=place, limit=limit)
    return WorkflowList(workflows=[WorkflowInfo.model_validate(one) for one in found.workflows], next=found.next)


@router.get("/{id}", summary="Get a workflow", dependencies=[needs(Permission.TASK_READ)])
async def get(workflow_id: WorkflowId, services: ServicesDep, actor: ActorDep) -> WorkflowInfo:
    """Returns a workflow with its state, counts and progress."""
    return WorkflowInfo.model_validate(await read_at_once(services, workflow_of, actor, check_workflow_id(workflow_id)))


@router.get("/{id}/graph", summary="Get a workflow's graph", dependencies=[needs(Permission.TASK_READ)])
async def graph(workflow_id: WorkflowId, services: ServicesDep, actor: ActorDep) -> WorkflowGraph:
    """Returns a workflow with its tasks, at most 20,000, and the edges between them."""
    return WorkflowGraph.model_validate(await read_at_once(services, graph_of, actor, check_workflow_id(workflow_id)))


_CHANGES: dict[str, Any] = {"dependencies": [needs(Permission.TASK_OPERATE)], "responses": refusing(409)}


@router.post("/{id}/cancel", summary="Cancel a workflow", **_CHANGES)
async def cancel(
    workflow_id: WorkflowId, services: ServicesDep, actor: ActorDep, given: Reason | None = None
) -> ChangedWorkflow:
    """Cancels all unfinished tasks of a workflow, also those that its handlers submitted."""
    count = await in_thread(acting_for(services, actor).workflows().cancel, workflow_id, given.reason if given else "")
    return ChangedWorkflow(tasks=count)


@router.post("/{id}/retry", summary="Retry a workflow", **_CHANGES)
async def retry(
    workflow_id: WorkflowId, services: ServicesDep, actor: ActorDep, given: Reason | None = None
) -> ChangedWorkflow:
    """Runs the failed and cancelled tasks of a workflow again, in the order of its edges."""
    count = await in_thread(acting_for(services, actor).workflows().retry, workflow_id, given.reason if given else "")
    return ChangedWorkflow(tasks=count)


@router.get(
    "/{id}/retry-preview",
    summary="Preview a retry of a workflow",
    dependencies=[needs(Permission.TASK_OPERATE)],
)
async def preview_retry(workflow_id: WorkflowId, services: ServicesDep, actor: ActorDep) -> RetryPlan | None:
    """Returns what a retry would make run again, changing nothing; null: more than are listed together."""
    found = await in_thread(acting_for(services, actor).workflows().preview_retry, workflow_id)
    return None if found is None else RetryPlan.of(found)


def read_states(text: str) -> list[WorkflowState] | None:
    """Returns the states in a list joined by commas; raises SubmissionError."""
    names = [name for name in text.split(",") if name]
    for name in names:
        if name not in set(WorkflowState):
            raise refused("states", name, msg("one of {names}", names=_STATES))
    return [WorkflowState(name) for name in names] or None
