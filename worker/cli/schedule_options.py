"""Defines the options by which schedules are made and changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from taskyard.core.errors import SubmissionError
from taskyard.core.humanize import parsed_span

_SPAN = "a number with s, m, h, d or w, such as 90s or 15m"
Type = Annotated[str, typer.Option(help="The type of its tasks; `types` lists them.")]
Cron = Annotated[str | None, typer.Option(metavar="RULE", help="Five fields such as 30 7 * * mon-fri, or @hourly …")]
Every = Annotated[str | None, typer.Option(metavar="SPAN", help="Instead of --cron: an interval such as 90s or 6h.")]
Zone = Annotated[str | None, typer.Option(help="The time zone of the rule, such as Europe/Berlin.  default: UTC")]
Input = Annotated[str | None, typer.Option(metavar="JSON", help="The input of its tasks as JSON.")]
InputFile = Annotated[Path | None, typer.Option(metavar="FILE", help="A file with it; - is standard input.")]
TaskTitle = Annotated[str | None, typer.Option("--title", help="A display name of its tasks.  default: its name")]
Queue = Annotated[str | None, typer.Option(help="Their queue.  default: default")]
Priority = Annotated[str | None, typer.Option(help="low, medium, high or urgent.  default: medium")]
Timeout = Annotated[float | None, typer.Option(help="Timeout of one attempt in seconds.")]
MaxAttempts = Annotated[int | None, typer.Option(help="Maximum number of attempts.")]
Require = Annotated[list[str] | None, typer.Option(metavar="TAG", help="A tag the agent must have; may repeat.")]
CatchUp = Annotated[
    str | None, typer.Option(help="Fire times missed while nobody led: none, last or all.  default: last")
]
CatchUpLimit = Annotated[int | None, typer.Option(help="At most so many of all.  default: 10")]
Overlapping = Annotated[
    str | None, typer.Option("--overlap", help="While an earlier task runs: allow, skip or replace.  default: allow")
]
Jitter = Annotated[str | None, typer.Option(metavar="SPAN", help="Delay its tasks by up to this much.")]
Starts = Annotated[str | None, typer.Option(metavar="TIME", help="Nothing fires before, in ISO 8601 with a zone.")]
Ends = Annotated[str | None, typer.Option(metavar="TIME", help="Nothing fires after it.")]
Expect = Annotated[
    str | None, typer.Option(metavar="SPAN", help="Alert if its task has not completed so long after the fire time.")
]


def given_options(
    cron: str | None,
    every: str | None,
    zone: str | None,
    catch_up: str | None,
    catch_up_limit: int | None,
    overlap: str | None,
    jitter: str | None,
    starts: str | None,
    ends: str | None,
    expect: str | None,
) -> dict[str, Any]:
    """Returns the arguments of `check_schedule` that were given; raises SubmissionError for an invalid span."""
    values = {
        "cron": cron,
        "interval_seconds": _seconds("--every", every),
        "time_zone": zone,
        "catch_up": catch_up,
        "catch_up_limit": catch_up_limit,
        "overlap": overlap,
        "jitter_seconds": _seconds("--jitter", jitter),
        "starts_at": starts,
        "ends_at": ends,
        "expected_seconds": _seconds("--expect", expect),
    }
    return {name: value for name, value in values.items() if value is not None}


def task_options(
    title: str | None,
    queue: str | None,
    priority: str | None,
    timeout: float | None,
    max_attempts: int | None,
    require: list[str] | None,
) -> dict[str, Any]:
    """Returns the options of the schedule's tasks that were given."""
    options: dict[str, Any] = {"title": title, "queue": queue, "priority": priority, "timeout_seconds": timeout}
    options |= {"max_attempts": max_attempts, "requires": require or None}
    return {name: value for name, value in options.items() if value is not None}


def moment(option: str, text: str) -> str:
    """Returns a time given as an age or in ISO 8601, in ISO 8601; raises SubmissionError."""
    seconds = parsed_span(text)
    if seconds is not None:
        return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.utcoffset() is None:
        raise SubmissionError(option, text, "an age such as 24h, or a time with a zone such as 2030-01-31T12:00:00Z")
    return found.isoformat()


def _seconds(option: str, text: str | None) -> int | None:
    if text is None:
        return None
    seconds = parsed_span(text)
    if seconds is None:
        raise SubmissionError(option, text, _SPAN)
    return seconds
