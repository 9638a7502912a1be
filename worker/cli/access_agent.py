"""Implements commands for credentials at the servers: of an agent in Redis, of Taskyard in PostgreSQL."""

from __future__ import annotations

from typing import Annotated

import typer

from taskyard.core.paths import FILES
from taskyard.worker.cli.access import Types
from taskyard.worker.cli.output import print_json, print_line, print_plain
from taskyard.worker.cli.show import AsJson
from taskyard.worker.cli.text import instant


def agent(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The agent's name: its kind and its number.")],
    type: Types = None,
    days: Annotated[float, typer.Option(help="For how many days they are valid, at most 3650.")] = 90,
    note: Annotated[str, typer.Option(help="What they are for; shown in lists.")] = "",
    as_json: AsJson = False,
) -> None:
    """Gives an agent credentials of its own for Redis, and prints the URL with them: this once.

    By them it reaches its own inbox, heartbeat, mailbox and results only, and gets tasks of these types only. Earlier
    credentials stay valid until `access revoke`; `access disable` ends all. Both take effect within seconds.
    """
    from taskyard.core.access.agent_user import url_of_user
    from taskyard.core.access.identity import local_actor
    from taskyard.core.config import load_settings
    from taskyard.core.embedded.servers import resolve
    from taskyard.core.submission import authorized_access
    from taskyard.worker.cli.connections import opened_servers

    with opened_servers() as (database, broker):
        broker.agent_users.check_version()
        with database.transaction() as tx:
            password, made = authorized_access.admit_agent(tx, local_actor(), name, types=type, days=days, note=note)
        url = url_of_user(resolve(load_settings()).redis_url, broker.keys.agent_user(made.name), password)
    if as_json:
        print_json({**made.as_json(), "url": url})
        return
    print_plain(url)
    print_line(
        f"valid until {instant(made.expires_at)} and from a second after now, while a worker leads; "
        f"`access revoke {made.id}` revokes it",
        stderr=True,
    )


def database() -> None:
    """Prints the SQL that creates three roles in PostgreSQL: the owner, the worker's and that of everything else.

    Run it in Taskyard's database as a superuser, before the first migration and again after every later one.
    """
    print_plain((FILES / "sql" / "roles.sql").read_text(encoding="utf-8").rstrip())
