"""Exports how webhooks fare as Prometheus metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

OUTCOMES = ("delivered", "retried", "failed")


class WebhookFamilies(Collector):
    """The tries of this worker to deliver messages of webhooks, by what became of them."""

    def __init__(self, outcomes: Mapping[str, int]) -> None:
        self._outcomes = outcomes

    def collect(self) -> Iterable[Metric]:
        """Yields the family."""
        help_ = "Tries to deliver messages of webhooks."
        tries = CounterMetricFamily("taskyard_webhook_deliveries", help_, labels=["outcome"])
        for outcome in OUTCOMES:
            tries.add_metric([outcome], self._outcomes.get(outcome, 0))
        yield tries
