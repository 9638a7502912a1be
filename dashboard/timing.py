"""Measures the server's refresh times, as Prometheus metrics of the dashboard."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.35, 0.5, 0.75, 1.0, 2.5, 5.0)

registry = CollectorRegistry()
ProcessCollector(registry=registry)
_refresh_seconds = Histogram(
    "taskyard_dashboard_refresh_seconds",
    "Server time of one refresh of a section of a page, from its reading to its last element",
    ["section"],
    buckets=BUCKETS,
    registry=registry,
)
_waits = threading.local()  # a section is drawn by one thread


@contextmanager
def timed(section: str) -> Iterator[None]:
    """Measures one refresh of a section."""
    began, _waits.seconds = time.perf_counter(), 0.0
    try:
        yield
    finally:
        _refresh_seconds.labels(section).observe(time.perf_counter() - began - _waits.seconds)


def wait(seconds: float) -> None:
    """Waits on purpose, without adding to the refresh time."""
    time.sleep(seconds)
    _waits.seconds = getattr(_waits, "seconds", 0.0) + seconds


@dataclass(frozen=True, slots=True)
class Refreshes:
    """The number and durations of a section's refreshes since this process began."""

    section: str
    count: int
    mean_seconds: float
    p50_seconds: float
    p95_seconds: float


def refreshes() -> list[Refreshes]:
    """Returns every section that was refreshed, slowest first; percentiles are interpolated within BUCKETS."""
    upto: dict[str, list[float]] = {}
    sums: dict[str, float] = {}
    for family in _refresh_seconds.collect():
        for sample in family.samples:  # buckets in order, each with those below it
            section = sample.labels["section"]
            if sample.name.endswith("_bucket"):
                upto.setdefault(section, []).append(sample.value)
            elif sample.name.endswith("_sum"):
                sums[section] = sample.value
    found = [
        Refreshes(section, int(counts[-1]), sums[section] / counts[-1], _quantile(counts, 0.5), _quantile(counts, 0.95))
        for section, counts in upto.items()
        if counts[-1]
    ]
    return sorted(found, key=lambda refresh: refresh.p95_seconds, reverse=True)


def _quantile(upto: Sequence[float], share: float) -> float:
    """Interpolates like Prometheus's histogram_quantile: linear within a bucket, and the highest bound for values
    above it.
    """
    rank = share * upto[-1]
    position = next(n for n, count in enumerate(upto) if count >= rank)
    if position == len(BUCKETS):
        return BUCKETS[-1]
    lower, below = (BUCKETS[position - 1], upto[position - 1]) if position else (0.0, 0.0)
    return lower + (BUCKETS[position] - lower) * (rank - below) / (upto[position] - below)
