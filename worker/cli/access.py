"""Implements commands for people, services, agents, their roles and passwords."""

from __future__ import annotations

import getpass
import sys
from typing import Annotated

import typer

from taskyard.core.access.permissions import Role
from taskyard.core.access.principals import Kind
from taskyard.worker.cli.doors import placed
from taskyard.worker.cli.help_text import Group
from taskyard.worker.cli.opened import opened_access
from taskyard.worker.cli.output import Column, print_json, print_line, print_table
from taskyard.worker.cli.show import AsJson
from taskyard.worker.cli.text import written

MAX_PASSWORD_LINE = 5_000  # characters

access = typer.Typer(cls=Group, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of the person, service or agent.")]
Queues = Annotated[
    list[str] | None, typer.Option("--queue", metavar="PATTERN", help="Only queues such as reports-*; may repeat.")
]
Types = Annotated[
    list[str] | None, typer.Option("--type", metavar="PATTERN", help="Only task types such as analysis.*; may repeat.")
]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]


@access.command("create-admin", **placed("access create-admin", "access create-admin ann"))
def create_admin(name: Name, password_stdin: FromStdin = False, as_json: AsJson = False) -> None:
    """Creates a person with the role admin, who signs in with a password. It is asked for on the terminal."""
    from taskyard.core.access.identity import local_actor
    from taskyard.core.access.passwords import check_password
    from taskyard.core.access.principals import check_name
    from taskyard.core.submission import authorized_access
    from taskyard.worker.cli.connections import opened_writing

    check_name(name)  # before anybody types a password
    password = check_password(_password(password_stdin))
    with opened_writing() as tx:
        authorized_access.create(tx, local_actor(), name, Role.ADMIN)
        authorized_access.set_password(tx, local_actor(), name, password)
        made = authorized_access.get(tx, local_actor(), name)
    if as_json:
        print_json(made.as_json())
    else:
        print_line(f"admin {made.name} created")


@access.command("create", **placed("access create", "access create ci --kind service --role submitter --queue nightly"))
def create(
    name: Name,
    role: Annotated[Role, typer.Option(help="What it may do: viewer, submitter, operator or admin.")] = (Role.VIEWER),
    kind: Annotated[Kind, typer.Option(help="A person, a service such as CI, or an agent.")] = Kind.PERSON,
    queue: Queues = None,
    type: Types = None,
    as_json: AsJson = False,
) -> None:
    """Creates a person, service or agent. `password` and `token` then let it in."""
    from taskyard.core.access.identity import EVERY

    with opened_access() as port:
        made = port.create(name, role.value, kind.value, queue or (EVERY,), type or (EVERY,))
    if as_json:
        print_json(made)
    else:
        print_line(f"{made['kind']} {made['name']} created with the role {made['role']}")


@access.command("list", **placed("access list", "access list --json"))
def list_principals(as_json: AsJson = False) -> None:
    """Lists people, services and agents with their roles, including disabled ones."""
    with opened_access() as port:
        found = port.principals()
    if as_json:
        print_json(found)
        return
    if not found:
        print_line("nobody is known by name: `access create-admin` makes the first")
        return
    columns = [Column("name", fixed=True), Column("kind", fixed=True), Column("role", fixed=True), Column("queues")]
    columns += [Column("types"), Column("password", fixed=True), Column("disabled", fixed=True)]
    rows = [
        [
            one["name"],
            one["kind"],
            one["role"],
            " ".join(one["queues"]),
            " ".join(one["types"]),
            "yes" if one["has_password"] else "",
            written(one["disabled_at"]),
        ]
        for one in found
    ]
    print_table(columns, rows)


@access.command("role", **placed("access role", "access role ann operator --queue 'reports-*'"))
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
    if role is None and queue is None and type is None:
        raise typer.BadParameter("name a role, or narrow it with --queue or --type")
    with opened_access() as port:
        now, is_changed = port.change_role(name, None if role is None else role.value, queue, type)
    if as_json:
        print_json({**now, "changed": is_changed})
        return
    narrowed = f" for queues {' '.join(now['queues'])} and types {' '.join(now['types'])}"
    print_line(f"{now['name']} is {now['role']}{narrowed}" + ("" if is_changed else " already"))


@access.command("disable", **placed("access disable", "access disable ann"))
def disable(name: Name, as_json: AsJson = False) -> None:
    """Lets somebody in no more: ends their sessions, and refuses their tokens until `enable`."""
    _switch(name, "disabled", as_json)


@access.command("enable", **placed("access enable", "access enable ann"))
def enable(name: Name, as_json: AsJson = False) -> None:
    """Lets somebody in again, also by tokens from before."""
    _switch(name, "enabled", as_json)


@access.command("password", **placed("access password", "access password ann"))
def password(name: Name, password_stdin: FromStdin = False, as_json: AsJson = False) -> None:
    """Sets a person's password, asked for on the terminal, and ends their sessions by the former one."""
    from taskyard.core.access.identity import local_actor
    from taskyard.core.access.passwords import check_password
    from taskyard.core.submission import authorized_access
    from taskyard.worker.cli.connections import opened_writing

    given = check_password(_password(password_stdin))
    with opened_writing() as tx:
        authorized_access.set_password(tx, local_actor(), name, given)
    if as_json:
        print_json({"name": name, "has_password": True})
    else:
        print_line(f"{name} has a new password")


def _switch(name: str, state: str, as_json: bool) -> None:
    with opened_access() as port:
        is_changed = port.switch(name, is_disabled=state == "disabled")
    if as_json:
        print_json({"name": name, "state": state, "changed": is_changed})
    else:
        print_line(f"{name} is {state}" + ("" if is_changed else " already"))


def _password(from_stdin: bool) -> str:
    """Returns the password from standard input, or typed twice on the terminal; raises SubmissionError."""
    from taskyard.core.access.passwords import MAX_LENGTH, MIN_LENGTH
    from taskyard.core.errors import SubmissionError

    if from_stdin:
        return sys.stdin.readline(MAX_PASSWORD_LINE).removesuffix("\n").removesuffix("\r")
    if not _has_terminal():
        raise SubmissionError("password", "***", "a terminal to type it, or --password-stdin")
    given = getpass.getpass(f"Password, {MIN_LENGTH} to {MAX_LENGTH:,} characters: ")
    if getpass.getpass("Again: ") != given:
        raise SubmissionError("password", "***", "the same text twice")
    return given


def _has_terminal() -> bool:
    return sys.stdin.isatty()
