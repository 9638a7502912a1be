"""Wires the worker: what starts and stops in which order, and what signals do."""

from __future__ import annotations

import gc
import os
import socket
import sys
import time
from dataclasses import asdict
from datetime import UTC

import structlog

from core import migrations
from core.clock import Clock
from core.config import Settings
from core.database import Database
from core.embedded import EmbeddedServers, Endpoints
from core.errors import Unavailable
from core.keys import Keys
from core.queue import Queue
from core.recent_log import RecentLog
from core.redis_client import connect_redis
from core.registry import registry
from core.store import reading, recovering
from core.submission import Submitter
from core.supervision import OnEscape, Supervised, start_thread
from worker import doctor
from worker.agents.pool import Pool
from worker.agents.pool_config import load_pool
from worker.dashboard_keeper import DashboardKeeper
from worker.dashboard_process import ROOT, DashboardProcess
from worker.dispatcher import Dispatcher
from worker.duties import Duties
from worker.exporter import Exporter
from worker.health import HealthLog, WorkerHealth
from worker.jobs import schedule
from worker.logs import configure_logs
from worker.monitor.families import Families
from worker.monitor.monitor import Monitor
from worker.monitor.process_families import ProcessFamilies
from worker.ports import check_ports
from worker.reporting import Reporting
from worker.retention import Retention
from worker.sample import sample_workload
from worker.stopping import StopSignals
from worker.term import TermFactory

# The dispatcher's two threads take turns; Python's default of 5 ms would be most of a tick.
SWITCH_INTERVAL_SECONDS = 0.0005
# A busy tick makes thousands of objects that are gone by the next one, and hardly any in circles.
GC_THRESHOLD = 20_000
LOOPBACK = ("127.0.0.1", "::1", "localhost")

log = structlog.get_logger(__name__)


