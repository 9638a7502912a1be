"""Implements commands for quarantined items: quarantine list, show, drop."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from taskyard.core.payload.printable_text import visible
from taskyard.worker.cli.doors import placed
from taskyard.worker.cli.help_text import Group
from taskyard.worker.cli.opened import opened_site
from taskyard.worker.cli.output import Column, print_document, print_fields, print_json, print_line, print_table
from taskyard.worker.cli.show import AsJson
from taskyard.worker.cli.text import MASKED

LATEST_SECONDS = 253_402_300_799.0  # the end of the year 9999

quarantine = typer.Typer(cls=Group, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})

Item = Annotated[str, typer.Argument(metavar="ID", help="Which item; `quarantine list` shows the ids.")]
Items = Annotated[list[str] | None, typer.Argument(metavar="ID", help="Which items.")]
Everything = Annotated[bool, typer.Option("--all", help="All items.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=1_000, help="How many, the newest first.")]


@quarantine.command("list", **placed("quarantine list", "quarantine list --json"))
def list_items(limit: Limit = 50, as_json: AsJson = False) -> None:
    """Lists quarantined items: reports, orders, queue entries, heartbeats, keys and rows."""
    with opened_site() as site:
        found, count = site.quarantined(limit)
    if as_json:
        print_json(found)
        return
    if not found:
        print_line("nothing is in quarantine")
        return
    columns = [Column("id", fixed=True), Column("at", fixed=True), Column("what"), Column("where"), Column("task")]
    texts = ("source", "place", "task_id", "reason")
    rows = [[item["id"], _time(item["at"]), *(visible(item[name] or "") for name in texts)] for item in found]
    print_table([*columns, Column("reason")], rows)
    if count > len(found):
        print_line(f"{count - len(found)} older ones are not shown")


@quarantine.command("show", **placed("quarantine show", "quarantine show 1764150000000-0"))
def show_item(item: Item, as_json: AsJson = False) -> None:
    """Shows one item with the beginning of its text."""
    with opened_site() as site:
        found = site.quarantined_item(item)
    if as_json:
        print_json(found)
        return
    fields = [
        ("id", found["id"]),
        ("at", _time(found["at"])),
        ("what", visible(found["source"])),
        ("where", visible(found["place"])),
        ("reason", visible(found["reason"])),
        ("task", visible(found["task_id"] or "")),
        ("attempt", "" if found["attempt"] is None else str(found["attempt"])),
        ("agent", visible(found["agent_id"] or "")),
        ("bytes", str(found["size_bytes"])),
    ]
    print_fields(fields)
    if found["is_masked"]:
        print_line("text", "bold")
        print_line(MASKED, "dim")
    else:
        print_document("text", found["text"])


@quarantine.command("drop", **placed("quarantine drop", "quarantine drop --all"))
def drop_items(items: Items = None, everything: Everything = False, as_json: AsJson = False) -> None:
    """Deletes items by their ids, or all; the alert about them resolves with the last."""
    from taskyard.core.payload.culprits import refused, required

    if everything == bool(items):
        expected = "ids of items, or --all"
        raise refused("id", " ".join(items), expected) if items else required("id", expected)
    with opened_site() as site:
        dropped = site.drop_quarantined(None if everything else items)
    if not everything and not dropped:
        raise _missing(", ".join(items or ()))
    if as_json:
        print_json({"dropped": dropped})
    else:
        print_line(f"{dropped} dropped")


def _missing(item: str) -> Exception:
    from taskyard.core.errors import ItemNotFound

    return ItemNotFound(item)


def _time(at: float) -> str:
    return datetime.fromtimestamp(min(at, LATEST_SECONDS), UTC).strftime("%Y-%m-%d %H:%M:%S")
