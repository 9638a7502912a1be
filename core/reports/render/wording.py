"""Formats a report's numbers, durations and times, and translates its texts."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from typing import Any

from taskyard.core.i18n import N_

UNKNOWN = "–"
_UNITS = ((N_("{n} d"), 86_400), (N_("{n} h"), 3_600), (N_("{n} min"), 60), (N_("{n} s"), 1))


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
        """Returns a value in display form; UNKNOWN for None."""
        if value is None:
            return UNKNOWN
        if kind is ValueKind.TEXT:
            return str(value)
        if kind is ValueKind.MOMENT:
            return self.moment(value)
        if kind is ValueKind.SECONDS:
            return self.duration(value)
        if kind is ValueKind.NUMBER:
            return number(value)
        if kind is ValueKind.SHARE:
            return percent(value)
        if kind is ValueKind.CHANGE:
            return f"{value:+,.1%}" if abs(value) < 10 else f"{value:+,.0%}"
        return self(N_("{n} points"), n=f"{100 * value:+.2f}")

    def moment(self, at: datetime) -> str:
        """Returns a time in the report's time zone, to the minute."""
        return f"{at.astimezone(self.zone):%Y-%m-%d %H:%M}"

    def zone_name(self, at: datetime) -> str:
        return at.astimezone(self.zone).tzname() or "UTC"

    def duration(self, seconds: float) -> str:
        """Returns `seconds` in at most two units: 4 ms, 0.25 s, 3 min 20 s, 2 d 4 h."""
        if seconds < 0.1:
            return self("{n} ms", n=f"{seconds * 1000:.0f}" if seconds >= 0.01 else f"{seconds * 1000:.1f}")
        if seconds < 60:
            return self("{n} s", n=f"{seconds:.2f}" if seconds < 10 else f"{seconds:.0f}")
        whole = int(seconds)
        for (unit, size), (smaller, smaller_size) in itertools.pairwise(_UNITS):
            if whole >= size:
                text, rest = self(unit, n=whole // size), whole % size // smaller_size
                return f"{text} {self(smaller, n=rest)}" if rest else text
        raise AssertionError("a minute or more is at least one of the units")


def one_line(text: str, limit: int) -> str:
    """Returns a foreign text on one line of at most `limit` characters, with what is not printable escaped."""
    text = " ".join(text.split())
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return text if len(text) <= limit else f"{text[:limit]}…"


def number(value: float) -> str:
    """Returns a count or a rate: whole from 100 on, else with up to two decimals."""
    if isinstance(value, int) or float(value).is_integer() or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:,.2f}" if abs(value) < 10 else f"{value:,.1f}"


def percent(share: float) -> str:
    """Returns a share as a percentage; only 1 is shown as 100 %, and only 0 as 0 %."""
    if not 0 < share < 1:
        return f"{share:.0%}"
    decimals = 2 if share > 0.99 or share < 0.01 else 1
    least = 10.0 ** -(decimals + 2)
    return f"{min(max(share, least), 1 - least):.{decimals}%}"
