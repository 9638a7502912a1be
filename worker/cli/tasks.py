"""Implements commands that change tasks: cancel, retry, priority."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated

import typer

from taskyard.core.edges import CancelScope, RetryScope
from taskyard.core.payload.printable_text import visible
from taskyard.worker.cli.exits import print_error
from taskyard.worker.cli.opened import opened_tasks
from taskyard.worker.cli.output import print_json, print_line
from taskyard.worker.cli.retry_preview import preview_retries
from taskyard.worker.cli.show import AsJson, TaskId
from taskyard.worker.cli.text import counted

TaskIds = Annotated[list[str], typer.Argument(metavar="TASK", help="Full ids of tasks.")]
Scope = Annotated[
    RetryScope,
    typer.Option(
        help="this; downstream: and all that come after it; chain: and the failed ones before it, and all after these."
    ),
]
Reason = Annotated[str, typer.Option(help="Why; kept in each task's history.")]


def cancel(
    tasks: TaskIds,
    reason: Reason = "",
    scope: Annotated[
        CancelScope,
        typer.Option(
            help="this: it and what waits for it; tree: also all unfinished tasks that it or these submitted."
        ),
    ] = CancelScope.THIS,
    tree: Annotated[bool, typer.Option("--tree", help="The same as --scope tree.")] = False,
    as_json: AsJson = False,
) -> None:
    """Cancels unfinished tasks and their dependants, at once; running ones are stopped.

    `retry` makes them pending again. Tasks that they submitted, and workflows, are not cancelled, and are counted; with
    --scope tree they are cancelled as well.
    """
    is_tree = tree or scope is CancelScope.TREE
    with opened_tasks() as port:
        below: dict[str, int] = {}

        def run(task: str) -> None:
            below[task] = port.cancel_tree(task, reason) if is_tree else port.cancel(task, reason)

        _each(tasks, "cancelled", as_json, run, {"cancelled_below" if is_tree else "open_below": below})
    for task, count in below.items():
        if count and not as_json:
            which = f"{count:,} unfinished {'task' if count == 1 else 'tasks'} that it or its children submitted"
            fate = "cancelled too" if is_tree else "not cancelled (--scope tree cancels them)"
            print_line(f"{visible(task)}: {which}: {fate}")


def retry(
    tasks: TaskIds,
    reason: Reason = "",
    scope: Scope = RetryScope.THIS,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would run again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Makes failed or cancelled tasks pending again, with a new budget of attempts.

    With a scope other tasks run again, too: those that come after it wait for it, as when they were submitted.
    """
    with opened_tasks() as port:
        if dry_run:
            preview_retries(port, tasks, scope, as_json)
            return
        again: dict[str, int] = {}
        below: dict[str, int] = {}

        def run(task: str) -> str:
            again[task], below[task] = port.retry(task, reason, scope)
            return "" if again[task] == 1 else f", {counted(again[task], 'task')} in all"

        _each(tasks, "retried", as_json, run, {"tasks": again, "cancelled_below": below})
    for task, count in below.items():
        if count and not as_json:
            which = f"{counted(count, 'task')} that {'comes' if count == 1 else 'come'} after it"
            print_line(f"{visible(task)}: {which}: still cancelled (--scope downstream retries them as well)")


def priority(
    task: TaskId,
    level: Annotated[str, typer.Argument(metavar="LEVEL", help="low, medium, high or urgent.")],
    as_json: AsJson = False,
) -> None:
    """Changes the priority of a task that has no agent yet."""
    with opened_tasks() as port:
        port.reprioritise(task, level)
    if as_json:
        print_json({"id": task, "priority": level})
    else:
        print_line(f"{visible(task)} {level}")


def _each(
    tasks: list[str],
    done: str,
    as_json: bool,
    operation: Callable[[str], object],
    besides: Mapping[str, object] | None = None,
) -> None:
    """Applies the operation to each task, even if others fail; exits with the first failure's code.

    An unreachable server ends it: the rest would fail alike. `besides` goes into the JSON, what the operation returns
    behind its line.
    """
    from taskyard.core.errors import TaskyardError, Unavailable

    succeeded: list[str] = []
    failed: list[dict[str, object]] = []
    for task in dict.fromkeys(tasks):
        try:
            more = operation(task)
        except TaskyardError as error:
            failed.append({"id": task, "error": str(error), "exit_code": print_error(error)})
            if isinstance(error, Unavailable):
                break
        else:
            succeeded.append(task)
            if not as_json:
                print_line(f"{visible(task)} {done}{more or ''}")
    if as_json:
        print_json({done: succeeded, "failed": failed, **(besides or {})})
    if failed:
        raise typer.Exit(int(str(failed[0]["exit_code"])))