class Worker:
    """Dispatcher, agent pool and scheduler of one process."""

    def __init__(self, settings: Settings, endpoints: Endpoints, servers: EmbeddedServers | None = None) -> None:
        self.settings = settings
        self._servers = servers
        self.database = Database(endpoints.database_url)
        self.queue = Queue(connect_redis(endpoints.redis_url), settings.namespace, settings.placement_of)
        self._clock = Clock()
        name = f"{socket.gethostname()}:{os.getpid()}"
        terms = TermFactory(settings, registry, endpoints.database_url, self.queue, name, self._clock)
        self.dispatcher = Dispatcher(terms, self._clock)
        self.pool = Pool(
            load_pool(settings.pool_file), endpoints.redis_url, self.queue, settings.grace_seconds, settings.data_dir
        )
        self._retention = Retention(settings, self.database)
        self._reporting = Reporting(settings, self.database, self._clock)
        self.monitor = Monitor(settings, self.database, self.queue, self.dispatcher, name, self._clock)
        self._is_stopping = False
        self.duties = Duties(self._clock.monotonic)
        servers_seen = self.monitor.observer.server_watch
        self.health = WorkerHealth(
            self.dispatcher.progress, self.duties, self.pool, servers_seen, lambda: self._is_stopping
        )
        self.monitor.watch(self.health, self.duties)
        recent, is_leading = self.monitor.observer.recent, self.dispatcher.is_leading.is_set
        self._exporter = Exporter(
            settings,
            [
                Families(recent, lambda: self.monitor.observer.live, is_leading),
                ProcessFamilies(self.pool, self.health.problems, self.duties),
            ],
            health=self.health.problems,
            readiness=self.health.unready,
        )
        self._health_log = HealthLog(self.health.problems, self.monitor.tell_directly)
        self._scheduler = schedule(self, self.duties)
        self._dispatching: Supervised | None = None
        self._supervising: Supervised | None = None

    def start(self) -> None:
        """Starts everything; returns at once."""
        sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
        gc.collect()
        gc.freeze()  # modules and settings: they stay, and need not be looked at again and again
        gc.set_threshold(GC_THRESHOLD, *gc.get_threshold()[1:])
        self.ensure_partitions()
        if self.settings.metrics_port:
            self._exporter.start()
        self._dispatching = start_thread(
            "dispatcher", self.dispatcher.run, OnEscape.GO_ON, is_essential=True, is_over=lambda: self._is_stopping
        )
        # begun anew it goes on with its agents, also with draining them
        self._supervising = start_thread("pool", self.pool.run, OnEscape.GO_ON, is_essential=True)
        self.duties.restart()
        self._scheduler.start()
        self.monitor.start_judging()
        self._health_log.start()

    def stop(self) -> None:
        """Drains the agents, records what they report, gives up leadership."""
        self._is_stopping = True
        self._health_log.stop()
        self.pool.stop()
        if self._supervising is not None:
            self._supervising.join()
        self._wait_for_reports()
        self.monitor.close()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        self._exporter.stop()
        self.dispatcher.stop()
        if self._dispatching is not None:
            self._dispatching.join()
        self.database.close()

    def hurry(self) -> None:
        """Makes a `stop` under way end at once, as far as nothing hangs in it."""
        self.pool.kill()
        self.dispatcher.stop()

    # duties

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
        """Starts embedded servers again that died; raises Unavailable if one does not start, and is called again."""
        if self._servers is not None and not self._is_stopping:
            for name in self._servers.keep():
                log.error("server.restarted", server=name)

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
    shipper = configure_logs(settings.log_level)
    if demo:
        settings = _with_code_execution(settings)
    check_ports(settings, dashboard=dashboard)
    signals = StopSignals()
    with EmbeddedServers.missing_from(settings) as servers:
        endpoints = Endpoints(settings.database_url or servers.database_url, settings.redis_url or servers.redis_url)
        if migrate or settings.database_url is None:
            migrations.migrate(endpoints.database_url)
        doctor.require(settings, endpoints)
        registry.load(settings.task_modules)
        recent_log = RecentLog(connect_redis(endpoints.redis_url), Keys(settings.namespace))
        shipper.start(recent_log, f"worker {socket.gethostname()}")
        worker = Worker(settings, endpoints, servers)
        page = DashboardKeeper(DashboardProcess(settings)) if dashboard else None
        worker.health.dashboard = page
        signals.on_hurry(worker.hurry, servers.stop)
        try:
            worker.start()
            if page is not None:
                page.start()
            if demo:
                _submit_sample(worker)
            if page is not None and page.wait_until_ready():
                _invite(page.page, settings)
            signals.told.wait()
            log.info("worker.draining", grace_seconds=settings.grace_seconds, hint="again ends at once")
        finally:
            worker.stop()
            if page is not None:
                page.stop()
            log.info("worker.stopped")
            signals.note_stopped()
            shipper.close()
    signals.note_closed()
    return 0


def _invite(page: DashboardProcess, settings: Settings) -> None:
    """Says where the page is, on standard output if somebody reads that."""
    if page.port != settings.dashboard_port:
        log.warning("dashboard.moved", wanted=settings.dashboard_port, url=page.url, fix_by="TASKYARD_DASHBOARD_PORT")
    try:
        print(f"\n  Taskyard is up: {page.url}   (Ctrl-C stops it)\n", flush=True)
    except OSError as error:
        log.warning("dashboard.started", url=page.url, unsaid_because=str(error))


def _with_code_execution(settings: Settings) -> Settings:
    """A demo may run code if only this machine can reach the page, and nobody decided otherwise."""
    variable = "TASKYARD_ALLOW_CODE_EXECUTION"
    if "allow_code_execution" in settings.model_fields_set or settings.dashboard_host not in LOOPBACK:
        return settings
    os.environ[variable] = "true"  # for the agents and their children
    log.warning("code_execution.allowed", reason="the dashboard listens on loopback only", off_by=f"{variable}=false")
    return settings.model_copy(update={"allow_code_execution": True})


def _submit_sample(worker: Worker) -> None:
    with worker.database.transaction() as tx:
        if reading.has_tasks(tx):
            return
    submitter = Submitter(worker.settings, registry, worker.database, worker.queue)
    count = len(submitter.submit_many(sample_workload(ROOT)))
    log.info("sample.submitted", tasks=count)
