"""Implements commands for webhooks, which tell others of tasks' ends."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from taskyard.core.payload.printable_text import visible
from taskyard.worker.cli.exits import EXIT_CODE_HELP
from taskyard.worker.cli.help_text import Command, Group
from taskyard.worker.cli.output import Column, print_json, print_line, print_plain, print_table
from taskyard.worker.cli.show import AsJson
from taskyard.worker.cli.text import instant

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


def _help(example: str) -> str:
    return f"Example: taskyard webhooks {example}\n\n{EXIT_CODE_HELP}"


@webhooks.command("add", cls=Command, epilog=_help("add ci https://hooks.example.com/taskyard --outcome failed"))
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
    from taskyard.core.access.identity import EVERY, local_actor
    from taskyard.core.config import load_settings
    from taskyard.core.submission import authorized_webhooks
    from taskyard.core.webhooks.webhook import OUTCOMES
    from taskyard.worker.cli.connections import opened_database

    with opened_database() as database, database.transaction() as tx:
        secret = authorized_webhooks.create(
            tx,
            local_actor(),
            load_settings(),
            name,
            url,
            queues=queue or (EVERY,),
            types=type or (EVERY,),
            outcomes=outcome or OUTCOMES,
            has_output=bool(output),
        )
    _print_secret(name, secret, as_json)


@webhooks.command("list", cls=Command, epilog=_help("list"))
def list_webhooks(as_json: AsJson = False) -> None:
    """Lists webhooks with what they are told, and how they fare."""
    from taskyard.core.access.identity import local_actor
    from taskyard.core.submission import authorized_webhooks
    from taskyard.worker.cli.connections import opened_reading

    with opened_reading() as tx:
        found = authorized_webhooks.list_webhooks(tx, local_actor())
    if as_json:
        print_json([one.as_json() for one in found])
        return
    if not found:
        print_line("no webhooks: `webhooks add` makes one")
        return
    columns = [Column("name", fixed=True), Column("url"), Column("queues"), Column("types"), Column("outcomes")]
    columns += [Column("pending", justify="right"), Column("last delivered", fixed=True)]
    columns += [Column("failing since", fixed=True), Column("disabled")]
    rows = [
        [
            one.name,
            visible(one.url),
            " ".join(one.queues),
            " ".join(one.types),
            " ".join(one.outcomes),
            str(one.pending),
            instant(one.last_delivered_at),
            instant(one.failing_since),
            visible(f"{one.disabled_by}: {one.disabled_because}") if one.disabled_at else "",
        ]
        for one in found
    ]
    print_table(columns, rows)


@webhooks.command("change", cls=Command, epilog=_help("change ci --outcome failed --outcome cancelled"))
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
    from taskyard.core.access.identity import local_actor
    from taskyard.core.config import load_settings
    from taskyard.core.submission import authorized_webhooks
    from taskyard.worker.cli.connections import opened_database

    with opened_database() as database, database.transaction() as tx:
        is_changed = authorized_webhooks.change(
            tx,
            local_actor(),
            load_settings(),
            name,
            url=url,
            queues=queue,
            types=type,
            outcomes=outcome,
            has_output=output,
        )
    print_change(name, "changed", is_changed, as_json)


@webhooks.command("disable", cls=Command, epilog=_help('disable ci --reason "it moves"'))
def disable(
    name: Name, reason: Annotated[str, typer.Option(help="Why; kept in the audit log.")] = "", as_json: AsJson = False
) -> None:
    """Sends nothing until `enable`; what ends meanwhile is not told."""
    from taskyard.core.access.identity import local_actor
    from taskyard.core.submission import authorized_webhooks
    from taskyard.worker.cli.connections import opened_database

    with opened_database() as database, database.transaction() as tx:
        is_changed = authorized_webhooks.disable(tx, local_actor(), name, reason)
    print_change(name, "disabled", is_changed, as_json)


@webhooks.command("enable", cls=Command, epilog=_help("enable ci"))
def enable(name: Name, as_json: AsJson = False) -> None:
    """Sends again: what waits, and what ends from now on."""
    from taskyard.core.access.identity import local_actor
    from taskyard.core.submission import authorized_webhooks
    from taskyard.worker.cli.connections import opened_database

    with opened_database() as database, database.transaction() as tx:
        is_changed = authorized_webhooks.enable(tx, local_actor(), name)
    print_change(name, "enabled", is_changed, as_json)


@webhooks.command("remove", cls=Command, epilog=_help("remove ci"))
def remove(name: Name, as_json: AsJson = False) -> None:
    """Removes a webhook with its deliveries."""
    from taskyard.core.access.identity import local_actor
    from taskyard.core.errors import SubmissionError
    from taskyard.core.submission import authorized_webhooks
    from taskyard.worker.cli.connections import opened_database

    with opened_database() as database, database.transaction() as tx:
        is_changed = authorized_webhooks.delete(tx, local_actor(), name)
    if not is_changed:
        raise SubmissionError("name", name, "the name of a webhook, as `webhooks list` has it")
    print_change(name, "removed", is_changed, as_json)


@webhooks.command("rotate", cls=Command, epilog=_help("rotate ci"))
def rotate(name: Name, as_json: AsJson = False) -> None:
    """Makes a new secret and prints it; for 24 hours messages are signed with the former one, too."""
    from taskyard.core.access.identity import local_actor
    from taskyard.core.submission import authorized_webhooks
    from taskyard.worker.cli.connections import opened_database

    with opened_database() as database, database.transaction() as tx:
        secret = authorized_webhooks.rotate_secret(tx, local_actor(), name)
    _print_secret(name, secret, as_json)


@webhooks.command("ping", cls=Command, epilog=_help("ping ci"))
def ping(name: Name, as_json: AsJson = False) -> None:
    """Sends a test message; `webhooks deliveries` shows what the server answered."""
    from taskyard.core.access.identity import local_actor
    from taskyard.core.submission import authorized_webhooks
    from taskyard.worker.cli.connections import opened_database

    with opened_database() as database, database.transaction() as tx:
        id_ = authorized_webhooks.ping(tx, local_actor(), name)
    if as_json:
        print_json({"webhook": name, "id": id_})
    else:
        print_line(f"a test message is sent: delivery {id_}")


@webhooks.command("deliveries", cls=Command, epilog=_help("deliveries ci --state failed"))
def deliveries(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Only those of this webhook.")] = None,
    state: Annotated[str | None, typer.Option(help="Only those: pending, delivered or failed.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most so many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Lists the newest messages with what became of them."""
    from taskyard.core.access.identity import local_actor
    from taskyard.core.submission import authorized_webhooks
    from taskyard.worker.cli.connections import opened_reading

    with opened_reading() as tx:
        found = authorized_webhooks.list_deliveries(tx, local_actor(), name, state=state, limit=limit)
    if as_json:
        print_json([one.as_json() for one in found])
        return
    if not found:
        print_line("no deliveries")
        return
    columns = [Column("id", fixed=True), Column("webhook"), Column("event", fixed=True), Column("state", fixed=True)]
    columns += [Column("tries", justify="right"), Column("made"), Column("next try")]
    rows = [
        [
            one.id,
            one.webhook,
            one.event,
            one.state,
            str(one.attempts),
            instant(one.created_at),
            instant(one.due_at) if one.state == "pending" else "",
            "" if one.status is None else str(one.status),
            visible(one.answer or ""),
        ]
        for one in found
    ]
    print_table([*columns, Column("status", justify="right"), Column("answer")], rows)


@webhooks.command("send", cls=Command, epilog=_help("send ci 019b2c4e-7c1e-7000-8000-000000000000"))
def send(
    name: Name,
    id: Annotated[str, typer.Argument(metavar="ID", help="Of a delivery, as `webhooks deliveries` lists it.")],
    as_json: AsJson = False,
) -> None:
    """Sends a message that arrived or was given up once more, with the same id."""
    from taskyard.core.access.identity import local_actor
    from taskyard.core.errors import SubmissionError
    from taskyard.core.submission import authorized_webhooks
    from taskyard.worker.cli.connections import opened_database

    with opened_database() as database, database.transaction() as tx:
        is_changed = authorized_webhooks.send_again(tx, local_actor(), name, id)
    if not is_changed:
        raise SubmissionError("id", id, "the id of a delivery of this webhook that has arrived or was given up")
    if as_json:
        print_json({"webhook": name, "id": id})
    else:
        print_line(f"delivery {id} is sent again")


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
