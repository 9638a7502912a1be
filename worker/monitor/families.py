"""Exports the monitor's figures as Prometheus metrics, by its naming conventions: base units, `_total` for
counters.

All sets of labels are bounded: types, queues and agents beyond a limit are counted as "other".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from taskyard.core.telemetry.histogram import Histogram
from taskyard.core.telemetry.live_snapshot import AgentLive, LiveSnapshot
from taskyard.worker.monitor.learning_families import learning_families
from taskyard.worker.monitor.mail import mail_families
from taskyard.worker.monitor.recent import OTHER, Recent

MAX_LABELS = 200
BOUNDS_SECONDS = (
    0.001,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    300.0,
    1800.0,
    3600.0,
)
PREFIX = "taskyard_"


class Families(Collector):
    """The engine's metrics of `/metrics`. `is_leading` and `live` are called at each scrape."""

    def __init__(self, recent: Recent, live: Callable[[], LiveSnapshot | None], is_leading: Callable[[], bool]) -> None:
        self._recent = recent
        self._live = live
        self._is_leading = is_leading

    def collect(self) -> Iterable[Metric]:
        """Yields all families; those that only the leader knows are empty on another worker."""
        yield GaugeMetricFamily(f"{PREFIX}leader", "Whether this worker leads.", value=float(self._is_leading()))
        yield from self._attempts()
        yield from self._ticks()
        live = self._live()
        if live is not None:
            yield from _tasks(live)
            yield from _agents(live.agents)
            yield from _servers(live)
            help_ = "Items in quarantine, which could not be processed."
            yield GaugeMetricFamily(f"{PREFIX}quarantined_items", help_, value=live.quarantined)
            if live.mail is not None:
                yield from mail_families(PREFIX, live.mail)
            if live.learning is not None:
                yield from learning_families(PREFIX, live.learning)

    def _attempts(self) -> Iterable[Metric]:
        totals = self._recent.totals
        ended = CounterMetricFamily(f"{PREFIX}attempts", "Attempts that ended.", labels=["type", "outcome"])
        failures = CounterMetricFamily(
            f"{PREFIX}attempt_failures", "Attempts that failed.", labels=["type", "error_class"]
        )
        wait = HistogramMetricFamily(f"{PREFIX}attempt_wait_seconds", "From ready to started.", labels=["type"])
        run = HistogramMetricFamily(f"{PREFIX}attempt_run_seconds", "From started to ended.", labels=["type"])
        for name, counts in totals.items():
            outcomes = {
                "succeeded": counts.succeeded,
                "failed": counts.failed - counts.retried,
                "retried": counts.retried,
            }
            for outcome, count in outcomes.items():
                ended.add_metric([name, outcome], count)
            for error_class, count in counts.failures.items():
                failures.add_metric([name, error_class], count)
            wait.add_metric([name], _buckets(counts.wait), counts.wait.total_seconds)
            run.add_metric([name], _buckets(counts.run), counts.run.total_seconds)
        return [ended, failures, wait, run]

    def _ticks(self) -> Iterable[Metric]:
        ticks = self._recent.tick_totals
        help_ = "Ticks that changed something."
        yield CounterMetricFamily(f"{PREFIX}dispatcher_ticks", help_, value=ticks.count)
        yield CounterMetricFamily(f"{PREFIX}dispatcher_tasks", "Tasks that ticks changed.", value=ticks.tasks)
        yield CounterMetricFamily(f"{PREFIX}dispatcher_tick_seconds", "Time in ticks.", value=ticks.seconds)
        help_ = "Time in commits of ticks."
        yield CounterMetricFamily(f"{PREFIX}dispatcher_commit_seconds", help_, value=ticks.commit_seconds)


