"""Implements the command that restarts an agent."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from taskyard.core.payload.printable_text import visible
from taskyard.worker.cli.opened import opened_site
from taskyard.worker.cli.output import print_json, print_line
from taskyard.worker.cli.show import AsJson


class RestartKind(StrEnum):
    """The kinds of subjects that can be restarted."""

    AGENT = "agent"


def restart(
    kind: Annotated[RestartKind, typer.Argument(help="What: agent.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name, without the boot.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the audit log.")] = "",
    as_json: AsJson = False,
) -> None:
    """Asks an agent to finish what it runs within the grace period, and to restart.

    Tasks that it has not finished or not started go back without using up an attempt.
    """
    with opened_site() as site:
        boots = site.restart(name, reason)
    if as_json:
        print_json({"kind": kind.value, "name": name, "boots": boots})
    else:
        print_line(f"{kind.value} {visible(name)} was asked to restart: {visible(', '.join(boots))}")
