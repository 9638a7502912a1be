"""Formats a report's numbers, durations and times, and translates its texts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from typing import Any

from taskyard.core import humanize
from taskyard.core.i18n import N_, TranslatableText

MAX_NAME_LENGTH = 60  # characters in a sentence


class ValueKind(StrEnum):
    """The kinds of a column's values."""

    TEXT = "text"
    NUMBER = "number"
    SECONDS = "seconds"
    SHARE = "share"  # from 0 to 1
    CHANGE = "change"  # growth as a share of what was before
    POINTS = "points"  # the difference of two shares
    MOMENT = "moment"


def identity(text: str) -> str:
    """Returns the text unchanged."""
    return text


@dataclass(frozen=True, slots=True)
class Wording:
    """The language and the time zone of a report."""

    translate: Callable[[str], str] = identity
    zone: tzinfo = UTC
    language: str = "en"  # the code that pages and PDF files name

    def __call__(self, text: str, **values: object) -> str:
        """Returns a text in the language, with its values filled in."""
        translated = self.translate(text)
        return translated.format(**values) if values else translated

    def shown(self, value: Any, kind: ValueKind) -> str:
        """Returns a value in display form; an en dash for None."""
        if value is None:
            return humanize.UNKNOWN
        if kind is ValueKind.TEXT:
            return str(value)
        if kind is ValueKind.MOMENT:
            return self.moment(value)
        if kind is ValueKind.SECONDS:
            return self.duration(value)
        if kind is ValueKind.NUMBER:
            return humanize.number(value)
        if kind is ValueKind.SHARE:
            return humanize.strict_percent(value)
        if kind is ValueKind.CHANGE:
            return f"{value:+,.1%}" if abs(value) < 10 else f"{value:+,.0%}"
        return self(N_("{n} points"), n=f"{100 * value:+.2f}")

    def name(self, name: str) -> str:
        """Returns a foreign name within a sentence, on one line and not too long."""
        return one_line(name, MAX_NAME_LENGTH)

    def moment(self, at: datetime) -> str:
        """Returns a time in the report's time zone, to the minute."""
        return f"{at.astimezone(self.zone):%Y-%m-%d %H:%M}"

    def zone_name(self, at: datetime) -> str:
        return at.astimezone(self.zone).tzname() or "UTC"

    def duration(self, seconds: float) -> str:
        """Returns `seconds` in at most two units: 4 ms, 0.25 s, 3 min 20 s, 2 d 4 h."""
        return self._translated(humanize.duration(seconds, is_figure=True))

    def _translated(self, text: TranslatableText) -> str:
        parts = text.values.items()
        values = {name: self._translated(v) if isinstance(v, TranslatableText) else v for name, v in parts}
        return self(text.template, **values)


def one_line(text: str, limit: int) -> str:
    """Returns a foreign text on one line of at most `limit` characters, with what is not printable escaped."""
    text = " ".join(text.split())
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return text if len(text) <= limit else f"{text[:limit]}…"
