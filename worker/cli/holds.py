"""Implements commands that hold queues, task types and agents: pause, drain, resume, holds."""

from __future__ import annotations

from typing import Annotated

import typer

from taskyard.core.errors import SubmissionError
from taskyard.core.payload.printable_text import visible
from taskyard.core.scheduling.holds import HoldKind, HoldMode
from taskyard.worker.cli.confirm import confirm
from taskyard.worker.cli.opened import opened_site
from taskyard.worker.cli.output import Column, print_json, print_line, print_table
from taskyard.worker.cli.show import AsJson
from taskyard.worker.cli.text import instant

Kind = Annotated[HoldKind, typer.Argument(help="What: queue, type or agent.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name; an agent's is without the boot.")]
Reason = Annotated[str, typer.Option(help="Why; shown while it is held, and kept in the audit log.")]
ReasonToResume = Annotated[str, typer.Option("--reason", help="Why; kept in the audit log.")]
Yes = Annotated[bool, typer.Option("--yes", help="Don't ask about a queue in which no task is.")]


def pause(kind: Kind, name: Name, reason: Reason = "", yes: Yes = False, as_json: AsJson = False) -> None:
    """Stops starting tasks of a queue or type, or giving work to an agent; running tasks go on.

    New tasks are still accepted. The pause lasts until `resume`, through restarts of everything.
    """
    _hold(kind, name, HoldMode.PAUSED, reason, yes, as_json)


def drain(kind: Kind, name: Name, reason: Reason = "", yes: Yes = False, as_json: AsJson = False) -> None:
    """Refuses new tasks of a queue or type and finishes the existing ones; empties an agent.

    An agent finishes what it runs and hands back, at no cost, what it has not started. The drain lasts until
    `resume`, through restarts of everything.
    """
    _hold(kind, name, HoldMode.DRAINING, reason, yes, as_json)


def resume(kind: Kind, name: Name, reason: ReasonToResume = "", as_json: AsJson = False) -> None:
    """Ends a pause or drain."""
    with opened_site() as site:
        is_changed = site.release(kind, name, reason)
    if as_json:
        print_json({"kind": kind.value, "name": name, "mode": None, "changed": is_changed})
    else:
        print_line(f"{kind.value} {visible(name)} " + ("resumed" if is_changed else "was not held"))


def holds(as_json: AsJson = False) -> None:
    """Lists what is paused or draining, by whom and why."""
    with opened_site() as site:
        found = site.holds()
    if as_json:
        print_json([hold.as_json() for hold in found])
        return
    if not found:
        print_line("nothing is paused or draining")
        return
    columns = [Column("what", fixed=True), Column("name"), Column("mode", fixed=True), Column("by"), Column("since")]
    rows = [
        [
            hold.kind.value,
            visible(hold.name),
            hold.mode.value,
            visible(hold.actor),
            instant(hold.since),
            visible(hold.reason),
        ]
        for hold in found
    ]
    print_table([*columns, Column("reason")], rows)


def _hold(kind: HoldKind, name: str, mode: HoldMode, reason: str, yes: bool, as_json: bool) -> None:
    with opened_site() as site:
        if kind is HoldKind.TYPE:
            site.check_type(name)
        elif kind is HoldKind.QUEUE and not site.is_queue_known(name) and not yes:
            expected = "the queue of a current or recent task, or --yes"
            problem = SubmissionError("queue", name, expected)
            confirm(f"No current or recent task is in a queue {visible(name)}.", problem)
        is_changed = site.hold(kind, name, mode, reason)
    if as_json:
        print_json({"kind": kind.value, "name": name, "mode": mode.value, "changed": is_changed})
    else:
        print_line(f"{kind.value} {visible(name)} is {mode.value}" + ("" if is_changed else " already"))
