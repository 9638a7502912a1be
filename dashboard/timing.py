"""How long the server takes for what viewers see, as Prometheus metrics of the dashboard's own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

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


@contextmanager
def timed(section: str) -> Iterator[None]:
    """Measures one refresh of a section."""
    began = time.perf_counter()
    try:
        yield
    finally:
        _refresh_seconds.labels(section).observe(time.perf_counter() - began)
