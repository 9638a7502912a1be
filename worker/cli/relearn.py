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
    ends is learned from all the time. The worker that leads takes it over within seconds. If nothing has ended since
    then, it is refused, and predictions stay as they are.
    """
    from datetime import UTC, datetime

    from rich.console import Console
    from rich.progress import Progress

    from taskyard.core.access.identity import local_actor
    from taskyard.core.config import load_settings
    from taskyard.core.payload.culprits import refused
    from taskyard.core.reports.period import moment
    from taskyard.core.task_types.registry import registry
    from taskyard.worker.cli.connections import opened_database
    from taskyard.worker.maintenance import relearning

    now = datetime.now(UTC)
    start = moment("from", since, now)
    if start >= now:
        raise refused("from", since, "a time before now: predictions stay as they are")
    registry.load(load_settings().task_modules)
    with opened_database() as database, Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading the audit log", total=1.0)
        found = relearning.relearn(
            database, registry, start, local_actor().name, lambda share: bar.update(task, completed=share)
        )
    if not found.keys:
        nothing = f"nothing has ended since {start:%Y-%m-%d %H:%M} UTC that can be learned from"
        raise refused("from", since, f"an earlier time: {nothing}, and predictions stay as they are")
    if as_json:
        print_json(asdict(found))
    else:
        print_line(f"learned from {found.runs:,} runs: {found.keys:,} kinds of tasks")
        if found.is_sample:
            print_line("where more than 20,000 ended within ten minutes, the first 20,000 of them were used", "dim")
