"""Wires the worker: what starts and stops in which order, and what signals do."""

from __future__ import annotations

import gc
import os
import socket
import sys
import threading
import time
from dataclasses import asdict
from datetime import UTC
from pathlib import Path

import structlog

from core import migrations
from core.clock import DatabaseClock
from core.config import Settings
from core.database import Database
from core.embedded import EmbeddedServers, Endpoints
from core.errors import Busy, ConfigurationError, Unavailable
from core.keys import Keys
from core.private_files import refuse_inspection
from core.queue import Queue
from core.recent_log import RecentLog
from core.redis_client import connect_redis
from core.registry import registry
from core.store import recovering
from worker import doctor, entry_link, unmatched
from worker.agents.pool import Pool
from worker.agents.pool_config import load_pool
from worker.dashboard_process import DashboardProcess
from worker.demo import submit_sample, with_code_execution, with_samples
from worker.dispatcher import Dispatcher
from worker.exporter import Exporter
from worker.jobs import schedule
from worker.logs import configure_logs
from worker.monitor.families import Families
from worker.monitor.monitor import Monitor
from worker.reporting import Reporting
from worker.retention import Retention
from worker.signals import Signals
from worker.steady_time import SteadyTime
from worker.term import TermFactory

# The dispatcher's two threads take turns; Python's default of 5 ms would be most of a tick.
SWITCH_INTERVAL_SECONDS = 0.0005
# A busy tick makes thousands of objects that are gone by the next one, and hardly any in circles.
GC_THRESHOLD = 20_000

log = structlog.get_logger(__name__)


class Worker:
    """Dispatcher, agent pool and scheduler of one process."""

    def __init__(self, settings: Settings, endpoints: Endpoints, servers: EmbeddedServers | None = None) -> None:
        self.settings = settings
        self._servers = servers
        self.database = Database(endpoints.database_url)
        self.queue = Queue(connect_redis(endpoints.redis_url), settings.namespace, settings.placement_of)
        self._clock = DatabaseClock()
        self._steady = SteadyTime(self._clock)
        name = f"{socket.gethostname()}:{os.getpid()}"
        terms = TermFactory(settings, registry, endpoints.database_url, self.queue, name, self._clock)
        self.dispatcher = Dispatcher(terms, self._clock)
        self.pool = Pool(
            load_pool(settings.pool_file), endpoints.redis_url, self.queue, settings.grace_seconds, settings.data_dir
        )
        self._retention = Retention(settings, self.database, self._steady)
        self._reporting = Reporting(settings, self.database, self._clock, self._steady)
        self.monitor = Monitor(settings, self.database, self.queue, self.dispatcher, name, self._clock, self._steady)
        self._exporter = Exporter(
            settings.metrics_host,
            settings.metrics_port,
            Families(
                self.monitor.observer.recent, lambda: self.monitor.observer.live, self.dispatcher.is_leading.is_set
            ),
            health=self._health,
            readiness=self._readiness,
            names=settings.metrics_hosts,
        )
        self._scheduler = schedule(self, self._clock)
        self._dispatching = threading.Thread()
        self._supervising = threading.Thread(target=self.pool.run, name="pool", daemon=True)
        self._is_stopping = False

    def start(self) -> None:
        """Starts everything; returns at once."""
        sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
        gc.collect()
        gc.freeze()  # modules and settings: they stay, and need not be looked at again and again
        gc.set_threshold(GC_THRESHOLD, *gc.get_threshold()[1:])
        self.read_time()
        self.ensure_partitions()
        self.keep_dispatcher()
        self._supervising.start()
        self._scheduler.start()
        if self.settings.metrics_port:
            self._exporter.start()

    def stop(self) -> None:
        """Drains the agents, records what they report, gives up leadership."""
        self._is_stopping = True
        self.pool.stop()
        self._supervising.join()
        self._wait_for_reports()
        self.monitor.close()
        self._scheduler.shutdown(wait=False)
        self._exporter.stop()
        self.dispatcher.stop()
        self._dispatching.join()
        self.database.close()

    def hurry(self) -> None:
        """Makes a `stop` under way end at once."""
        self.pool.kill()
        self.dispatcher.stop()

    # duties

    def keep_dispatcher(self) -> None:
        """Starts the dispatcher's thread if it does not run."""
        if not self._dispatching.is_alive() and not self._is_stopping:
            self._dispatching = threading.Thread(target=self.dispatcher.run, name="dispatcher", daemon=True)
            self._dispatching.start()

    def read_time(self) -> None:
        """Has everything in this worker go by the database's time."""
        try:
            with self.database.transaction() as tx:
                self._steady.begin(tx)
                self._clock.note(recovering.database_time(tx))
        except (Unavailable, Busy) as error:  # what waits for PostgreSQL says so
            log.debug("time.waiting", reason=str(error))

    def ensure_partitions(self) -> None:
        """Makes the audit log's partitions of the next days."""
        try:
            with self.database.transaction() as tx:
                made = recovering.ensure_partitions(tx, self._clock.now().astimezone(UTC).date())
        except Unavailable as error:
            log.warning("partitions.waiting", reason=str(error))
        else:
            if made:
                log.info("partitions.made", first=made[0], count=len(made))

    def prune(self) -> None:
        """Removes what is older than its retention, if this worker leads."""
        if not self.dispatcher.is_leading.is_set():
            return
        try:
            removed = self._retention.prune("worker", may_go_on=self._may_go_on, progress=lambda what, count: None)
        except Unavailable as error:
            log.warning("retention.waiting", reason=str(error))
        else:
            if removed:
                log.info("retention.pruned", **asdict(removed))

    def write_reports(self) -> None:
        """Writes the reports of the last day and week that are missing, if this worker leads."""
        if self.dispatcher.is_leading.is_set():
            self._reporting.write_due(self._may_go_on)

    def _may_go_on(self) -> bool:
        return self.dispatcher.is_leading.is_set() and not self._is_stopping

    def keep_servers(self) -> None:
        """Starts embedded servers again that died."""
        if self._servers is not None and not self._is_stopping:
            self._servers.start()

    def _health(self) -> list[str]:
        """Why this process has to be restarted."""
        return [] if self._dispatching.is_alive() or self._is_stopping else ["the dispatcher's thread has ended"]

    def _readiness(self) -> list[str]:
        """Why this worker can neither lead nor stand by."""
        problems = self._health() + (["the worker is stopping"] if self._is_stopping else [])
        servers = self.monitor.observer.servers
        if servers is None:
            return [*problems, "the servers have not been looked at yet"]
        return problems + [server.problem or f"{server.name} is away" for server in servers if not server.is_up]

    def _wait_for_reports(self, timeout_seconds: float = 5.0) -> None:
        """Lets the dispatcher record what the agents reported last."""
        deadline = time.monotonic() + timeout_seconds
        while self.dispatcher.is_leading.is_set() and time.monotonic() < deadline:
            try:
                if self.queue.results_length() == 0:
                    return
            except Unavailable:
                return
            time.sleep(0.02)


