"""Prints schedules and what became of their fire times."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from taskyard.core.schedules.zone_words import zone_label
from taskyard.worker.cli.output import Column, print_document, print_fields, print_json, print_line, print_table
from taskyard.worker.cli.text import written


def print_schedule(found: dict[str, Any]) -> None:
    """Prints a schedule's fields and the input of its tasks."""
    what = found["what"]
    rule = found["cron"] if found["interval_seconds"] is None else f"every {found['interval_seconds']:g} s"
    print_fields(
        [
            ("name", found["name"]),
            ("when", found["when"]),
            ("rule", f"{rule} ({zone_label(found['time_zone'])})"),
            ("next", next_text(found)),
            ("submits", submits(what)),
            ("title", what.get("title") or ""),
            ("options", " ".join(f"{key}={value}" for key, value in (what.get("options") or {}).items())),
            ("missed ones", f"{found['catch_up']} (at most {found['catch_up_limit']})"),
            ("overlap", found["overlap"]),
            ("jitter", f"{found['jitter_seconds']:g} s" if found["jitter_seconds"] else ""),
            ("starts", zoned(found["starts_at"])),
            ("ends", zoned(found["ends_at"])),
            ("expected within", "" if found["expected_seconds"] is None else f"{found['expected_seconds']:g} s"),
            ("declared by", found["owner"]),
            ("created by", found["created_by"]),
        ]
    )
    if what["kind"] == "workflow":
        print_document("tasks", what["tasks"])
    elif what["input"] is not None:
        print_document("input", what["input"])


def submits(what: dict[str, Any]) -> str:
    """Returns what a schedule submits, for lists."""
    return f"workflow {what['name']}" if what["kind"] == "workflow" else str(what["type"])


def next_text(found: dict[str, Any]) -> str:
    """Returns when a schedule fires next."""
    if not found["is_enabled"]:
        return "paused"
    return zoned(found["next_fire_at"]) or "never again"


def zoned(at: str | None) -> str:
    """Returns a time that JSON has in ISO 8601, in this host's zone and with it; empty for None."""
    return "" if at is None else f"{datetime.fromisoformat(at).astimezone():%Y-%m-%d %H:%M:%S %Z}"


def print_count(counted: dict[str, Any], as_json: bool) -> None:
    """Prints what a backfill would submit."""
    if as_json:
        print_json(counted)
    else:
        print_line(
            f"{counted['count']:,} fire times to submit for; {counted['submitted_before']:,} have submitted theirs"
        )


def print_fires(fires: list[dict[str, Any]]) -> None:
    """Prints fire times, if there are any."""
    if not fires:
        return
    columns = [Column("fired", fixed=True), Column("why", fixed=True), Column("outcome", fixed=True)]
    columns += [Column("task or workflow", fixed=True), Column("state", fixed=True), Column("reason")]
    rows = [
        [written(one["fire_time"]), one["origin"], one["outcome"], one["task_id"] or one["workflow_id"], one["state"],
         one["reason"]]
        for one in fires
    ]  # fmt: skip
    print_table(columns, rows)
