"""Implements commands for tokens and sessions, beside those of `access`."""

from __future__ import annotations

from typing import Annotated

import typer

from taskyard.core.payload.printable_text import visible
from taskyard.worker.cli.access import Name
from taskyard.worker.cli.doors import placed
from taskyard.worker.cli.help_text import Group
from taskyard.worker.cli.opened import opened_access
from taskyard.worker.cli.output import Column, print_json, print_line, print_plain, print_table
from taskyard.worker.cli.show import AsJson
from taskyard.worker.cli.text import instant, written

credentials = typer.Typer(cls=Group)

SomeName = Annotated[str | None, typer.Argument(metavar="[NAME]", help="Only those of this one.")]


@credentials.command("token", **placed("access token", 'access token ci --days 30 --note "nightly build"'))
def token(
    name: Name,
    days: Annotated[float, typer.Option(help="For how many days it is valid, at most 3650.")] = 90,
    note: Annotated[str, typer.Option(help="What it is for; shown in lists.")] = "",
    as_json: AsJson = False,
) -> None:
    """Makes a token and prints it: this once, as only its hash is kept."""
    from taskyard.core.access.identity import local_actor
    from taskyard.core.submission import authorized_access
    from taskyard.worker.cli.connections import opened_writing

    with opened_writing() as tx:
        text, made = authorized_access.make_token(tx, local_actor(), name, days=days, note=note)
    if as_json:
        print_json({**made.as_json(), "token": text})
    else:
        print_plain(text)
        print_line(f"valid until {instant(made.expires_at)}; `access revoke {made.id}` revokes it", stderr=True)


@credentials.command("tokens", **placed("access tokens", "access tokens ci"))
def tokens(name: SomeName = None, as_json: AsJson = False) -> None:
    """Lists tokens without their secrets, newest first."""
    with opened_access() as port:
        found = port.tokens(name)
    if as_json:
        print_json(found)
        return
    if not found:
        print_line("no tokens")
        return
    columns = [Column("id", fixed=True), Column("of"), Column("opens", fixed=True)]
    columns += [Column(name, fixed=True) for name in ("until", "last used", "revoked")]
    rows = [
        [
            one["id"],
            f"{one['kind']} {one['name']}",
            one["opens"],
            written(one["expires_at"]),
            written(one["last_used_at"]),
            written(one["revoked_at"]),
            visible(one["created_by"]),
            visible(one["note"]),
        ]
        for one in found
    ]
    print_table([*columns, Column("by"), Column("note")], rows)


@credentials.command("revoke", **placed("access revoke", "access revoke 5f1c09a4d2e8"))
def revoke(
    id: Annotated[str, typer.Argument(metavar="ID", help="Of a token or session; `tokens` and `sessions` list them.")],
    as_json: AsJson = False,
) -> None:
    """Revokes a token, or signs a browser out, for good."""
    from taskyard.core.errors import SubmissionError

    with opened_access() as port:
        is_changed = port.revoke(id)
    if not is_changed:
        raise SubmissionError("id", id, "the id of a valid token or session, as `access tokens` or `sessions` lists it")
    if as_json:
        print_json({"revoked": id})
    else:
        print_line(f"{id} revoked")


@credentials.command("sessions", **placed("access sessions", "access sessions"))
def sessions(as_json: AsJson = False) -> None:
    """Lists browsers that are signed in, newest first; `revoke` signs one out."""
    with opened_access() as port:
        found = port.sessions()
    if as_json:
        print_json(found)
        return
    if not found:
        print_line("nobody is signed in")
        return
    columns = [Column("id", fixed=True), Column("who"), Column("by", fixed=True), Column("role", fixed=True)]
    columns += [Column("since", fixed=True), Column("seen", fixed=True)]
    rows = [
        [one["id"], visible(one["who"]), one["via"], one["role"], written(one["signed_in_at"]), written(one["seen_at"])]
        for one in found
    ]
    print_table(columns, rows)


@credentials.command("end-sessions", **placed("access end-sessions", "access end-sessions ann"))
def end_sessions(name: Name, as_json: AsJson = False) -> None:
    """Signs out every browser of one person, service or agent. Its tokens stay valid."""
    with opened_access() as port:
        count = port.end_sessions(name)
    if as_json:
        print_json({"name": name, "ended": count})
    else:
        print_line(f"{count} sessions of {name} ended")
