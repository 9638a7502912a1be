"""Implements the command that signs a browser in."""

from __future__ import annotations

from typing import Annotated

import typer

from taskyard.worker.cli.output import print_json, print_line
from taskyard.worker.cli.show import AsJson


def enter(
    url: Annotated[
        str, typer.Option(metavar="URL", help="The dashboard's address; default: where it was started last.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Prints a link that signs one browser in to the dashboard as the local admin, once.

    Its holder may submit tasks that run code. The link is valid for 24 hours, and so is the session that it begins.
    """
    from taskyard.core.access.identity import os_user
    from taskyard.core.config import load_settings
    from taskyard.worker.cli.connections import opened_servers
    from taskyard.worker.web_servers import entry_link
    from taskyard.worker.web_servers.dashboard import page_url

    settings = load_settings()
    known = url or entry_link.noted_url(settings)
    found = known or page_url(settings, settings.dashboard_port, settings.dashboard_path)
    with opened_servers() as (database, _queue):
        link, until = entry_link.make(database, found.rstrip("/"), os_user())
    if as_json:
        print_json({"link": link, "expires_at": until.isoformat()})
    else:
        print_line(link)
