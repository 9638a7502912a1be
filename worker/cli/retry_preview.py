"""Prints what a retry would make run again, for `taskyard retry --dry-run` and the like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from taskyard.core.payload.printable_text import visible
from taskyard.core.retry_outcome import LeftOut, RetryPreview, RunAgain
from taskyard.worker.cli.exits import print_error
from taskyard.worker.cli.output import Cell, Column, print_json, print_line, print_table, state_text, text_column
from taskyard.worker.cli.text import counted

if TYPE_CHECKING:
    from taskyard.worker.cli.ports.tasks import TaskPort

COLUMNS = [Column("id", fixed=True), Column("state", fixed=True), Column("then", fixed=True)]


def preview_retries(port: TaskPort, tasks: Sequence[str], scope: str, as_json: bool) -> None:
    """Prints what retries of these tasks would do, each for itself; exits with the first refusal's code."""
    from taskyard.core.errors import TaskyardError, Unavailable

    found: dict[str, RetryPreview] = {}
    failed: list[dict[str, object]] = []
    for task in dict.fromkeys(tasks):
        try:
            found[task] = port.preview_retry(task, scope)
        except TaskyardError as error:
            failed.append({"id": task, "error": str(error), "exit_code": print_error(error)})
            if isinstance(error, Unavailable):
                break
        else:
            if not as_json:
                _print(task, found[task])
    if as_json:
        print_json({"would_retry": {task: as_document(one) for task, one in found.items()}, "failed": failed})
    if failed:
        raise typer.Exit(int(str(failed[0]["exit_code"])))


def print_workflow_preview(workflow_id: str, found: RetryPreview | None, as_json: bool) -> None:
    """Prints what a retry of a workflow would do; None: more than are listed together."""
    from taskyard.core.scheduling.retry_scope import MAX_TASKS

    if as_json:
        print_json({"would_retry": None if found is None else as_document(found)})
    elif found is None:
        print_line(f"{visible(workflow_id)}: more than {MAX_TASKS:,} tasks would run again")
    else:
        _print(workflow_id, found)


def print_again(tasks: Sequence[RunAgain], count: int) -> None:
    """Prints the first of the tasks that run again, as a table, and how many more they are."""
    has_keys = any(one.key for one in tasks)
    rows: list[list[Cell]] = [
        [
            one.id,
            state_text(one.state),
            state_text(one.then),
            *([one.key] if has_keys else []),
            one.title or one.type,
        ]
        for one in tasks
    ]
    print_table([*COLUMNS, *([text_column("key")] if has_keys else []), text_column("task")], rows)
    if count > len(tasks):
        print_line(f"and {counted(count - len(tasks), 'task')} more")


def as_document(found: RetryPreview) -> dict[str, object]:
    """Returns a preview as JSON has it."""
    return {
        "count": found.count,
        "tasks": [one._asdict() for one in found.tasks],
        "left_out_count": found.left_out_count,
        "left_out": [one._asdict() for one in found.left_out],
        "cancelled_below": found.cancelled_below,
    }


def _print(task: str, found: RetryPreview) -> None:
    print_line(f"{visible(task)}: {counted(found.count, 'task')} would run again")
    print_again(found.tasks, found.count)
    for left in found.left_out:
        print_line(_left_out(left))
    if found.left_out_count > len(found.left_out):
        print_line(f"and {counted(found.left_out_count - len(found.left_out), 'task')} more stay as they are")
    if found.cancelled_below:
        print_line(
            f"{counted(found.cancelled_below, 'task')} after it would stay cancelled"
            " (--scope downstream retries them as well)"
        )


def _left_out(left: LeftOut) -> str:
    parent = (
        f"task {left.parent_id}, which {'no longer exists' if left.parent_state is None else f'is {left.parent_state}'}"
    )
    return f"{left.id} ({visible(left.key or left.title or left.type)}) stays {left.state}: it depends on {parent}"
