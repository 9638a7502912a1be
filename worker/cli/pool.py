"""Implements commands for pools of agents: pool list, scale, reset."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from taskyard.core.absent_agents import absence_text
from taskyard.core.payload.printable_text import visible
from taskyard.core.scheduling.pool_sizes import MAX_AGENTS
from taskyard.worker.cli.doors import placed
from taskyard.worker.cli.help_text import Group
from taskyard.worker.cli.opened import opened_site
from taskyard.worker.cli.output import Column, print_json, print_line, print_table
from taskyard.worker.cli.show import AsJson

NUMBERS = ("wanted", "running", "starting", "failing", "leaving", "needed")

pool = typer.Typer(cls=Group, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})

Kind = Annotated[str, typer.Argument(metavar="KIND", help="The kind of agents, as in the pool file.")]
Count = Annotated[int, typer.Argument(metavar="N", min=0, max=MAX_AGENTS, help="How many agents of it should run.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the audit log.")]


@pool.command("list", **placed("pool list", "pool list --json"))
def list_pools(as_json: AsJson = False) -> None:
    """Lists kinds of agents: how many are wanted, run and leave, and how many the backlog calls for.

    "wanted" is the pool file's number, or the one that `pool scale` gave. Agents that run are online; of those that
    start or fail a line says why.
    """
    with opened_site() as site:
        found = site.pools()
    if as_json:
        print_json(found)
    elif not found:
        print_line("no pool of agents runs")
    else:
        headings = [Column("kind", fixed=True)]
        headings += [Column(name, fixed=True, justify="right") for name in NUMBERS]
        print_table([*headings, Column("host"), Column("size is from")], [_row(one) for one in found])
        for one in found:
            for absent in one["absent"]:
                print_line(visible(absence_text(**absent)))


@pool.command("scale", **placed("pool scale", 'pool scale coder 5 --reason "the backlog of the release"'))
def scale(kind: Kind, count: Count, reason: Reason = "", as_json: AsJson = False) -> None:
    """Changes how many agents of a kind run, instead of the number in the pool file.

    More start at once. Those that are too many take nothing new, finish what they run however long that takes, and
    end. It lasts until `pool reset`, through restarts of everything.
    """
    with opened_site() as site:
        is_changed = site.scale_pool(kind, count, reason)
    if as_json:
        print_json({"kind": kind, "count": count, "changed": is_changed})
    else:
        wanted = "1 agent is wanted" if count == 1 else f"{count} agents are wanted"
        print_line(f"{visible(kind)}: {wanted}" + ("" if is_changed else " already"))


@pool.command("reset", **placed("pool reset", "pool reset coder"))
def reset(kind: Kind, reason: Reason = "", as_json: AsJson = False) -> None:
    """Lets the pool file say again how many agents of a kind run."""
    with opened_site() as site:
        is_changed = site.reset_pool(kind, reason)
    if as_json:
        print_json({"kind": kind, "count": None, "changed": is_changed})
    else:
        print_line(f"{visible(kind)}: the pool file's number counts" + ("" if is_changed else " already"))


def _row(found: dict[str, Any]) -> list[str]:
    numbers = [found[name] for name in NUMBERS]
    return [
        visible(found["kind"]),
        *("–" if number is None else str(number) for number in numbers),
        visible(", ".join(found["hosts"])),
        visible(_origin(found)),
    ]


def _origin(found: dict[str, Any]) -> str:
    if found["is_fixed"]:
        return "its orchestrator"
    chosen = found["chosen"]
    if chosen is None:
        return "the pool file"
    return f"{chosen['actor']}: {chosen['reason']}" if chosen["reason"] else str(chosen["actor"])
