"""Implements the command that fills an installation with a synthetic history."""

from __future__ import annotations

from typing import Annotated

import typer

from taskyard.worker.cli.output import print_line


def seed(
    tasks: Annotated[int, typer.Option(min=1, max=100_000_000, help="How many tasks.")] = 100_000,
    days: Annotated[int, typer.Option(min=1, max=3650, help="Over how many days before now.")] = 30,
    force: Annotated[bool, typer.Option("--force", help="Even if there are other tasks.")] = False,
) -> None:
    """Adds a synthetic history of ended tasks, to try the dashboard or to measure.

    Their creator is `seed`. Refused if there are other tasks, unless forced: charts would mix the two.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from taskyard.core.errors import ConfigurationError
    from taskyard.core.postgres.store import seed as seed_store
    from taskyard.worker.cli.connections import opened_servers
    from taskyard.worker.devtools.seed import seed as seeded

    with opened_servers() as (database, _):
        with database.transaction() as tx:
            if not force and seed_store.has_real_tasks(tx):
                raise ConfigurationError(["seed: there are other tasks: --force adds the history anyway"])
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True)) as bar:
            shown = bar.add_task("seeding", total=tasks)

            def show(what: str, count: int) -> None:
                if what == "tasks":
                    bar.update(shown, completed=count)
                else:
                    bar.update(shown, description="rolling up")

            seeded(database, tasks, days, show)
    print_line(f"seeded {tasks:,} tasks over {days} days")
