"""Implements the command that learns run times anew."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from taskyard.worker.cli.output import print_json, print_line
from taskyard.worker.cli.show import AsJson


def relearn(
    since: Annotated[str, typer.Option("--from", help="Since when: an ISO time or date, or an age.")] = "30d",
    as_json: AsJson = False,
) -> None:
    """Learns run times anew from what has ended since a time, in place of all that was learned before.

    Needed only if the old run times mean nothing any more, or if a type declares other fields by `predict_by`: what
    ends is learned from all the time. The worker that leads takes it over within seconds.
    """
    from datetime import UTC, datetime

    from rich.console import Console
    from rich.progress import Progress

    from taskyard.core.access.identity import local_actor
    from taskyard.core.config import load_settings
    from taskyard.core.reports.period import moment
    from taskyard.core.task_types.registry import registry
    from taskyard.worker.cli.connections import opened_database
    from taskyard.worker.maintenance import relearning

    start = moment("from", since, datetime.now(UTC))
    registry.load(load_settings().task_modules)
    with opened_database() as database, Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading the audit log", total=1.0)
        found = relearning.relearn(
            database, registry, start, local_actor().name, lambda share: bar.update(task, completed=share)
        )
    if as_json:
        print_json(asdict(found))
    elif not found.runs:
        print_line(f"nothing has ended since {start:%Y-%m-%d %H:%M} UTC: all predictions are gone")
    else:
        print_line(f"learned from {found.runs:,} runs: {found.keys:,} kinds of tasks")
        if found.is_sample:
            print_line("where more than 20,000 ended within ten minutes, the first 20,000 of them were used", "dim")
