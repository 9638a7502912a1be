"""Implements commands for people, services, agents, their roles, passwords, tokens and sessions."""

from __future__ import annotations

import getpass
import sys
from typing import Annotated

import typer

from taskyard.core.access.permissions import Role
from taskyard.core.access.principals import Kind
from taskyard.core.payload.printable_text import visible
from taskyard.worker.cli.exits import EXIT_CODE_HELP
from taskyard.worker.cli.help_text import Command, Group
from taskyard.worker.cli.output import Column, print_json, print_line, print_plain, print_table
from taskyard.worker.cli.show import AsJson
from taskyard.worker.cli.text import instant

MAX_PASSWORD_LINE = 5_000  # characters

access = typer.Typer(cls=Group, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of the person, service or agent.")]
SomeName = Annotated[str | None, typer.Argument(metavar="[NAME]", help="Only those of this one.")]
Queues = Annotated[
    list[str] | None, typer.Option("--queue", metavar="PATTERN", help="Only queues such as reports-*; may repeat.")
]
Types = Annotated[
    list[str] | None, typer.Option("--type", metavar="PATTERN", help="Only task types such as analysis.*; may repeat.")
]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]


def _help(example: str) -> str:
    return f"Example: taskyard access {example}\n\n{EXIT_CODE_HELP}"


@access.command("create-admin", cls=Command, epilog=_help("create-admin ann"))
def create_admin(name: Name, password_stdin: FromStdin = False, as_json: AsJson = False) -> None:
    """Creates a person with the role admin, who signs in with a password. It is asked for on the terminal."""
    from taskyard.core.access.identity import local_actor
    from taskyard.core.access.passwords import check_password
    from taskyard.core.access.principals import check_name
    from taskyard.core.submission import authorized_access
    from taskyard.worker.cli.connections import opened_servers

    check_name(name)  # before anybody types a password
    password = check_password(_password(password_stdin))
    with opened_servers() as (database, _), database.transaction() as tx:
        authorized_access.create(tx, local_actor(), name, Role.ADMIN)
        authorized_access.set_password(tx, local_actor(), name, password)
        made = authorized_access.get(tx, local_actor(), name)
    if as_json:
        print_json(made.as_json())
    else:
        print_line(f"admin {made.name} created")


@access.command("create", cls=Command, epilog=_help("create ci --kind service --role submitter --queue nightly"))
def create(
    name: Name,
    role: Annotated[Role, typer.Option(help="What it may do: viewer, submitter, operator or admin.")] = (Role.VIEWER),
    kind: Annotated[Kind, typer.Option(help="A person, a service such as CI, or an agent.")] = Kind.PERSON,
    queue: Queues = None,
    type: Types = None,
    as_json: AsJson = False,
) -> None:
    """Creates a person, service or agent. `password` and `token` then let it in."""
    from taskyard.core.access.identity import EVERY, local_actor
    from taskyard.core.submission import authorized_access
    from taskyard.worker.cli.connections import opened_servers

    with opened_servers() as (database, _), database.transaction() as tx:
        made = authorized_access.create(
            tx, local_actor(), name, role, kind=kind, queues=queue or (EVERY,), types=type or (EVERY,)
        )
    if as_json:
        print_json(made.as_json())
    else:
        print_line(f"{made.kind} {made.name} created with the role {made.role}")


@access.command("list", cls=Command, epilog=_help("list --json"))
def list_principals(as_json: AsJson = False) -> None:
    """Lists people, services and agents with their roles, including disabled ones."""
    from taskyard.core.access.identity import local_actor
    from taskyard.core.submission import authorized_access
    from taskyard.worker.cli.connections import opened_reading

    with opened_reading() as tx:
        found = authorized_access.list_principals(tx, local_actor())
    if as_json:
        print_json([one.as_json() for one in found])
        return
    if not found:
        print_line("nobody is known by name: `access create-admin` makes the first")
        return
    columns = [Column("name", fixed=True), Column("kind", fixed=True), Column("role", fixed=True), Column("queues")]
    columns += [Column("types"), Column("password", fixed=True), Column("disabled", fixed=True)]
    rows = [
        [
            one.name,
            one.kind.value,
            one.role,
            " ".join(one.queues),
            " ".join(one.types),
            "yes" if one.has_password else "",
            instant(one.disabled_at),
        ]
        for one in found
    ]
    print_table(columns, rows)


