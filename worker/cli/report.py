"""Implements the command that makes a performance report."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from taskyard.core.errors import SubmissionError
from taskyard.core.payload.culprits import refused
from taskyard.worker.cli.opened import opened_site
from taskyard.worker.cli.output import print_line


class FormatName(StrEnum):
    """The keys of core.reports.FORMATS, which is slow to import."""

    PDF = "pdf"
    HTML = "html"
    XLSX = "xlsx"
    CSV = "csv"
    JSON = "json"


def report(
    since: Annotated[str, typer.Option("--from", help="Its beginning: an ISO time or date, or an age.")] = "24h",
    until: Annotated[str, typer.Option("--to", help="Its end, likewise; empty: now.")] = "",
    format: Annotated[
        FormatName, typer.Option("--format", help="The file format; csv is a zip of tables.")
    ] = FormatName.PDF,
    queue: Annotated[str | None, typer.Option(help="Only tasks of this queue.")] = None,
    type_: Annotated[str | None, typer.Option("--type", help="Only tasks of this type.")] = None,
    zone: Annotated[str, typer.Option(help="The time zone of its times and days, such as Europe/Berlin.")] = "UTC",
    output: Annotated[str | None, typer.Option(help="The file, or its folder.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if it exists.")] = False,
) -> None:
    """Makes a performance report of a period, compared with the one directly before, and prints its path.

    Times without an offset are UTC. A date alone is its midnight: --from 2026-01-05 --to 2026-01-06 is one day.
    """
    with opened_site() as site:
        made = site.report(since, until, format.value, queue, type_, zone)
    path = target(output, made.name)
    if path.exists() and not force:
        raise refused("output", str(path), "a file that does not exist yet, or --force")
    save(path, made.content)
    print_line(str(path))
    if made.is_empty:
        print_line("nothing happened in this time", stderr=True)


def target(output: str | None, name: str) -> Path:
    """Returns the file to write: `output`, or one with this name in it if it is a folder or ends like one."""
    if output is None:
        return Path(name)
    path = Path(output)
    return path / name if path.is_dir() or output.endswith(os.sep) else path


def save(path: Path, content: bytes) -> None:
    """Writes the file and creates its folders; raises SubmissionError if that fails."""
    from taskyard.core.reports.folder import write_report

    try:
        write_report(path.parent, path.name, content)
    except OSError as error:
        raise SubmissionError("output", str(path), f"a file that can be written ({error.strerror})") from None
