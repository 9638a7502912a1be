"""Implements the command that deletes data older than its retention."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from taskyard.worker.cli.output import Column, print_json, print_line, print_table
from taskyard.worker.cli.show import AsJson

NAMES = {
    "tasks": "finished tasks",
    "event_days": "days of the audit log",
    "default_events": "events in the default partition",
    "workflows": "workflows without tasks",
    "fire_times": "fire times of schedules",
    "agents": "agents that left",
}


def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be removed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Deletes ended tasks, audit events and agents that are older than their retention.

    The worker does the same once an hour. It works in small transactions; Ctrl-C is safe at any time.
    """
    from taskyard.core.access.identity import local_actor
    from taskyard.core.config import load_settings
    from taskyard.worker.cli.connections import opened_servers
    from taskyard.worker.maintenance.retention import Retention

    with opened_servers() as (database, _):
        retention = Retention(load_settings(), database)
        found = asdict(retention.due() if dry_run else _pruned(retention, local_actor().name))
    if as_json:
        print_json({"dry_run": dry_run, **found})
    elif any(found.values()):
        columns = [Column("would be removed" if dry_run else "removed"), Column("count", fixed=True, justify="right")]
        print_table(columns, [[NAMES[name], f"{count:,}"] for name, count in found.items() if count])
    else:
        print_line("nothing is older than its retention")


def _pruned(retention: Any, actor: str) -> Any:
    from rich.console import Console

    with Console(stderr=True).status("pruning …") as status:

        def show(what: str, count: int) -> None:
            status.update(f"{NAMES[what]}: {count:,} removed")

        return retention.prune(actor, may_go_on=lambda: True, progress=show)
