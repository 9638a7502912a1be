"""Exports a process's own state as Prometheus metrics: threads, agents, duties, the dashboard, health."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from taskyard.core import threads
from taskyard.worker.agents.pool import Pool
from taskyard.worker.duties.outcomes import Duties
from taskyard.worker.logging.setup import lost_lines
from taskyard.worker.monitor.families import PREFIX


class ProcessFamilies(Collector):
    """The metrics of a worker or of a host of agents, which has no duties."""

    def __init__(self, pool: Pool, problems: Callable[[], list[str]], duties: Duties | None = None) -> None:
        self._pool, self._problems, self._duties = pool, problems, duties

    def collect(self) -> Iterable[Metric]:
        """Yields all families."""
        escapes = CounterMetricFamily(
            f"{PREFIX}thread_escapes", "Uncaught exceptions of a thread.", labels=["process", "thread"]
        )
        for process, counts in (("self", threads.escapes()), ("agents", self._pool.escapes())):
            for thread, count in counts.items():
                escapes.add_metric([process, thread], count)
        yield escapes
        text = "Problems of this process."
        yield GaugeMetricFamily(f"{PREFIX}health_problems", text, value=len(self._problems()))
        yield CounterMetricFamily(f"{PREFIX}log_lines_lost", "Log lines that were lost.", value=lost_lines())
        unwell = len(self._pool.unwell())
        agents = GaugeMetricFamily(f"{PREFIX}pool_agents", "Agents of this host's pool.", labels=["state"])
        agents.add_metric(["working"], max(0, self._pool.size - unwell))
        agents.add_metric(["unhealthy"], unwell)
        yield agents
        starts = CounterMetricFamily(f"{PREFIX}pool_agent_starts", "Starts of agent processes.", labels=["agent"])
        for name, count in self._pool.starts.items():
            starts.add_metric([name], count)
        yield starts
        if self._duties is not None:
            yield from self._of_duties(self._duties)

    def _of_duties(self, duties: Duties) -> Iterable[Metric]:
        failures = CounterMetricFamily(f"{PREFIX}duty_failures", "Runs of a duty that failed.", labels=["duty"])
        running = GaugeMetricFamily(f"{PREFIX}duty_running_seconds", "How long a duty has run.", labels=["duty"])
        for name, seconds in duties.running_seconds().items():
            failures.add_metric([name], duties.failures[name])
            running.add_metric([name], seconds)
        yield from (failures, running)
