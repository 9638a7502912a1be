"""Represents a search of the audit log as a value that converts to and from URL parameters (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Self

from taskyard.core.filters.fields import check_bound, check_known, check_names, check_uuid, instant
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.payload.encode import check_text


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Selects the events that match every field that is set.

    `events` are kinds; `agent` is a name; `text` is part of the detail's JSON, in any case; `since` (inclusive) and
    `until` (exclusive) are aware times, or ages such as "24h" counted from the time of the search. `only_operators`
    keeps what users did, to tasks or to anything else. Raises SubmissionError, which names the field.
    """

    events: tuple[str, ...] = ()
    actor: str | None = None
    task_id: str | None = None
    agent: str | None = None
    text: str | None = None
    since: datetime | str | None = None
    until: datetime | str | None = None
    only_operators: bool = False

    def __post_init__(self) -> None:
        for name, check in _CHECKS.items():
            value = getattr(self, name)
            if value is not None and value != ():
                object.__setattr__(self, name, check(name, value))

    def span(self, now: datetime) -> tuple[datetime | None, datetime | None]:
        """Returns `since` and `until` as times; None for an unbounded one."""
        return instant(self.since, now), instant(self.until, now)

    def as_params(self) -> dict[str, str]:
        """Returns the fields that are set, as flat texts: kinds joined by commas, times in ISO 8601."""
        return {field.name: _plain(value) for field in fields(self) if (value := getattr(self, field.name))}

    @classmethod
    def from_params(cls, params: Mapping[str, str]) -> Self:
        """Parses `as_params`; an empty text sets nothing. `EVENT_PARAMS` are the known names."""
        given: dict[str, Any] = {name: value for name, value in params.items() if value != ""}
        check_known(EVENT_PARAMS, given)
        if "events" in given:
            given["events"] = tuple(check_text("events", given["events"], 4000).split(","))
        if given.get("only_operators", "yes") != "yes":
            raise refused("only_operators", given["only_operators"], msg("yes, or no value"))
        return cls(**{**given, "only_operators": "only_operators" in given})


EVENT_PARAMS = tuple(field.name for field in fields(EventFilter))
_CHECKS: dict[str, Any] = {
    "events": check_names,
    "actor": check_text,
    "task_id": check_uuid,
    "agent": check_text,
    "text": check_text,
    "since": check_bound,
    "until": check_bound,
}


def _plain(value: Any) -> str:
    if value is True:
        return "yes"
    if isinstance(value, tuple):
        return ",".join(value)
    return value.isoformat() if isinstance(value, datetime) else str(value)
