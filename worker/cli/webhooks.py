"""Implements commands for webhooks, which tell others of tasks' ends."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from taskyard.core.payload.printable_text import visible
from taskyard.worker.cli.doors import placed
from taskyard.worker.cli.help_text import Group
from taskyard.worker.cli.opened import opened_webhooks
from taskyard.worker.cli.output import Column, print_json, print_line, print_plain, print_table
from taskyard.worker.cli.show import AsJson
from taskyard.worker.cli.text import written

webhooks = typer.Typer(cls=Group, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of the webhook.")]
Queues = Annotated[list[str] | None, typer.Option("--queue", metavar="PATTERN", help="Only such queues; may repeat.")]
Types = Annotated[list[str] | None, typer.Option("--type", metavar="PATTERN", help="Only such task types; may repeat.")]
Outcomes = Annotated[
    list[str] | None, typer.Option("--outcome", help="Only completed, failed or cancelled ones; may repeat.")
]
Output = Annotated[
    bool | None, typer.Option("--output/--no-output", help="Whether outputs of completed tasks are sent along.")
]


@webhooks.command(
    "add", **placed("webhooks add", "webhooks add ci https://hooks.example.com/taskyard --outcome failed")
)
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="1 to 64 lower-case letters, digits or ._-")],
    url: Annotated[str, typer.Argument(metavar="URL", help="Where it is sent, by https.")],
    queue: Queues = None,
    type: Types = None,
    outcome: Outcomes = None,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """Adds a webhook that is told of tasks that end from now on, and prints its secret: this once."""
    with opened_webhooks() as port:
        secret = port.add(
            name, url, named(queues=queue or None, types=type or None, outcomes=outcome or None, has_output=output)
        )
    _print_secret(name, secret, as_json)


@webhooks.command("list", **placed("webhooks list", "webhooks list"))
def list_webhooks(as_json: AsJson = False) -> None:
    """Lists webhooks with what they are told, and how they fare."""
    with opened_webhooks() as port:
        found = port.list_all()
    if as_json:
        print_json(found)
        return
    if not found:
        print_line("no webhooks: `webhooks add` makes one")
        return
    columns = [Column("name", fixed=True), Column("url"), Column("queues"), Column("types"), Column("outcomes")]
    columns += [Column("pending", justify="right"), Column("last delivered", fixed=True)]
    columns += [Column("failing since", fixed=True), Column("disabled")]
    rows = [
        [
            one["name"],
            visible(one["url"]),
            " ".join(one["queues"]),
            " ".join(one["types"]),
            " ".join(one["outcomes"]),
            str(one["pending"]),
            written(one["last_delivered_at"]),
            written(one["failing_since"]),
            visible(f"{one['disabled_by']}: {one['disabled_because']}") if one["disabled_at"] else "",
        ]
        for one in found
    ]
    print_table(columns, rows)


@webhooks.command("change", **placed("webhooks change", "webhooks change ci --outcome failed --outcome cancelled"))
def change(
    name: Name,
    url: Annotated[str | None, typer.Option(help="Where it is sent, by https.")] = None,
    queue: Queues = None,
    type: Types = None,
    outcome: Outcomes = None,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """Changes what a webhook is told of, and where; what is not named stays."""
    with opened_webhooks() as port:
        fields = named(url=url, queues=queue or None, types=type or None, outcomes=outcome or None, has_output=output)
        is_changed = port.change(name, fields)
    print_change(name, "changed", is_changed, as_json)


@webhooks.command("disable", **placed("webhooks disable", 'webhooks disable ci --reason "it moves"'))
def disable(
    name: Name, reason: Annotated[str, typer.Option(help="Why; kept in the audit log.")] = "", as_json: AsJson = False
) -> None:
    """Sends nothing until `enable`; what ends meanwhile is not told."""
    with opened_webhooks() as port:
        is_changed = port.switch(name, is_disabled=True, reason=reason)
    print_change(name, "disabled", is_changed, as_json)


@webhooks.command("enable", **placed("webhooks enable", "webhooks enable ci"))
def enable(name: Name, as_json: AsJson = False) -> None:
    """Sends again: what waits, and what ends from now on."""
    with opened_webhooks() as port:
        is_changed = port.switch(name, is_disabled=False)
    print_change(name, "enabled", is_changed, as_json)


@webhooks.command("remove", **placed("webhooks remove", "webhooks remove ci"))
def remove(name: Name, as_json: AsJson = False) -> None:
    """Removes a webhook with its deliveries."""
    from taskyard.core.errors import SubmissionError

    with opened_webhooks() as port:
        is_changed = port.remove(name)
    if not is_changed:
        raise SubmissionError("name", name, "the name of a webhook, as `webhooks list` has it")
    print_change(name, "removed", is_changed, as_json)


@webhooks.command("rotate", **placed("webhooks rotate", "webhooks rotate ci"))
def rotate(name: Name, as_json: AsJson = False) -> None:
    """Makes a new secret and prints it; for 24 hours messages are signed with the former one, too."""
    with opened_webhooks() as port:
        secret = port.rotate(name)
    _print_secret(name, secret, as_json)


@webhooks.command("ping", **placed("webhooks ping", "webhooks ping ci"))
def ping(name: Name, as_json: AsJson = False) -> None:
    """Queues a test message, which the worker sends; `webhooks deliveries` shows what the server answered."""
    with opened_webhooks() as port:
        id_ = port.ping(name)
    if as_json:
        print_json({"webhook": name, "id": id_})
    else:
        print_line(f"a test message is queued: delivery {id_}")
        print_line(f"`webhooks deliveries {name}` shows what became of it", stderr=True)


@webhooks.command("deliveries", **placed("webhooks deliveries", "webhooks deliveries ci --state failed"))
def deliveries(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Only those of this webhook.")] = None,
    state: Annotated[str | None, typer.Option(help="Only those: pending, delivered or failed.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most so many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Lists the newest messages with what became of them."""
    with opened_webhooks() as port:
        found = port.deliveries(name, state, limit)
    if as_json:
        print_json(found)
        return
    if not found:
        print_line("no deliveries")
        return
    columns = [Column("id", fixed=True), Column("webhook"), Column("event", fixed=True), Column("state", fixed=True)]
    columns += [Column("tries", justify="right"), Column("made"), Column("next try")]
    rows = [
        [
            *(one[field] for field in ("id", "webhook", "event", "state")),
            str(one["attempts"]),
            written(one["created_at"]),
            written(one["due_at"]) if one["state"] == "pending" else "",
            "" if one["status"] is None else str(one["status"]),
            visible(one["answer"] or ""),
        ]
        for one in found
    ]
    print_table([*columns, Column("status", justify="right"), Column("answer")], rows)


