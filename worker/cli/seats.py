"""Implements the command that keeps seats on a host of a site: seats."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

MAX_SEATS = 1024


def seats(
    desk: Annotated[str, typer.Argument(metavar="DESK", help="HOST:PORT where the agent listens.")],
    site: Annotated[str, typer.Option(metavar="NAME", help="The site of this host, as the agent knows it.")],
    count: Annotated[int, typer.Option(metavar="N", min=1, max=MAX_SEATS, help="How many seats to keep here.")] = 1,
    key_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A file with the site's key; default TASKYARD_SITE_KEY.")
    ] = None,
    ca_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Trust these certificates (PEM) instead of the usual ones.")
    ] = None,
    grace_seconds: Annotated[
        float | None,
        typer.Option(help="How long a stopping host may finish its tasks; default TASKYARD_GRACE_SECONDS, else 30."),
    ] = None,
) -> None:
    """Keeps seats on this host for an agent elsewhere, whose engine is `edge`, until Ctrl-C or SIGTERM.

    It only dials out, over TLS, and needs neither PostgreSQL nor Redis nor settings. The desk's certificate must be
    valid for the name that is dialled. The first signal lets running tasks finish within the grace period, and what is
    left then goes back at no cost; a second one ends at once, which counts as an attempt.
    """
    from taskyard.core.private_files import refuse_inspection
    from taskyard.worker.engines.site_host import grace_of, keep_seats, site_of
    from taskyard.worker.logging.setup import configure_logs

    refuse_inspection()
    configure_logs("info")
    raise typer.Exit(keep_seats(site_of(site, desk, key_file, ca_file), count, grace_of(grace_seconds)))
