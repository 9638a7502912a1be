"""Exports how well predicted run times hold as Prometheus metrics."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from taskyard.core.telemetry.learning_live import LearningLive


def learning_families(prefix: str, learning: LearningLive) -> Iterable[Metric]:
    """Yields the families; those of which nothing is known yet are left out."""
    help_ = "Ended tasks by where their run time fell: below, inside or above the predicted 80 % interval."
    results = CounterMetricFamily(f"{prefix}prediction_results", help_, labels=["place"])
    inside = learning.tasks - learning.below - learning.above
    for place, count in (("below", learning.below), ("inside", inside), ("above", learning.above)):
        results.add_metric([place], count)
    yield results
    help_ = "Second attempts beside slow ones, since this worker leads."
    hedges = CounterMetricFamily(f"{prefix}second_attempts", help_, labels=["event"])
    hedges.add_metric(["begun"], learning.hedges_begun)
    hedges.add_metric(["won"], learning.hedges_won)
    yield hedges
    help_ = "Kinds of tasks whose run times are known: types, with their creators and sizes."
    yield GaugeMetricFamily(f"{prefix}prediction_keys", help_, value=learning.keys)
    if learning.coverage is not None:
        help_ = "Share of the last 1,000 run times within their predicted 80 % interval."
        yield GaugeMetricFamily(f"{prefix}prediction_coverage_ratio", help_, value=learning.coverage)
    if learning.error_factor is not None:
        help_ = "Factor by which predicted run times are typically off, since this worker leads; 1 is exact."
        yield GaugeMetricFamily(f"{prefix}prediction_error_factor", help_, value=learning.error_factor)
    if learning.starts is not None and learning.starts.coverage is not None:
        help_ = "Share of the last 500 waiting tasks that started within their estimated range."
        yield GaugeMetricFamily(f"{prefix}start_estimate_coverage_ratio", help_, value=learning.starts.coverage)