@webhooks.command("send", **placed("webhooks send", "webhooks send ci 019b2c4e-7c1e-7000-8000-000000000000"))
def send(
    name: Name,
    id: Annotated[str, typer.Argument(metavar="ID", help="Of a delivery, as `webhooks deliveries` lists it.")],
    as_json: AsJson = False,
) -> None:
    """Queues a message that arrived or was given up once more, with the same id."""
    from taskyard.core.errors import SubmissionError

    with opened_webhooks() as port:
        is_changed = port.send(name, id)
    if not is_changed:
        raise SubmissionError("id", id, "the id of a delivery of this webhook that has arrived or was given up")
    if as_json:
        print_json({"webhook": name, "id": id})
    else:
        print_line(f"delivery {id} is queued again")
        print_line(f"`webhooks deliveries {name}` shows what became of it", stderr=True)


def named(**fields: Any) -> dict[str, Any]:
    """Returns the fields that were named."""
    return {name: value for name, value in fields.items() if value is not None}


def print_change(name: str, state: str, is_changed: bool, as_json: bool) -> None:
    """Prints what became of a webhook or hook."""
    if as_json:
        print_json({"name": name, "state": state, "changed": is_changed})
    else:
        print_line(f"{name} is {state}" + ("" if is_changed else " already"))


def _print_secret(name: str, secret: str, as_json: bool) -> None:
    found: dict[str, Any] = {"name": name, "secret": secret}
    if as_json:
        print_json(found)
    else:
        print_plain(secret)
        print_line(f"the secret of {name}, shown this once", stderr=True)
