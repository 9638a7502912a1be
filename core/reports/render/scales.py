"""Computes axes of charts: ticks at round numbers and at round times (pure)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime, timedelta, tzinfo

from taskyard.core.reports.render.wording import ValueKind, Wording

TICKS_WANTED = 5
MAX_TIME_TICKS, MAX_LONG_TICKS = 8, 4  # of labels such as 14:30 or 11-24, and of 11-24 14:30, so that none collide
FLOORS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.99, 0.995, 0.999)
_LONG = "%m-%d %H:%M"
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_TIME_STEPS = (
    *(_MINUTE * n for n in (1, 2, 5, 10, 15, 30)),
    *(_HOUR * n for n in (1, 2, 3, 6, 12)),
    *(_DAY * n for n in (1, 2, 7, 14, 28, 56, 112, 224)),
)


def ticks(most: float, wanted: int = TICKS_WANTED, *, whole: bool = False) -> list[float]:
    """Returns round numbers from 0 to `most` or slightly more.

    Steps are 1, 2 or 5 times a power of ten, on request whole. After Heckbert, "Nice numbers for graph labels",
    Graphics Gems, 1990.
    """
    if not most > 0 or not math.isfinite(most):
        return [0.0, 1.0]
    rough = most / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    if whole:
        step = max(1.0, step)
    return [step * number for number in range(math.ceil(most / step - 1e-9) + 1)]


def floor_of(shares: Iterable[float | None]) -> float:
    """Returns the start of an axis of shares close to 100 %: a round share below the least."""
    least = min((share for share in shares if share is not None), default=0.0)
    return max((floor for floor in FLOORS if floor < least), default=0.0)


def time_ticks(since: datetime, until: datetime, zone: tzinfo) -> list[tuple[datetime, str]]:
    """Returns round times of the zone within a range, with their labels."""
    seconds = (until - since).total_seconds()
    step = next((step for step in _TIME_STEPS if seconds / step <= _most_ticks(step, seconds)), _TIME_STEPS[-1])
    local = since.astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    if step > _DAY:  # the same ticks wherever the range begins
        midnight -= timedelta(days=midnight.toordinal() % (step // _DAY))
    shape = _shape(step, seconds)
    found = []
    # by local time, so that midnight stays midnight when the clocks go forward
    for number in range(math.ceil(((until - midnight).total_seconds() + _HOUR) / step) + 1):
        at = midnight + timedelta(seconds=number * step)
        if since <= at <= until:
            found.append((at, at.strftime(shape)))
    return found


def _shape(step: int, seconds: float) -> str:
    return "%m-%d" if step >= _DAY else "%H:%M" if seconds <= 1.5 * _DAY else _LONG


def _most_ticks(step: int, seconds: float) -> int:
    return MAX_LONG_TICKS if _shape(step, seconds) == _LONG else MAX_TIME_TICKS


def tick_label(value: float, kind: ValueKind, words: Wording) -> str:
    """Returns the label of a number on an axis."""
    if kind is ValueKind.SHARE:
        return f"{100 * value:.6g}%"
    if kind is ValueKind.SECONDS:
        return words.duration(value) if value else "0"
    return f"{value:,.10g}"