def run_worker(settings: Settings, *, dashboard: bool, demo: bool, migrate: bool) -> int:
    """The main job: servers, worker, dashboard, until a signal; returns the exit code.

    Raises ConfigurationError or Unavailable if something it needs is wrong or missing.
    """
    refuse_inspection()
    shipper = configure_logs(settings.log_level)
    if demo:
        settings = with_samples(with_code_execution(settings))
    signals = Signals()
    with EmbeddedServers.missing_from(settings) as servers:
        endpoints = Endpoints(settings.database_url or servers.database_url, settings.redis_url or servers.redis_url)
        if migrate or settings.database_url is None:
            migrations.migrate(endpoints.database_url)
        doctor.require(settings, endpoints)
        registry.load(settings.task_modules)
        unmatched.warn(settings, registry, is_worker=True)
        recent_log = RecentLog(connect_redis(endpoints.redis_url), Keys(settings.namespace))
        shipper.start(recent_log, f"worker {socket.gethostname()}")
        worker = Worker(settings, endpoints, servers)
        page = DashboardProcess(settings) if dashboard else None
        worker.start()
        signals.on_second = worker.hurry
        try:
            if page is not None:
                page.start()
            if demo:
                submit_sample(worker)
            if page is not None and page.wait_until_ready():
                lines = entry_link.invitation(settings, worker.database, page.url)
                print("".join(f"\n  {line}" for line in lines), "\n", flush=True)
            signals.told.wait()
            log.info("worker.draining", grace_seconds=settings.grace_seconds, hint="again ends at once")
        finally:
            worker.stop()
            if page is not None:
                page.stop()
            log.info("worker.stopped")
            shipper.close()
    return 0


def run_agents(settings: Settings, pool_file: Path | None) -> int:
    """Runs agents alone, for a worker on another host; returns the exit code."""
    refuse_inspection()
    shipper = configure_logs(settings.log_level)
    if settings.redis_url is None:
        raise ConfigurationError(["TASKYARD_REDIS_URL: not set: agents on a host of their own need it"])
    signals = Signals()
    registry.load(settings.task_modules)
    unmatched.warn(_with_pool(settings, pool_file), registry, is_worker=False)
    queue = Queue(connect_redis(settings.redis_url), settings.namespace, settings.placement_of)
    queue.ping()
    shipper.start(RecentLog(queue.redis, queue.keys), f"pool {socket.gethostname()}")
    specs = load_pool(_with_pool(settings, pool_file).pool_file)
    pool = Pool(specs, settings.redis_url, queue, settings.grace_seconds, settings.data_dir)
    signals.on_second = pool.kill
    supervising = threading.Thread(target=pool.run, name="pool", daemon=True)
    supervising.start()
    signals.told.wait()
    log.info("agents.draining", grace_seconds=settings.grace_seconds, hint="again ends at once")
    pool.stop()
    supervising.join()
    shipper.close()
    return 0


def _with_pool(settings: Settings, pool_file: Path | None) -> Settings:
    return settings if pool_file is None else settings.model_copy(update={"pool_file": pool_file})
