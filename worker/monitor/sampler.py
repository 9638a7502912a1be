"""Measures the host, this process and the live snapshot, and stores minutes of it in PostgreSQL."""

from __future__ import annotations

import math
import os
import socket
from pathlib import Path

import psutil

import taskyard
from taskyard.core.alerts.signals import HostUsage
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import rollups
from taskyard.core.postgres.store.rollups import MINUTE, Sample
from taskyard.core.telemetry.live_snapshot import LiveSnapshot
from taskyard.core.views.overview_marks import METRIC, SOURCE

KEPT_SAMPLES = 20_000  # while PostgreSQL is away
COUNTERS = frozenset({"commits", "rollbacks", "deadlocks", "temp_bytes", "commands", "evicted_keys"})


class Sampler:
    """`sample` runs every few seconds; `flush` stores whole minutes."""

    def __init__(self, database: Database, data_dir: Path) -> None:
        self._database = database
        self._data_dir = data_dir
        self._host = socket.gethostname()
        self._process = psutil.Process()
        self._samples: dict[tuple[float, str, str, str], Sample] = {}
        self._counters: dict[tuple[str, str, str], tuple[float, float]] = {}
        self.usage: HostUsage | None = None
        psutil.cpu_percent()  # the first call has nothing to compare with
        self._process.cpu_percent()

    def sample(self, live: LiveSnapshot | None, now: float) -> None:
        """Measures everything once; `now` is in epoch seconds. The leader's figures come from the live snapshot."""
        self._sample_host(now)
        self._sample_process(now)
        if live is not None:
            self._sample_live(live, now)

    def flush(self, now: float) -> None:
        """Stores completed minutes, all if `now` is infinite; raises Unavailable, and keeps them then."""
        current = math.inf if math.isinf(now) else _minute(now)
        over = [sample for sample in self._samples.values() if sample.at < current]
        if not over:
            return
        try:
            with self._database.transaction() as tx:
                rollups.add_samples(tx, over)
        finally:
            while len(self._samples) > KEPT_SAMPLES:
                del self._samples[next(iter(self._samples))]
        self._samples = {key: sample for key, sample in self._samples.items() if sample.at >= current}

    def _sample_host(self, now: float) -> None:
        memory = psutil.virtual_memory()
        disk = psutil.disk_usage(str(_existing(self._data_dir)))
        # as df counts: space reserved for root is not available
        disk_fraction = disk.used / (disk.used + disk.free) if disk.used + disk.free else 1.0
        memory_fraction = 1 - memory.available / memory.total
        self.usage = HostUsage({str(self._data_dir): disk_fraction}, memory_fraction)
        levels = {
            "cpu_percent": psutil.cpu_percent(),
            "load_1min": os.getloadavg()[0],
            "memory_used_bytes": memory.total - memory.available,
            "memory_used_ratio": memory_fraction,
            "disk_free_bytes": disk.free,
            "disk_used_ratio": disk_fraction,
        }
        for metric, value in levels.items():
            self._note(now, "host", self._host, metric, value)
        net, blocks = psutil.net_io_counters(), psutil.disk_io_counters()
        counters = {"network_sent_bytes": net.bytes_sent, "network_received_bytes": net.bytes_recv}
        if blocks is not None:  # a container may not show any
            counters |= {"disk_read_bytes": blocks.read_bytes, "disk_written_bytes": blocks.write_bytes}
        for metric, value in counters.items():
            self._note_counter(now, "host", self._host, metric, value)

    def _sample_process(self, now: float) -> None:
        with self._process.oneshot():
            figures = {
                "cpu_percent": self._process.cpu_percent(),
                "memory_bytes": self._process.memory_info().rss,
                "threads": self._process.num_threads(),
                "open_files": self._process.num_fds(),
            }
        for metric, value in figures.items():
            self._note(now, "process", f"worker {self._host}", metric, value)

    def _sample_live(self, live: LiveSnapshot, now: float) -> None:
        led = (_minute(now), "service", "leader", "led_minutes")  # once a minute: reports count these
        self._samples.setdefault(led, Sample(*led, 1, 1.0, 1.0, 1.0))
        self._note(now, SOURCE, taskyard.__version__, METRIC, live.dispatcher.epoch)
        for agent in live.agents:
            name = f"agent {agent.name}"
            self._note(now, "process", name, "cpu_percent", agent.cpu_percent)
            self._note(now, "process", name, "memory_bytes", agent.memory_bytes)
            self._note(now, "agent", agent.name, "running", agent.running)
            self._note(now, "agent", agent.name, "load_ratio", agent.running / max(1, agent.usable_slots))
        for server in live.servers:
            self._note(now, server.name, server.name, "up", server.is_up)
            if server.latency_seconds is not None:
                self._note(now, server.name, server.name, "latency_seconds", server.latency_seconds)
            for metric, value in server.figures.items():
                if metric in COUNTERS:
                    self._note_counter(now, server.name, server.name, metric, value)
                else:
                    self._note(now, server.name, server.name, metric, value)
        dispatcher = live.dispatcher
        for metric in ("ticks_per_second", "tick_seconds_mean", "commit_seconds_mean", "batch_size_mean"):
            self._note(now, "dispatcher", "leader", metric, getattr(dispatcher, metric))
        depths: dict[str, int] = {}
        for lane in live.lanes:
            depths[lane.queue] = depths.get(lane.queue, 0) + lane.ready
        for queue, depth in depths.items():
            self._note(now, "queue", queue, "waiting", depth)
        oldest: dict[str, float] = {}
        for lane in live.lanes:
            if lane.oldest_ready_at is not None:
                oldest[lane.queue] = max(oldest.get(lane.queue, 0.0), live.open_at - lane.oldest_ready_at)
        for queue, seconds in oldest.items():
            self._note(now, "queue", queue, "oldest_waiting_seconds", max(0.0, seconds))

    def _note_counter(self, now: float, source: str, name: str, metric: str, value: float) -> None:
        """Samples how fast a counter grows, per second; a reset skips one sample."""
        key = (source, name, metric)
        before = self._counters.get(key)
        self._counters[key] = (now, value)
        if before is not None and value >= before[1] and now > before[0]:
            self._note(now, source, name, f"{metric}_per_second", (value - before[1]) / (now - before[0]))

    def _note(self, now: float, source: str, name: str, metric: str, value: float) -> None:
        key = (_minute(now), source, name, metric)
        value = float(value)  # min() and max() would keep a bool, which PostgreSQL takes for no number
        sample = self._samples.get(key)
        if sample is None:
            self._samples[key] = Sample(*key, 1, value, value, value)
            return
        sample.count += 1
        sample.total += value
        sample.least = min(sample.least, value)
        sample.most = max(sample.most, value)


def _minute(now: float) -> float:
    return float(now // MINUTE * MINUTE)


def _existing(path: Path) -> Path:
    """Returns the path, or its nearest existing parent folder."""
    while not path.exists():
        path = path.absolute().parent
    return path
