"""Measures on simulated traffic how often anomalies are reported falsely, and how soon real ones are detected.

Submissions are Poisson with a daily rhythm, run times lognormal, failures binomial. The measure is the shipped
rule's result: an episode begins at FIRES and ends below CLEARS.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from taskyard.core.telemetry.anomaly import SLOT_MINUTES, WINDOWS_MINUTES, Slot, judge, past_of
from taskyard.worker.devtools.bench.environment import Environment
from taskyard.worker.devtools.bench.results import Result

FIRES, CLEARS = 6.0, 4.0
DAY_MINUTES = 1440
PAST_DAYS = 14
STEADY_DAYS = 4
TRIALS = 20
PATIENCE_MINUTES = 30
MEASURES = ("arrival rate", "failure rate", "duration")


@dataclass(frozen=True, slots=True)
class Traffic:
    """A simulated type: tasks a minute at noon, failing share, median seconds and their log spread."""

    per_minute: float
    failing: float = 0.03
    seconds: float = 2.0
    spread: float = 0.8


LOW, MIDDLE, HIGH = Traffic(2.0), Traffic(20.0), Traffic(200.0)
CHANGES: dict[str, tuple[str, Callable[[Traffic], Traffic]]] = {
    "duration_x1.5": ("duration", lambda t: replace(t, seconds=t.seconds * 1.5)),
    "duration_x2": ("duration", lambda t: replace(t, seconds=t.seconds * 2)),
    "failures_+10": ("failure rate", lambda t: replace(t, failing=t.failing + 0.10)),
    "failures_+30": ("failure rate", lambda t: replace(t, failing=t.failing + 0.30)),
    "arrivals_x0.5": ("arrival rate", lambda t: replace(t, per_minute=t.per_minute * 0.5)),
    "arrivals_x2": ("arrival rate", lambda t: replace(t, per_minute=t.per_minute * 2)),
    "arrivals_none": ("arrival rate", lambda t: replace(t, per_minute=0.0)),
}


def measure_anomalies(environment: Environment) -> list[Result]:
    """Measures false alarms on steady traffic, then the delay until a change is detected."""
    results = []
    for name, traffic in (("low", LOW), ("middle", MIDDLE), ("high", HIGH)):
        alarms, days = _false_alarms(traffic)
        what = f"a type, measure and day, at {traffic.per_minute:g} tasks/min; {days} simulated days"
        results.append(Result(f"anomaly_false_{name}", alarms / days / len(MEASURES), "alarms", what))
    for name, (measure, change) in CHANGES.items():
        delays = [_delay(MIDDLE, change(MIDDLE), measure, seed) for seed in range(TRIALS)]
        found = sorted(delay for delay in delays if delay is not None)
        share = f"{len(found)} of {TRIALS} within {PATIENCE_MINUTES} min"
        median = statistics.median(found) if found else math.nan
        p90 = found[math.ceil(0.9 * len(found)) - 1] if found else math.nan
        results.append(Result(f"anomaly_delay_{name}", median, "min", f"median; p90 {p90:g}; {share}"))
    return results


def simulated(draw: np.random.Generator, traffic: Traffic, first: int, minutes: int) -> list[Slot]:
    """Returns simulated minutes of a type, the first of them `first` minutes after midnight."""
    clock = np.arange(first, first + minutes)
    rhythm = 0.65 - 0.35 * np.cos(2 * np.pi * clock / DAY_MINUTES)
    counts = draw.poisson(traffic.per_minute * rhythm)
    failed = draw.binomial(counts, traffic.failing)
    logs = math.log(traffic.seconds) + traffic.spread * draw.standard_normal(minutes) / np.sqrt(np.maximum(counts, 1))
    return [Slot(int(n), int(n), int(f), int(n), float(m)) for n, f, m in zip(counts, failed, logs, strict=True)]


def joined(minutes: list[Slot]) -> Slot:
    """Returns some minutes as one slot."""
    ran = sum(slot.ran for slot in minutes)
    mean = sum(slot.mean_log * slot.ran for slot in minutes) / ran if ran else 0.0
    return Slot(
        sum(s.submitted for s in minutes), sum(s.ended for s in minutes), sum(s.failed for s in minutes), ran, mean
    )


def _scores(minutes: list[Slot], slots: dict[float, Slot], at: int) -> dict[str, float]:
    """Returns the scores of the windows that end with minute `at`, by measure."""
    presents = {window: joined(minutes[at + 1 - window : at + 1]) for window in WINDOWS_MINUTES}
    return {verdict.measure: abs(verdict.score) for verdict in judge(presents, past_of(slots, at * 60.0, 0.0))}


def _slots(minutes: list[Slot]) -> dict[float, Slot]:
    starts = range(0, len(minutes) - SLOT_MINUTES + 1, SLOT_MINUTES)
    return {start * 60.0: joined(minutes[start : start + SLOT_MINUTES]) for start in starts}


def _false_alarms(traffic: Traffic) -> tuple[int, int]:
    minutes = simulated(np.random.default_rng(1), traffic, 0, (PAST_DAYS + STEADY_DAYS) * DAY_MINUTES)
    slots = _slots(minutes)
    alarms, firing = 0, dict.fromkeys(MEASURES, False)
    for at in range(PAST_DAYS * DAY_MINUTES, len(minutes)):
        scores = _scores(minutes, slots, at)
        for measure in MEASURES:
            score = scores.get(measure, 0.0)
            alarms += score >= FIRES and not firing[measure]
            firing[measure] = score >= (CLEARS if firing[measure] else FIRES)
    return alarms, STEADY_DAYS


def _delay(before: Traffic, after: Traffic, measure: str, seed: int) -> int | None:
    """Returns the minutes from a change at some time of day until its detection."""
    draw = np.random.default_rng(1000 + seed)
    change = PAST_DAYS * DAY_MINUTES + int(draw.integers(DAY_MINUTES))
    minutes = simulated(draw, before, 0, change)
    slots = _slots(minutes)
    minutes += simulated(draw, after, change, PATIENCE_MINUTES)
    for at in range(change, change + PATIENCE_MINUTES):
        if _scores(minutes, slots, at).get(measure, 0.0) >= FIRES:
            return at - change + 1
    return None
