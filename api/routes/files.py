"""Checks files of tasks without submitting them, and tells how far many tasks are, as the page Submit does."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from taskyard.api.authentication import ActorDep, needs
from taskyard.api.language import in_language_of
from taskyard.api.models.files import FileCheck, RowProblemInfo, TaskIds, TaskStates, UnsuccessfulTask
from taskyard.api.reading import ServicesDep, acting_for, in_thread, read
from taskyard.core.access.identity import Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import submission_status, tasks
from taskyard.core.submission import file_check
from taskyard.core.submission.commands import check_task_ids
from taskyard.core.views.masking import reads_payloads

MAX_PROBLEMS = 1_000
MAX_UNSUCCESSFUL = 50
_TEXT = {"schema": {"type": "string"}}
_DOCUMENT: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"text/csv": _TEXT, "application/x-ndjson": _TEXT}}
}

router = APIRouter(prefix="/tasks", tags=["tasks"])


@router.post(
    "/check",
    summary="Check a file of tasks",
    dependencies=[needs(Permission.TASK_SUBMIT)],
    openapi_extra=_DOCUMENT,
)
async def check_file(
    request: Request,
    services: ServicesDep,
    actor: ActorDep,
    name: Annotated[str, Query(max_length=300, description="Its name: the ending says its format")] = "",
) -> FileCheck:
    """Checks each row of a CSV file, or of JSON lines, as if the sender submitted it; stores nothing."""
    content = await request.body()
    checked, known = await in_thread(file_check.check_file, services, acting_for(services, actor), content, name)
    say = in_language_of(request)
    problems = [
        RowProblemInfo(**{**asdict(one), "expected": say(one.expected)}) for one in checked.problems[:MAX_PROBLEMS]
    ]
    return FileCheck(
        rows=checked.count,
        accepted=len(checked.submittable),
        known=known,
        refused=checked.refused,
        problems=problems,
    )


@router.post("/states", summary="Count tasks by state", dependencies=[needs(Permission.TASK_READ)])
async def count_states(given: TaskIds, services: ServicesDep, actor: ActorDep) -> TaskStates:
    """Returns how many of these tasks are in each state, and the first that failed or were cancelled."""
    return await read(services, _states, actor, check_task_ids(given.ids))


def _states(tx: Transaction, actor: Actor, ids: list[str]) -> TaskStates:
    if actor.is_narrowed:
        ids = [task.id for task in tasks.tasks_of(tx, ids) if actor.sees(task.queue, task.type)]
    found = submission_status.unsuccessful(tx, ids, MAX_UNSUCCESSFUL)
    shown = [UnsuccessfulTask.model_validate(one) for one in found]
    if not reads_payloads(actor):
        shown = [one.model_copy(update={"message": None}) for one in shown]
    return TaskStates(states=submission_status.states_of(tx, ids), unsuccessful=shown)
