"""Implements commands for messages between agents: mail list, redrive, purge."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from taskyard.core.humanize import compact_duration, parsed_span
from taskyard.core.payload.printable_text import visible
from taskyard.worker.cli.confirm import confirm
from taskyard.worker.cli.doors import placed
from taskyard.worker.cli.help_text import Group
from taskyard.worker.cli.opened import opened_mail
from taskyard.worker.cli.output import Column, print_json, print_line, print_table
from taskyard.worker.cli.show import AsJson
from taskyard.worker.cli.text import MASKED

if TYPE_CHECKING:
    from taskyard.worker.cli.ports.mail import MailPort

_ID = re.compile(r"[0-9]{1,20}-[0-9]{1,20}", re.A)
MAX_AGE_SECONDS = 1_000_000 * 86_400
OLD_SECONDS = 3_600.0  # the shipped alert's limit

mail = typer.Typer(cls=Group, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})

OfAgent = Annotated[str | None, typer.Argument(metavar="AGENT", help="The agent's name, such as analyst-1.")]
Dead = Annotated[bool, typer.Option("--dead", help="Dead letters instead of messages.")]
OlderThan = Annotated[str | None, typer.Option("--older-than", metavar="AGE", help="Minimum age: 90s, 30m, 24h, 7d.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=1_000, help="At most this many.")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="Which; `mail list --dead` shows them.")]
All = Annotated[bool, typer.Option("--all", help="Those of every agent.")]
Yes = Annotated[bool, typer.Option("--yes", help="Don't ask.")]


@mail.command("list", **placed("mail list", "mail list analyst-1"))
def list_mail(
    agent: OfAgent = None, dead: Dead = False, older_than: OlderThan = None, limit: Limit = 50, as_json: AsJson = False
) -> None:
    """Lists mailboxes; with AGENT the messages in one, oldest first; with --dead its dead letters, newest first.

    A message stays until the attempt that received it has succeeded. Listing changes nothing.
    """
    least_seconds = _age_seconds(older_than)
    with opened_mail() as port:
        if agent is None and not dead:
            boxes = [
                one for one in port.boxes() if not least_seconds or (one["oldest_seconds"] or 0.0) >= least_seconds
            ]
            _print_mailboxes(boxes[:limit], len(boxes), as_json)
            return
        letters: list[dict[str, Any]] = []
        for name in _agents(port, agent):
            letters += port.letters(name, dead=dead, count=limit - len(letters), older_than_seconds=least_seconds)
            if len(letters) >= limit:
                break
    _print_messages(letters, dead, as_json)


@mail.command("redrive", **placed("mail redrive", "mail redrive analyst-1"))
def redrive(agent: OfAgent = None, ids: Ids = None, everything: All = False, as_json: AsJson = False) -> None:
    """Sends dead letters again: those of one agent, or with --all those of every agent.

    They count as new messages. Malformed ones, and those whose mailbox is full, stay dead letters and are reported.
    """
    from taskyard.core.payload.culprits import refused

    _check_one_or_all(agent, everything)
    if agent is not None and not ids and _ID.fullmatch(agent):
        raise refused("agent", agent, "an agent's name before the ids")
    with opened_mail() as port:
        ended = [port.redrive(name, ids) for name in _agents(port, agent)]
    sent, reasons = sum(count for count, _ in ended), [reason for _, refusals in ended for reason in refusals]
    if as_json:
        print_json({"sent": sent, "refused": reasons})
    else:
        nothing = "" if sent or reasons else f": {_whose(agent)} no dead letters; `mail list` shows what there is"
        print_line(f"{sent} sent again{nothing}")
        for reason in reasons:
            print_line(visible(reason), "yellow")
    if reasons:
        raise typer.Exit(1 if sent or not ids else 3)


@mail.command("purge", **placed("mail purge", "mail purge gone-1 --yes"))
def purge(
    agent: OfAgent = None,
    dead: Dead = False,
    everything: All = False,
    older_than: OlderThan = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Removes messages for good: those of one agent or all; with --dead dead letters instead. Asks first.

    Messages received by a running attempt are removed as well: the attempt goes on, and they do not come back.
    """
    _check_one_or_all(agent, everything)
    least_seconds = _age_seconds(older_than)
    with opened_mail() as port:
        names = _agents(port, agent)
        if not yes:
            _ask(names, agent, dead)
        removed = sum(port.purge(name, dead=dead, older_than_seconds=least_seconds) for name in names)
    if as_json:
        print_json({"removed": removed})
    else:
        print_line(f"{removed} removed")


def _whose(agent: str | None) -> str:
    return "there are" if agent is None else f"agent {visible(agent)} has"


def _check_one_or_all(agent: str | None, everything: bool) -> None:
    from taskyard.core.payload.culprits import refused, required

    if agent is None and not everything:
        raise required("agent", "either an agent's name or --all")
    if agent is not None and everything:
        raise refused("agent", agent, "either an agent's name or --all")


def _ask(names: list[str], agent: str | None, dead: bool) -> None:
    what = "Dead letters" if dead else "Messages"
    whose = visible(agent) if agent is not None else f"all agents ({len(names)})"
    confirm(f"{what} of {whose} will be removed for good.")


def _agents(port: MailPort, agent: str | None) -> list[str]:
    from taskyard.core.redis.agent_names import agent_name

    return [agent_name("agent", agent)] if agent is not None else [box["agent"] for box in port.boxes()]


def _age_seconds(text: str | None) -> float:
    from taskyard.core.payload.culprits import refused

    if text is None:
        return 0.0
    seconds = parsed_span(text)
    if not seconds or seconds > MAX_AGE_SECONDS:
        raise refused("older_than", text, "an age such as 90s, 30m, 24h or 7d")
    return float(seconds)


def _print_mailboxes(boxes: list[dict[str, Any]], count: int, as_json: bool) -> None:
    if as_json:
        print_json(boxes)
        return
    if not boxes:
        print_line("no mail")
        return
    headings = [
        Column("agent"),
        *(_number(name) for name in ("messages", "being read", "oldest", "KiB", "dead letters")),
    ]
    print_table(headings, [_box_row(box) for box in boxes])
    if count > len(boxes):
        print_line(f"{count - len(boxes)} more mailboxes are not shown")


def _number(name: str) -> Column:
    return Column(name, fixed=True, justify="right")


def _box_row(box: dict[str, Any]) -> list[str | Text | None]:
    oldest = box["oldest_seconds"]
    age = "" if oldest is None else Text(compact_duration(oldest), "yellow" if oldest >= OLD_SECONDS else "")
    counts = (f"{box['messages']:,}", f"{box['being_read']:,}", age, f"{box['bytes'] / 1024:,.0f}")
    return [visible(box["agent"]), *counts, f"{box['dead_letters']:,}"]


def _print_messages(letters: list[dict[str, Any]], dead: bool, as_json: bool) -> None:
    if as_json:
        print_json(letters)
        return
    if not letters:
        print_line("no dead letters" if dead else "no messages")
        return
    headings = [Column("id", fixed=True), Column("agent"), Column("from"), Column("age", fixed=True)]
    headings += [Column("reason")] if dead else []
    print_table([*headings, Column("message")], [_letter_row(letter, dead) for letter in letters])


def _letter_row(letter: dict[str, Any], dead: bool) -> list[str | Text | None]:
    who = [letter["id"], *(visible(letter[name]) for name in ("agent", "sender"))]
    reason = [visible(letter["reason"] or "")] if dead else []
    body = MASKED if letter["is_masked"] else visible(letter["body"][:200])
    return [*who, compact_duration(letter["age_seconds"]), *reason, body]