@access.command("role", cls=Command, epilog=_help("role ann operator --queue 'reports-*'"))
def role(
    name: Name,
    role: Annotated[
        Role | None, typer.Argument(metavar="[ROLE]", help="viewer, submitter, operator or admin; default: as it is.")
    ] = None,
    queue: Queues = None,
    type: Types = None,
    as_json: AsJson = False,
) -> None:
    """Gives another role, or narrows one to queues and task types; `--queue '*' --type '*'` widens it again.

    It takes effect with the next action, also in browsers that are signed in.
    """
    from taskyard.core.access.identity import local_actor
    from taskyard.core.submission import authorized_access
    from taskyard.worker.cli.connections import opened_servers

    if role is None and queue is None and type is None:
        raise typer.BadParameter("name a role, or narrow it with --queue or --type")
    with opened_servers() as (database, _), database.transaction() as tx:
        is_changed = authorized_access.change_role(tx, local_actor(), name, role=role, queues=queue, types=type)
        now = authorized_access.get(tx, local_actor(), name)
    if as_json:
        print_json({**now.as_json(), "changed": is_changed})
        return
    narrowed = f" for queues {' '.join(now.queues)} and types {' '.join(now.types)}"
    print_line(f"{now.name} is {now.role}{narrowed}" + ("" if is_changed else " already"))


@access.command("disable", cls=Command, epilog=_help("disable ann"))
def disable(name: Name, as_json: AsJson = False) -> None:
    """Lets somebody in no more: ends their sessions, and refuses their tokens until `enable`."""
    _switch(name, "disabled", as_json)


@access.command("enable", cls=Command, epilog=_help("enable ann"))
def enable(name: Name, as_json: AsJson = False) -> None:
    """Lets somebody in again, also by tokens from before."""
    _switch(name, "enabled", as_json)


@access.command("password", cls=Command, epilog=_help("password ann"))
def password(name: Name, password_stdin: FromStdin = False, as_json: AsJson = False) -> None:
    """Sets a person's password, asked for on the terminal, and ends their sessions by the former one."""
    from taskyard.core.access.identity import local_actor
    from taskyard.core.access.passwords import check_password
    from taskyard.core.submission import authorized_access
    from taskyard.worker.cli.connections import opened_servers

    given = check_password(_password(password_stdin))
    with opened_servers() as (database, _), database.transaction() as tx:
        authorized_access.set_password(tx, local_actor(), name, given)
    if as_json:
        print_json({"name": name, "has_password": True})
    else:
        print_line(f"{name} has a new password")


@access.command("token", cls=Command, epilog=_help('token ci --days 30 --note "nightly build"'))
def token(
    name: Name,
    days: Annotated[float, typer.Option(help="For how many days it is valid, at most 3650.")] = 90,
    note: Annotated[str, typer.Option(help="What it is for; shown in lists.")] = "",
    as_json: AsJson = False,
) -> None:
    """Makes a token and prints it: this once, as only its hash is kept."""
    from taskyard.core.access.identity import local_actor
    from taskyard.core.submission import authorized_access
    from taskyard.worker.cli.connections import opened_servers

    with opened_servers() as (database, _), database.transaction() as tx:
        text, made = authorized_access.make_token(tx, local_actor(), name, days=days, note=note)
    if as_json:
        print_json({**made.as_json(), "token": text})
    else:
        print_plain(text)
        print_line(f"valid until {instant(made.expires_at)}; `access revoke {made.id}` revokes it", stderr=True)


