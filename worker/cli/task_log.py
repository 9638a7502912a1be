"""Implements the command that shows the log output of a task's attempts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from taskyard.core.payload.printable_text import visible, visible_lines
from taskyard.worker.cli.output import print_line, print_plain
from taskyard.worker.cli.show import TaskId
from taskyard.worker.cli.text import task_id

if TYPE_CHECKING:
    from taskyard.core.postgres.store.task_logs import LogEntry

AsLines = Annotated[bool, typer.Option("--json", help="Print JSON, one entry on each line.")]
Whole = Annotated[bool, typer.Option("--all", help="The whole log, whatever its length.")]


def logs(task: TaskId, whole: Whole = False, as_json: AsLines = False) -> None:
    """Shows the log output of a task's attempts: the newest 500 entries or 128 KiB, or the whole log."""
    from taskyard.core.postgres.store import task_logs
    from taskyard.core.postgres.store import tasks as tasks_store
    from taskyard.worker.cli.connections import opened_reading

    wanted = task_id(task)
    with opened_reading() as tx:
        tasks_store.get_task(tx, wanted)
        if whole:
            for entry in task_logs.whole(tx, wanted):
                _show(entry, as_json)
            return
        page = task_logs.newest(tx, wanted)
    if page.older is not None and not as_json:
        print_line("older entries are not shown: --all shows them", "dim")
    for entry in page.entries:
        _show(entry, as_json)
    if not page.entries and not as_json:
        print_line("no log output yet")


def _show(entry: LogEntry, as_json: bool) -> None:
    if as_json:
        print_plain(json.dumps(entry.as_json()))
    else:
        at = entry.at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        print_plain(f"{at} #{entry.attempt} {visible(entry.level)}: {visible_lines(entry.message)}")
