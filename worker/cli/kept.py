"""Implements the command for reports of agents that are newer than the leader."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from taskyard.core.payload.printable_text import visible
from taskyard.worker.cli.output import Column, print_json, print_line, print_table
from taskyard.worker.cli.show import AsJson


def kept(
    drop: Annotated[
        list[int] | None, typer.Option("--drop", min=1, metavar="ID", help="Delete this report; may repeat.")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why, for the audit log.")] = "",
    as_json: AsJson = False,
) -> None:
    """Lists the reports of newer agents that are kept until a worker of their release leads.

    Their tasks stay as they are meanwhile, and none of them runs again. A dropped report holds nothing back: its tasks
    run again, as if their agents had not reported. Drop them only if no such worker will come.
    """
    from taskyard.core.access.identity import local_actor
    from taskyard.core.payload.culprits import refused
    from taskyard.core.postgres.store import kept_reports
    from taskyard.core.submission.authorized_kept import drop_kept
    from taskyard.worker.cli.connections import opened_servers

    with opened_servers() as (database, _), database.transaction() as tx:
        if drop:
            dropped = drop_kept(tx, local_actor(), drop, reason)
            missing = sorted(set(drop) - set(dropped))
            if missing:
                raise refused("drop", missing[0], "a report that is kept; `kept` lists them")
        found = kept_reports.kept(tx)
    if as_json:
        print_json([one._asdict() for one in found])
        return
    if drop:
        print_line(f"{len(drop)} dropped")
    if not found:
        print_line("no report is kept")
        return
    columns = [Column("id", fixed=True), Column("at", fixed=True), Column("version", fixed=True), Column("kind")]
    rows = [
        [
            str(one.id),
            datetime.fromtimestamp(one.at, UTC).strftime("%Y-%m-%d %H:%M:%S"),
            str(one.version),
            visible(one.kind),
            visible(one.agent_id),
            ", ".join(f"{task_id} attempt {attempt}" for task_id, attempt in one.pairs),
            visible(one.reason),
        ]
        for one in found
    ]
    print_table([*columns, Column("agent"), Column("tasks"), Column("reason")], rows)