@access.command("tokens", cls=Command, epilog=_help("tokens ci"))
def tokens(name: SomeName = None, as_json: AsJson = False) -> None:
    """Lists tokens without their secrets, newest first."""
    from taskyard.core.access.identity import local_actor
    from taskyard.core.submission import authorized_access
    from taskyard.worker.cli.connections import opened_reading

    with opened_reading() as tx:
        found = authorized_access.list_tokens(tx, local_actor(), name)
    if as_json:
        print_json([one.as_json() for one in found])
        return
    if not found:
        print_line("no tokens")
        return
    columns = [Column("id", fixed=True), Column("of"), Column("opens", fixed=True)]
    rows = [
        [
            one.id,
            f"{one.kind} {one.name}",
            one.opens,
            *map(instant, (one.expires_at, one.last_used_at, one.revoked_at)),
            visible(one.created_by),
            visible(one.note),
        ]
        for one in found
    ]
    columns += [Column(name, fixed=True) for name in ("until", "last used", "revoked")]
    print_table([*columns, Column("by"), Column("note")], rows)


@access.command("revoke", cls=Command, epilog=_help("revoke 5f1c09a4d2e8"))
def revoke(
    id: Annotated[str, typer.Argument(metavar="ID", help="Of a token or session; `tokens` and `sessions` list them.")],
    as_json: AsJson = False,
) -> None:
    """Revokes a token, or signs a browser out, for good."""
    from taskyard.core.access.identity import local_actor
    from taskyard.core.errors import SubmissionError
    from taskyard.core.submission import authorized_access
    from taskyard.worker.cli.connections import opened_servers

    with opened_servers() as (database, _), database.transaction() as tx:
        is_changed = authorized_access.revoke(tx, local_actor(), id)
    if not is_changed:
        raise SubmissionError("id", id, "the id of a valid token or session, as `access tokens` or `sessions` lists it")
    if as_json:
        print_json({"revoked": id})
    else:
        print_line(f"{id} revoked")


@access.command("sessions", cls=Command, epilog=_help("sessions"))
def sessions(as_json: AsJson = False) -> None:
    """Lists browsers that are signed in, newest first; `revoke` signs one out."""
    from taskyard.core.access.identity import local_actor
    from taskyard.core.submission import authorized_access
    from taskyard.worker.cli.connections import opened_reading

    with opened_reading() as tx:
        found = authorized_access.list_sessions(tx, local_actor())
    if as_json:
        print_json([one.as_json() for one in found])
        return
    if not found:
        print_line("nobody is signed in")
        return
    columns = [Column("id", fixed=True), Column("who"), Column("by", fixed=True), Column("role", fixed=True)]
    columns += [Column("since", fixed=True), Column("seen", fixed=True)]
    rows = [
        [one.id, visible(one.who), one.via, one.role, instant(one.signed_in_at), instant(one.seen_at)] for one in found
    ]
    print_table(columns, rows)


def _switch(name: str, state: str, as_json: bool) -> None:
    from taskyard.core.access.identity import local_actor
    from taskyard.core.submission import authorized_access
    from taskyard.worker.cli.connections import opened_servers

    switch = authorized_access.disable if state == "disabled" else authorized_access.enable
    with opened_servers() as (database, _), database.transaction() as tx:
        is_changed = switch(tx, local_actor(), name)
    if as_json:
        print_json({"name": name, "state": state, "changed": is_changed})
    else:
        print_line(f"{name} is {state}" + ("" if is_changed else " already"))


def _password(from_stdin: bool) -> str:
    """Returns the password from standard input, or typed twice on the terminal; raises SubmissionError."""
    from taskyard.core.errors import SubmissionError

    if from_stdin:
        return sys.stdin.readline(MAX_PASSWORD_LINE).removesuffix("\n").removesuffix("\r")
    if not _has_terminal():
        raise SubmissionError("password", "***", "a terminal to type it, or --password-stdin")
    given = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != given:
        raise SubmissionError("password", "***", "the same text twice")
    return given


def _has_terminal() -> bool:
    return sys.stdin.isatty()
