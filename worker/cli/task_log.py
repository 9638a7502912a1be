"""Implements the command that shows the log output of a task's attempts."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from taskyard.core.models import LogEntry
from taskyard.core.payload.printable_text import visible, visible_lines
from taskyard.worker.cli.opened import opened_tasks
from taskyard.worker.cli.output import print_line, print_plain
from taskyard.worker.cli.show import TaskId

AsLines = Annotated[bool, typer.Option("--json", help="Print JSON, one entry on each line.")]
Whole = Annotated[bool, typer.Option("--all", help="The whole log, whatever its length.")]


def logs(task: TaskId, whole: Whole = False, as_json: AsLines = False) -> None:
    """Shows the log output of a task's attempts: the newest 500 entries or 128 KiB, or the whole log."""
    with opened_tasks() as port:
        if whole:
            for entry in port.whole_log(task):
                _show(entry, as_json)
            return
        page = port.newest_log(task)
    if page.has_older and not as_json:
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
