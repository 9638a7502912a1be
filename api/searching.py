"""Reads the search for tasks in the parameters of an address, which are those of the page Tasks."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from taskyard.core.filters.search_filter import TaskFilter

_LIST = "joined by commas"


async def searched(
    states: Annotated[str, Query(description=f"Only in these states, {_LIST}", examples=["failed,cancelled"])] = "",
    types: Annotated[str, Query(description=f"Only of these types, {_LIST}", examples=["analysis.profile"])] = "",
    queues: Annotated[str, Query(description=f"Only of these queues, {_LIST}", examples=["nightly"])] = "",
    priorities: Annotated[str, Query(description=f"Only of these priorities, {_LIST}", examples=["high,urgent"])] = "",
    agent: Annotated[str, Query(description="Only those that the agent of this name has, or had last")] = "",
    error_class: Annotated[str, Query(description="Only failed with this class of error", examples=["timeout"])] = "",
    fingerprint: Annotated[str, Query(description="Only failed with the errors of this group")] = "",
    tag: Annotated[str, Query(description="Only those that require this tag", examples=["gpu"])] = "",
    created_by: Annotated[str, Query(description="Only submitted by this user", examples=["token:ci"])] = "",
    since: Annotated[str, Query(description="Submitted then or later: ISO 8601 with a zone, or an age")] = "",
    until: Annotated[str, Query(description="Submitted before: ISO 8601 with a zone, or an age")] = "",
    text: Annotated[str, Query(description="A part of title, type or error; or the id or key of one task")] = "",
    input_path: Annotated[str, Query(description="An SQL/JSON path that the input must match")] = "",
    output_path: Annotated[str, Query(description="An SQL/JSON path that the output must match")] = "",
    workflow_id: Annotated[str, Query(description="Only of this workflow")] = "",
    ended_since: Annotated[str, Query(description="Ended then or later: ISO 8601 with a zone, or an age")] = "",
    ended_until: Annotated[str, Query(description="Ended before: ISO 8601 with a zone, or an age")] = "",
    min_wait_seconds: Annotated[str, Query(description="An attempt waited that long or longer")] = "",
    max_wait_seconds: Annotated[str, Query(description="An attempt waited shorter than that")] = "",
    min_run_seconds: Annotated[str, Query(description="An attempt ran that long or longer")] = "",
    max_run_seconds: Annotated[str, Query(description="An attempt ran shorter than that")] = "",
) -> TaskFilter:
    """Returns the filter in the parameters; raises SubmissionError, which names the field."""
    return TaskFilter.from_params(locals())


SearchDep = Annotated[TaskFilter, Depends(searched)]
