"""Messages between agents: mail list, redrive, purge."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.exits import EXIT_CODES
from worker.cli.output import Column, print_json, print_line, print_table
from worker.cli.show import AsJson
from worker.cli.text import visible

if TYPE_CHECKING:
    from core.mail import Box

EXIT_CODE_HELP = "Exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items()) + "."
BODY_COLUMN = 200  # characters

mail = typer.Typer(no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})

Agent = Annotated[str, typer.Argument(metavar="AGENT", help="The name of an agent, such as coder-1.")]
SomeAgent = Annotated[str | None, typer.Argument(metavar="[AGENT]", help="Whose mailbox; without it, all of them.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=1_000, help="How many messages.")]
Dead = Annotated[bool, typer.Option("--dead", help="Only dead letters: delivered too often, or malformed.")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Which dead letters; without ids, all.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@mail.command("list", epilog=f"Example: python -m worker mail list coder-1 --dead\n\n{EXIT_CODE_HELP}")
def list_mail(agent: SomeAgent = None, dead: Dead = False, limit: Limit = 50, as_json: AsJson = False) -> None:
    """Lists mailboxes with what waits in them, or the messages of one."""
    from core.mail import Mail
    from worker.cli.connections import opened_queue

    with opened_queue() as queue:
        box = Mail(queue.redis, queue.keys)
        if agent is None:
            boxes = [one for one in box.boxes() if one.dead or not dead]
            letters = []
        else:
            boxes, letters = [], box.dead(agent, limit) if dead else box.waiting(agent, limit)
    if as_json:
        print_json([asdict(one) for one in (letters if agent is not None else boxes)])
    elif agent is None:
        _show_boxes(boxes)
    elif not letters:
        print_line(f"{visible(agent)} has no {'dead letters' if dead else 'messages'}")
    else:
        columns = [Column("id", fixed=True), Column("from"), Column("seconds", fixed=True), Column("deliveries")]
        rows = [
            [
                one.id,
                visible(one.sender),
                f"{one.age_seconds:.0f}",
                str(one.deliveries),
                visible(one.reason or one.body[:BODY_COLUMN]),
            ]
            for one in letters
        ]
        print_table([*columns, Column("why" if dead else "body")], rows)


@mail.command("redrive", epilog=f"Example: python -m worker mail redrive coder-1\n\n{EXIT_CODE_HELP}")
def redrive(agent: Agent, ids: Ids = None, as_json: AsJson = False) -> None:
    """Sends dead letters of an agent again: all, or those named."""
    from core.errors import ItemNotFound, Unavailable
    from core.mail import Mail
    from worker.cli.connections import opened_queue

    with opened_queue() as queue:
        count, is_full = Mail(queue.redis, queue.keys).redrive(agent, ids or None)
    if as_json:
        print_json({"sent": count, "full": is_full})
    else:
        print_line(f"{count} sent again")
    if is_full:
        raise Unavailable(f"the mailbox of agent {agent} is full: the rest stays where it is")
    if ids and not count:
        raise ItemNotFound(", ".join(ids))


@mail.command("purge", epilog=f"Example: python -m worker mail purge coder-1 --dead --yes\n\n{EXIT_CODE_HELP}")
def purge(agent: Agent, dead: Dead = False, yes: Yes = False, as_json: AsJson = False) -> None:
    """Removes the messages of an agent for good, dead letters among them, or only these."""
    from core.inputs import refused
    from core.mail import Mail
    from worker.cli.connections import opened_queue

    if not yes:
        if not sys.stdin.isatty():
            raise refused("yes", "", "--yes, where nobody can be asked")
        what = "dead letters" if dead else "messages and dead letters"
        if not typer.confirm(f"All {what} of {agent} will be removed. Go on?", err=True):
            raise typer.Abort
    with opened_queue() as queue:
        count = Mail(queue.redis, queue.keys).purge(agent, dead_only=dead)
    if as_json:
        print_json({"removed": count})
    else:
        print_line(f"{count} removed")


def _show_boxes(boxes: Sequence[Box]) -> None:
    if not boxes:
        print_line("no message waits")
        return
    columns = [
        Column("agent"),
        Column("waiting", fixed=True),
        Column("oldest (s)", fixed=True),
        Column("dead", fixed=True),
    ]
    rows = [[visible(one.agent), str(one.waiting), f"{one.oldest_seconds:.0f}", str(one.dead)] for one in boxes]
    print_table(columns, rows)
