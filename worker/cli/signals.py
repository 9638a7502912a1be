"""Implements the command that sends a signal to a task."""

from __future__ import annotations

from typing import Annotated

import typer

from taskyard.core.payload.printable_text import visible
from taskyard.worker.cli.opened import opened_tasks
from taskyard.worker.cli.output import print_json, print_line
from taskyard.worker.cli.show import AsJson, TaskId
from taskyard.worker.cli.tasks import Reason


def signal(
    task: TaskId,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name that the task waits for.")],
    data: Annotated[str, typer.Option(metavar="JSON", help="Its data as JSON.")] = "null",
    signal_id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="The same id again is the same signal.")
    ] = None,
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Sends a signal to an unfinished task, and wakes it if it waits for one by this name.

    Otherwise the signal is kept until the task asks for it. Data that do not fit what the task waits for are refused.
    """
    from taskyard.worker.cli.payload import read_data

    given = read_data(data)
    with opened_tasks() as port:
        is_new = port.send_signal(task, name, given, signal_id, reason)
    if as_json:
        print_json({"id": task, "name": name, "is_new": is_new})
    else:
        print_line(f"{visible(task)} {'signalled' if is_new else 'has this signal already'}")
