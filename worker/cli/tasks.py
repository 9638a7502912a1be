"""Implements commands that change tasks: cancel, retry, priority."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated

import typer

from taskyard.core.payload.printable_text import visible
from taskyard.worker.cli.exits import print_error
from taskyard.worker.cli.opened import opened_tasks
from taskyard.worker.cli.output import print_json, print_line
from taskyard.worker.cli.show import AsJson, TaskId

TaskIds = Annotated[list[str], typer.Argument(metavar="TASK", help="Full ids of tasks.")]
Reason = Annotated[str, typer.Option(help="Why; kept in each task's history.")]


def cancel(
    tasks: TaskIds,
    reason: Reason = "",
    tree: Annotated[bool, typer.Option("--tree", help="Also all unfinished tasks that they submitted.")] = False,
    as_json: AsJson = False,
) -> None:
    """Cancels unfinished tasks and their dependants, at once; running ones are stopped.

    `retry` makes them pending again. Tasks that they submitted are not cancelled, and are listed; with --tree they
    are cancelled as well.
    """
    with opened_tasks() as port:
        below: dict[str, int] = {}

        def run(task: str) -> None:
            below[task] = port.cancel_tree(task, reason) if tree else port.cancel(task, reason)

        _each(tasks, "cancelled", as_json, run, {"cancelled_below" if tree else "open_below": below})
    for task, count in below.items():
        if count and not as_json:
            which = f"{count:,} unfinished {'task' if count == 1 else 'tasks'} that it or its children submitted"
            fate = "cancelled too" if tree else "not cancelled (--tree cancels them)"
            print_line(f"{visible(task)}: {which}: {fate}")


def retry(tasks: TaskIds, reason: Reason = "", as_json: AsJson = False) -> None:
    """Makes failed or cancelled tasks pending again, with a new budget of attempts."""
    with opened_tasks() as port:
        _each(tasks, "retried", as_json, lambda task: port.retry(task, reason))


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
    operation: Callable[[str], None],
    besides: Mapping[str, object] | None = None,
) -> None:
    """Applies the operation to each task, even if others fail; exits with the first failure's code.

    An unreachable server ends it: the rest would fail alike. `besides` goes into the JSON.
    """
    from taskyard.core.errors import TaskyardError, Unavailable

    succeeded: list[str] = []
    failed: list[dict[str, object]] = []
    for task in dict.fromkeys(tasks):
        try:
            operation(task)
        except TaskyardError as error:
            failed.append({"id": task, "error": str(error), "exit_code": print_error(error)})
            if isinstance(error, Unavailable):
                break
        else:
            succeeded.append(task)
            if not as_json:
                print_line(f"{visible(task)} {done}")
    if as_json:
        print_json({done: succeeded, "failed": failed, **(besides or {})})
    if failed:
        raise typer.Exit(int(str(failed[0]["exit_code"])))
