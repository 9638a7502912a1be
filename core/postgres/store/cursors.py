"""Encodes positions in a search as one short text that fits a URL (pure)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

from taskyard.core.i18n import msg
from taskyard.core.ids import is_id
from taskyard.core.payload.culprits import refused

_EXPECTED = msg("a cursor from an earlier page of this search")


@dataclass(frozen=True, slots=True)
class Cursor:
    """The start of a page of core.postgres.store.search: behind the task `id` (before it if `is_back`).

    Orders other than age also have the task's `key` and the range of ids for which it holds, from `low` up to but
    excluding `high`; without an id the page begins a range below `high`. `as_of` is the time (epoch seconds) at which
    the run times of running tasks are measured.
    """

    is_back: bool = False
    id: str | None = None
    key: float | None = None
    low: str | None = None
    high: str | None = None
    as_of: float | None = None

    def __str__(self) -> str:
        values = (self.id, self.key, self.low, self.high, self.as_of)
        return "~".join(["b" if self.is_back else "f", *("" if value is None else str(value) for value in values)])

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parses the text form of a cursor; raises SubmissionError."""
        parts = text.split("~")
        if len(parts) != 6 or parts[0] not in ("b", "f"):
            raise refused("after", text, _EXPECTED)
        direction, id_, key, low, high, as_of = parts
        ids = [_id(text, part) for part in (id_, low, high)]
        return cls(direction == "b", ids[0], _number(text, key), ids[1], ids[2], _number(text, as_of))


def _id(text: str, part: str) -> str | None:
    if part and not is_id(part):
        raise refused("after", text, _EXPECTED)
    return part or None


def _number(text: str, part: str) -> float | None:
    try:
        number = float(part) if part else None
    except ValueError:
        number = math.nan
    if number is not None and not math.isfinite(number):
        raise refused("after", text, _EXPECTED)
    return number
