"""Detects anomalies: a task type's last minutes compared with its own past at the same time of day (pure).

The centre of the past is a median and its spread the median absolute deviation, scaled to a standard deviation, so
that past anomalies do not hide new ones; the score is how many such deviations the present is off, the modified
z-score of Iglewicz and Hoaglin ("How to Detect and Handle Outliers", ASQC, 1993). So that one threshold fits all,
measures are made comparable first: arrivals by the transform of Anscombe ("The transformation of Poisson, binomial
and negative-binomial data", Biometrika 35, 1948), failure shares by that of Freeman and Tukey ("Transformations
related to the angular and the square root", Annals of Mathematical Statistics 21, 1950), and durations by their
logarithm, each scaled by the number of attempts behind it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

SLOT_MINUTES = 10  # of the past
WINDOWS_MINUTES = (5, 20)  # of the present: a short one for large changes, a longer one for small ones
DAYS = 14
SLOTS_AROUND = 2  # before and after the same time of day
MIN_DAYS = 3  # fewer: the last hours replace the same time of day
RECENT_SLOTS = 18
RECENT_GAP_SLOTS = 2  # the very last ones may be part of the anomaly
MIN_SLOTS = 12
MIN_ATTEMPTS = 10
MIN_ARRIVALS = 5.0  # usual or present in a window; rarer work has no meaningful rate
MAD_SCALE = 1.4826  # of a normal distribution's median absolute deviation
MIN_LOG_SPREAD = 0.1
# Smaller changes than these are irrelevant, however certain.
MIN_RATIO = 1.2  # of durations
MIN_ARRIVAL_RATIO = 1.5
MIN_SHARE = 0.05  # of attempts that fail, more than usual
REPORTED_SCORE = 4.0


class Slot(NamedTuple):
    """A type's figures of some minutes: `ran` attempts had run times, of which `mean_log` is the mean logarithm."""

    submitted: int = 0
    ended: int = 0
    failed: int = 0
    ran: int = 0
    mean_log: float = 0.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """A measure that is off by `score` deviations. `value` and `expected` are in `unit`."""

    measure: str
    score: float
    value: float
    expected: float
    unit: str


def judge(presents: Mapping[int, Slot], past: Sequence[Slot]) -> list[Comparison]:
    """Returns the largest deviation of each measure from the past; empty while too little is known.

    `presents` holds the last minutes' figures by their number; each slot of the past covers SLOT_MINUTES.
    """
    if len(past) < MIN_SLOTS:
        return []
    worst: dict[str, Comparison] = {}
    for minutes, present in presents.items():
        for verdict in (_arrivals(present, past, minutes), _failures(present, past), _durations(present, past)):
            if verdict is not None and abs(verdict.score) >= REPORTED_SCORE:
                before = worst.get(verdict.measure)
                if before is None or abs(before.score) < abs(verdict.score):
                    worst[verdict.measure] = verdict
    return list(worst.values())


def _arrivals(present: Slot, past: Sequence[Slot], minutes: int) -> Comparison | None:
    expected = median(slot.submitted for slot in past) * minutes / SLOT_MINUTES
    if max(expected, present.submitted) < MIN_ARRIVALS or expected == 0:
        return None
    past_values = [_anscombe(slot.submitted) for slot in past]
    # chance alone is 1 after the transform, however long the window
    spread = max(1.0, _deviation(past_values, median(past_values)))
    score = (_anscombe(present.submitted) - _anscombe(expected)) / spread
    ratio = (present.submitted + 1) / (expected + 1)
    if 1 / MIN_ARRIVAL_RATIO < ratio < MIN_ARRIVAL_RATIO:
        return None
    return Comparison("arrival rate", score, present.submitted / minutes, expected / minutes, "per minute")


def _failures(present: Slot, past: Sequence[Slot]) -> Comparison | None:
    """Compares failures; only more than usual count as an anomaly."""
    known = [slot for slot in past if slot.ended]
    if present.ended < MIN_ATTEMPTS or sum(slot.ended for slot in known) < MIN_ATTEMPTS:
        return None
    expected = sum(slot.failed for slot in known) / sum(slot.ended for slot in known)
    share = present.failed / present.ended
    if share < expected + MIN_SHARE:
        return None
    centre = 2 * math.asin(math.sqrt(expected))
    residuals = [_failure_score(slot, centre) for slot in known]
    spread = max(1.0, _deviation(residuals, median(residuals)))
    return Comparison("failure rate", _failure_score(present, centre) / spread, 100 * share, 100 * expected, "%")


def _durations(present: Slot, past: Sequence[Slot]) -> Comparison | None:
    known = [slot for slot in past if slot.ran]
    if present.ran < MIN_ATTEMPTS or len(known) < MIN_SLOTS:
        return None
    centre = median(slot.mean_log for slot in known)
    change = present.mean_log - centre
    if abs(change) < math.log(MIN_RATIO):
        return None
    residuals = [(slot.mean_log - centre) * math.sqrt(slot.ran) for slot in known]
    spread = max(MIN_LOG_SPREAD, _deviation(residuals, 0.0))
    score = change * math.sqrt(present.ran) / spread
    return Comparison("duration", score, math.exp(present.mean_log), math.exp(centre), "s (geometric mean)")


def _anscombe(count: float) -> float:
    return 2 * math.sqrt(count + 3 / 8)


def _failure_score(slot: Slot, centre: float) -> float:
    """Returns a share's distance from the centre by double arcsine, in standard deviations of its attempt count."""
    low, high = slot.failed / (slot.ended + 1), (slot.failed + 1) / (slot.ended + 1)
    angle = math.asin(math.sqrt(low)) + math.asin(math.sqrt(high))
    return (angle - centre) * math.sqrt(slot.ended + 0.5)


def _deviation(values: Sequence[float], centre: float) -> float:
    return MAD_SCALE * median(abs(value - centre) for value in values)


def seasonal_starts(now: float) -> list[float]:
    """Returns the starts of past slots around this time of day, over DAYS days; epoch seconds, newest first."""
    slot_seconds = 60 * SLOT_MINUTES
    here = now // slot_seconds * slot_seconds
    offsets = range(-SLOTS_AROUND, SLOTS_AROUND + 1)
    return [here - day * 86_400 + offset * slot_seconds for day in range(1, DAYS + 1) for offset in offsets]


def recent_starts(now: float) -> list[float]:
    """Returns the starts of the slots of the last hours, except the very last ones; epoch seconds, newest first."""
    slot_seconds = 60 * SLOT_MINUTES
    here = now // slot_seconds * slot_seconds
    first = 1 + RECENT_GAP_SLOTS
    return [here - back * slot_seconds for back in range(first, first + RECENT_SLOTS)]


def past_of(found: dict[float, Slot], now: float, known_since: float) -> list[Slot]:
    """Returns the past slots to compare with: those of the same time of day if enough days are known.

    `found` holds the slots with events, by start; other slots since the type is known (epoch seconds) count as
    empty.
    """
    seasonal = [start for start in seasonal_starts(now) if start >= known_since]
    if len(seasonal) >= MIN_DAYS * (2 * SLOTS_AROUND + 1):
        return [found.get(start, Slot()) for start in seasonal]
    return [found.get(start, Slot()) for start in recent_starts(now) if start >= known_since]
