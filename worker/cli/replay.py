"""Implements the command that replays recorded work under another policy."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from taskyard.worker.cli.output import print_json, print_line
from taskyard.worker.cli.show import AsJson
from taskyard.worker.cli.simulate import PolicyName
from taskyard.worker.cli.text import counted

if TYPE_CHECKING:
    from taskyard.core.simulation.replay import Replay


def replay(
    since: Annotated[str, typer.Option("--from", help="Its beginning: an ISO time or date, or an age.")] = "7d",
    until: Annotated[str, typer.Option("--to", help="Its end, likewise; empty: now.")] = "",
    policy: Annotated[PolicyName, typer.Option(help="The policy to try.")] = PolicyName.LEARNED,
    queue: Annotated[str | None, typer.Option(help="Only this queue gets it, and is shown.")] = None,
    as_json: AsJson = False,
) -> None:
    """Simulates what another placement policy would have made of recorded work. It changes nothing.

    Shows how long tasks waited on record, with the policies that act now replayed, and with the other one, by queue and
    priority. The replay of what acts should be like the record; where it is off by more than 10 % and 1 s, the figures
    are not to be trusted.
    """
    from rich.console import Console
    from rich.progress import Progress

    from taskyard.core.config import load_settings
    from taskyard.core.payload.culprits import refused
    from taskyard.core.reports.period import moment
    from taskyard.core.submission.validate import check_label
    from taskyard.core.views.replays import replayed
    from taskyard.worker.cli.connections import opened_database

    now = datetime.now(UTC)
    begin, end = moment("from", since, now), moment("to", until, now) if until else now
    if begin >= end:
        raise refused("from", since, "a time before the end")
    if queue is not None:
        check_label("queue", queue)
    acting_of = load_settings().placement_of
    with opened_database() as database, Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("replaying", total=1.0)
        found = replayed(
            database, acting_of, begin.timestamp(), end.timestamp(), policy.value, queue,
            lambda share: bar.update(task, completed=share),
        )  # fmt: skip
    if as_json:
        print_json(found.as_json())
        return
    span = f"from {_shown(found.since)} to {_shown(found.until)}"
    if found.replay is None:
        of_queue = f" of queue {queue}" if found.is_of_others else ""
        print_line(f"no attempt{of_queue} ended {span}{', only of other queues' if of_queue else ''}")
        return
    print_line(f"{counted(found.replay.tasks, 'attempt')} {span}, {counted(found.replay.agents, 'agent')}")
    if found.is_cut:
        print_line("There are more: these are the last ones.", stderr=True)
    _print(found.replay)


def _print(found: Replay) -> None:
    from taskyard.worker.cli.policy_tables import print_policies

    if found.never_started:
        print_line(f"{counted(found.never_started, 'attempt')} found no agent in a replay, and are left out.")
    if not found.has_waited:
        print_line("Nothing waited for a second: no policy can gain anything.")
    print_line("")
    print_policies(found.rows, base=found.base, compared=found.compared, distrusted=found.distrusted)


def _shown(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
