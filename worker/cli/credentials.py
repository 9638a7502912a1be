"""Implements commands for tokens and sessions, beside those of `access`."""

from __future__ import annotations

from typing import Annotated

import typer

from taskyard.core.payload.printable_text import visible
from taskyard.worker.cli.access import Name, example_of
from taskyard.worker.cli.help_text import Command, Group
from taskyard.worker.cli.output import Column, print_json, print_line, print_plain, print_table
from taskyard.worker.cli.show import AsJson
from taskyard.worker.cli.text import instant

credentials = typer.Typer(cls=Group)

SomeName = Annotated[str | None, typer.Argument(metavar="[NAME]", help="Only those of this one.")]


@credentials.command("token", cls=Command, epilog=example_of('token ci --days 30 --note "nightly build"'))
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


@credentials.command("tokens", cls=Command, epilog=example_of("tokens ci"))
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
    columns += [Column(name, fixed=True) for name in ("until", "last used", "revoked")]
    rows = [
        [
            one.id,
            f"{one.kind} {one.name}",
            one.opens,
            instant(one.expires_at),
            instant(one.last_used_at),
            instant(one.revoked_at),
            visible(one.created_by),
            visible(one.note),
        ]
        for one in found
    ]
    print_table([*columns, Column("by"), Column("note")], rows)


@credentials.command("revoke", cls=Command, epilog=example_of("revoke 5f1c09a4d2e8"))
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


@credentials.command("sessions", cls=Command, epilog=example_of("sessions"))
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


@credentials.command("end-sessions", cls=Command, epilog=example_of("end-sessions ann"))
def end_sessions(name: Name, as_json: AsJson = False) -> None:
    """Signs out every browser of one person, service or agent. Its tokens stay valid."""
    from taskyard.core.access.identity import local_actor
    from taskyard.core.submission import authorized_access
    from taskyard.worker.cli.connections import opened_servers

    with opened_servers() as (database, _), database.transaction() as tx:
        count = authorized_access.end_sessions(tx, local_actor(), name)
    if as_json:
        print_json({"name": name, "ended": count})
    else:
        print_line(f"{count} sessions of {name} ended")