def _tasks(live: LiveSnapshot) -> Iterable[Metric]:
    tasks = GaugeMetricFamily(f"{PREFIX}tasks_open", "Unfinished tasks.", labels=["queue", "type", "state"])
    counts: dict[tuple[str, ...], float] = {}
    for group in live.open:
        counts[group.queue, group.type, group.state] = group.count
    for labels, count in _bounded(counts, keep=(2,)).items():
        tasks.add_metric(list(labels), count)
    yield tasks
    oldest = GaugeMetricFamily(
        f"{PREFIX}queue_oldest_waiting_seconds", "How long the oldest ready task has waited.", labels=["queue"]
    )
    ages: dict[tuple[str, ...], float] = {}
    for lane in live.lanes:
        if lane.oldest_ready_at is not None:
            seconds = max(0.0, live.open_at - lane.oldest_ready_at)
            ages[(lane.queue,)] = max(ages.get((lane.queue,), 0.0), seconds)
    for labels, seconds in sorted(ages.items(), key=lambda item: -item[1])[:MAX_LABELS]:
        oldest.add_metric(list(labels), seconds)
    yield oldest
    alerts = GaugeMetricFamily(f"{PREFIX}alerts_firing", "Alerts that are not resolved.", labels=["severity"])
    for severity in ("info", "warning", "critical"):
        alerts.add_metric([severity], sum(alert.severity == severity for alert in live.alerts))
    yield alerts


def _agents(agents: Iterable[AgentLive]) -> Iterable[Metric]:
    listed = sorted(agents, key=lambda agent: agent.name)
    states = GaugeMetricFamily(f"{PREFIX}agents", "Registered agents.", labels=["state"])
    for state in ("online", "draining", "paused"):
        states.add_metric([state], sum(agent.state == state for agent in listed))
    yield states
    gauges: dict[str, tuple[str, Callable[[AgentLive], float]]] = {
        "agent_running_tasks": ("Tasks that an agent runs.", lambda agent: agent.running),
        "agent_slots": ("Slots that an agent can use now.", lambda agent: agent.usable_slots),
        "agent_memory_bytes": ("Resident memory of an agent.", lambda agent: agent.memory_bytes),
        "agent_cpu_ratio": ("Cores that an agent keeps busy.", lambda agent: agent.cpu_percent / 100),
        "agent_open_breakers": ("Types whose circuit breaker is open for an agent.", lambda agent: len(agent.breakers)),
    }
    for name, (text, value) in gauges.items():
        family = GaugeMetricFamily(f"{PREFIX}{name}", text, labels=["agent"])
        counts: dict[tuple[str, ...], float] = {}
        for agent in listed:
            counts[(agent.name,)] = counts.get((agent.name,), 0.0) + value(agent)
        for labels, number in _bounded(counts).items():
            family.add_metric(list(labels), number)
        yield family


def _servers(live: LiveSnapshot) -> Iterable[Metric]:
    ages = [live.at - agent.heartbeat_at for agent in live.agents]
    text = "Age of the oldest last heartbeat."
    yield GaugeMetricFamily(f"{PREFIX}agent_heartbeat_age_seconds_max", text, value=max([0.0, *ages]))
    up = GaugeMetricFamily(f"{PREFIX}server_up", "Whether a server answers.", labels=["server"])
    latency = GaugeMetricFamily(f"{PREFIX}server_latency_seconds", "Duration of a check.", labels=["server"])
    for server in live.servers:
        up.add_metric([server.name], float(server.is_up))
        if server.latency_seconds is not None:
            latency.add_metric([server.name], server.latency_seconds)
    yield from (up, latency)
    for server in live.servers:
        size = server.figures.get("size_bytes" if server.name == "postgresql" else "memory_bytes")
        if size is not None:
            name = "database_size_bytes" if server.name == "postgresql" else "redis_memory_bytes"
            yield GaugeMetricFamily(f"{PREFIX}{name}", f"What {server.name} holds.", value=size)


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    bounds = [(repr(bound), float(histogram.count_within(bound))) for bound in BOUNDS_SECONDS]
    return [*bounds, ("+Inf", float(histogram.count))]


def _bounded(values: Mapping[tuple[str, ...], float], keep: tuple[int, ...] = ()) -> dict[tuple[str, ...], float]:
    """Returns the values of at most MAX_LABELS label sets; the smallest are summed up as "other" (except `keep`)."""
    ordered = sorted(values.items(), key=lambda item: -item[1])
    found = dict(ordered[:MAX_LABELS])
    for labels, value in ordered[MAX_LABELS:]:
        other = tuple(label if position in keep else OTHER for position, label in enumerate(labels))
        found[other] = found.get(other, 0.0) + value
    return found
