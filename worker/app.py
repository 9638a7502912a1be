"""Wires the worker: the order of its start and stop, and its signals."""

from __future__ import annotations

import gc
import os
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC

import structlog

from taskyard.core.clock import DatabaseClock
from taskyard.core.config import Settings
from taskyard.core.embedded.servers import EmbeddedServers, Endpoints
from taskyard.core.errors import Busy, Unavailable
from taskyard.core.postgres import migrations
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import recovery
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.connection import connect_redis
from taskyard.core.redis.keys import Keys
from taskyard.core.redis.log_tail import LogTail
from taskyard.core.redis.pools import Pools
from taskyard.core.task_types.registry import registry
from taskyard.core.threads import OnEscape, Supervised, start_thread
from taskyard.worker.agents import unmatched
from taskyard.worker.agents.launching import LaunchedAhead
from taskyard.worker.agents.pool import Pool
from taskyard.worker.agents.pool_config import load_kinds
from taskyard.worker.agents.pool_sizing import Sizing
from taskyard.worker.dispatch.dispatcher import Dispatcher
from taskyard.worker.dispatch.term import TermFactory
from taskyard.worker.doctor import report
from taskyard.worker.duties.outcomes import Duties
from taskyard.worker.learning.comparing import Comparing
from taskyard.worker.learning.learner import Learner
from taskyard.worker.logging.setup import configure_logs
from taskyard.worker.maintenance.declared_schedules import DeclaredSchedules
from taskyard.worker.maintenance.due_reports import DueReports
from taskyard.worker.maintenance.pool_sizes import PoolSizes
from taskyard.worker.maintenance.retention import Retention
from taskyard.worker.maintenance.scheduled_workflows import WorkflowsOfSchedules
from taskyard.worker.maintenance.steady_time import SteadyTime
from taskyard.worker.monitor.exported import exporter_of
from taskyard.worker.monitor.families import Families
from taskyard.worker.monitor.health import HealthLog, WorkerHealth
from taskyard.worker.monitor.monitor import Monitor
from taskyard.worker.monitor.process_families import ProcessFamilies
from taskyard.worker.monitor.webhook_families import WebhookFamilies
from taskyard.worker.process.garbage import keep_imported
from taskyard.worker.process.ports import check_ports
from taskyard.worker.process.stopping import StopSignals
from taskyard.worker.schedule import jobs, schedule
from taskyard.worker.web_servers import entry_link
from taskyard.worker.web_servers.pages import web_servers
from taskyard.worker.web_servers.web_process import WebProcess
from taskyard.worker.webhooks.duties import WebhookDuties

# The dispatcher's two threads take turns; Python's default of 5 ms would be most of a tick.
SWITCH_INTERVAL_SECONDS = 0.0001
# A busy tick makes thousands of objects that are gone by the next one, and hardly any cycles.
GC_THRESHOLD = 20_000

log = structlog.get_logger(__name__)


class Worker:
    """The dispatcher, agent pool and scheduler of one process."""

    def __init__(self, settings: Settings, endpoints: Endpoints, servers: EmbeddedServers | None = None) -> None:
        self.settings = settings
        self._servers = servers
        self.database = Database(endpoints.database_url)
        self.broker = Broker(connect_redis(endpoints.redis_url), settings.namespace, settings.placement_of)
        self._clock = DatabaseClock()
        self._steady = SteadyTime(self._clock)
        name = f"{socket.gethostname()}:{os.getpid()}"
        terms = TermFactory(settings, registry, endpoints.database_url, self.broker, name, self._clock)
        self.dispatcher = Dispatcher(terms, self._clock)
        pools = Pools(self.broker.redis, self.broker.keys)
        sizing = Sizing(load_kinds(settings.pool_file), pools, settings.agent_suffix, is_told=False)
        self.pool_sizes = PoolSizes(self.database, pools, sizing, self.dispatcher.is_leading.is_set)
        redis_url, grace_seconds = endpoints.redis_url, settings.grace_seconds
        self.pool = Pool([], redis_url, self.broker, grace_seconds, settings.data_dir, sizing=sizing)
        self._retention = Retention(settings, self.database, self._steady)
        self._reporting = DueReports(settings, self.database, self._clock, self._steady)
        self.monitor = Monitor(settings, self.database, self.broker, self.dispatcher, name, self._clock, self._steady)
        self._is_stopping = False
        observer = self.monitor.observer
        leading = (self.dispatcher, self._clock, settings.placement_of, lambda: observer.live)
        self.learner = Learner(self.database, self.broker, *leading)
        observer.learned = lambda: self.learner.live
        self.comparing = Comparing(settings, endpoints, self.database, self.dispatcher, self.learner)
        self._declared = DeclaredSchedules(settings, registry, self.database, self.broker, self._epoch)
        self._scheduled = WorkflowsOfSchedules(settings, registry, self.database, self.broker, self._may_go_on)
        self.webhooks = WebhookDuties(settings, self.database, self._steady, self._may_go_on)
        self.duties = Duties(self._clock.monotonic)
        servers_seen = self.monitor.observer.server_watch
        self.health = WorkerHealth(self.dispatcher, self.duties, self.pool, servers_seen, lambda: self._is_stopping)
        self.monitor.watch(self.health, self.duties)
        recent, is_leading = self.monitor.observer.recent, self.dispatcher.is_leading.is_set
        families = [
            Families(recent, lambda: self.monitor.observer.live, is_leading),
            ProcessFamilies(self.pool, self.health.problems, self.duties),
            WebhookFamilies(self.webhooks.courier.outcomes),
        ]
        answers = (self.health.problems, self.health.unready, self.monitor.observer.demand)
        self._exporter = exporter_of(settings, families, *answers)
        self._health_log = HealthLog(self.health.problems, self.monitor.send_directly)
        self._scheduler = schedule(
            jobs(self, self.dispatcher, self.monitor, self.webhooks, self.pool_sizes, self.learner, self.comparing),
            self.duties,
            self._clock,
        )
        self._dispatching: Supervised | None = None
        self._supervising: Supervised | None = None

    def start(self) -> None:
        """Starts everything; returns at once."""
        sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
        keep_imported()
        gc.set_threshold(GC_THRESHOLD, *gc.get_threshold()[1:])
        self.read_time()
        self.ensure_partitions()
        self.pool_sizes.copy()  # before the first agent starts
        if self._exporter is not None:
            self._exporter.start()
        self._dispatching = start_thread(
            "dispatcher", self.dispatcher.run, OnEscape.GO_ON, is_essential=True, is_over=lambda: self._is_stopping
        )
        # after a restart of its loop it keeps its agents, also when draining them
        self._supervising = start_thread("pool", self.pool.run, OnEscape.GO_ON, is_essential=True)
        self.duties.restart()
        self._scheduler.start()
        self.monitor.start_judging()
        self._health_log.start()

    def stop(self) -> None:
        """Drains the agents, records their reports, gives up leadership."""
        self._is_stopping = True
        self._health_log.stop()
        self.pool.stop()
        if self._supervising is not None:
            self._supervising.join()
        self._wait_for_reports()
        self.monitor.close()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        self.webhooks.stop()
        self.comparing.stop()
        if self._exporter is not None:
            self._exporter.stop()
        self.dispatcher.stop()
        if self._dispatching is not None:
            self._dispatching.join()
        self.database.close()

    def hurry(self) -> None:
        """Makes a `stop` under way end at once, unless something hangs."""
        self.pool.kill()
        self.dispatcher.stop()

    # duties

    def read_time(self) -> None:
        """Reads the database's time, which everything in this worker uses."""
        try:
            with self.database.transaction() as tx:
                self._steady.begin(tx)
                self._clock.note(recovery.database_time(tx))
        except (Unavailable, Busy) as error:  # the users of PostgreSQL report it
            log.debug("time.waiting", reason=str(error))

    def ensure_partitions(self) -> None:
        """Creates the audit log's partitions of the next days."""
        try:
            with self.database.transaction() as tx:
                made = recovery.ensure_partitions(tx, self._clock.now().astimezone(UTC).date())
        except Unavailable as error:
            log.warning("partitions.waiting", reason=str(error))
        else:
            if made:
                log.info("partitions.made", first=made[0], count=len(made))

    def prune(self) -> None:
        """Deletes data older than its retention, if this worker leads."""
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
        """Writes missing reports of the last day and week, if this worker leads."""
        if self.dispatcher.is_leading.is_set():
            self._reporting.write_due(self._may_go_on)

    def apply_schedules(self) -> None:
        """Applies the schedules that are declared, once in each term of this worker."""
        self._declared.apply()

    def submit_workflows(self) -> None:
        """Submits the workflows of schedules that are due, if this worker leads."""
        self._scheduled.submit_due()

    def _epoch(self) -> int:
        term = self.dispatcher.term
        return 0 if term is None or self._is_stopping else term.epoch

    def _may_go_on(self) -> bool:
        return self.dispatcher.is_leading.is_set() and not self._is_stopping

    def keep_servers(self) -> None:
        """Restarts embedded servers that died; raises Unavailable if one does not start, and is called again."""
        if self._servers is not None and not self._is_stopping:
            for name in self._servers.keep():
                log.error("server.restarted", server=name)

    def _wait_for_reports(self, timeout_seconds: float = 5.0) -> None:
        """Waits until the dispatcher has recorded the agents' last reports."""
        deadline = time.monotonic() + timeout_seconds
        while self.dispatcher.is_leading.is_set() and time.monotonic() < deadline:
            try:
                if self.broker.results_length() == 0:
                    return
            except Unavailable:
                return
            time.sleep(0.02)


def serve(settings: Settings, ahead: LaunchedAhead, *, dashboard: bool, demo: bool, migrate: bool) -> int:
    """Runs servers, worker and dashboard until a signal; returns the exit code. See `run_worker`."""
    shipper = configure_logs(settings.log_level)
    if demo:
        from taskyard.worker.devtools.demo import submit_sample, with_code_execution, with_samples

        settings = with_samples(with_code_execution(settings))
    check_ports(settings, dashboard=dashboard)
    signals = StopSignals()
    with EmbeddedServers.missing_from(settings) as servers:
        endpoints = Endpoints(settings.database_url or servers.database_url, settings.redis_url or servers.redis_url)
        if migrate or settings.database_url is None:
            migrations.migrate(endpoints.database_url)
        report.require(settings, endpoints)
        registry.load(settings.task_modules)
        unmatched.warn(settings, registry, is_worker=True)
        recent_log = LogTail(connect_redis(endpoints.redis_url), Keys(settings.namespace))
        shipper.start(recent_log, f"worker {socket.gethostname()}")
        worker = Worker(settings, endpoints, servers)
        worker.pool.ahead = ahead
        pages = web_servers(settings) if dashboard else []
        worker.health.web_servers = pages
        signals.on_hurry(worker.hurry, servers.stop)
        try:
            worker.start()
            for page in pages:
                page.start()
            if demo:
                submit_sample(worker.settings, worker.database, worker.broker)
            if pages and all(page.wait_until_ready() for page in pages):
                _invite([page.page for page in pages], settings, worker.database)
            signals.received.wait()
            log.info("worker.draining", grace_seconds=settings.grace_seconds, hint="a second signal ends at once")
        finally:
            worker.stop()
            for page in pages:
                page.stop()
            log.info("worker.stopped")
            signals.note_stopped()
            shipper.close()
    signals.note_closed()
    return 0


def _invite(pages: Sequence[WebProcess], settings: Settings, database: Database) -> None:
    """Prints the servers' addresses and a sign-in link, if standard output is read by a user."""
    page, api = pages
    for server, wanted in ((page, settings.dashboard_port), (api, settings.api_port)):
        if server.port != wanted:
            fix_by = f"TASKYARD_{server.name.upper()}_PORT"
            log.warning(f"{server.name}.moved", wanted=wanted, url=server.url, fix_by=fix_by)
    lines = entry_link.invitation(settings, database, page.url)
    lines.append(f"HTTP API: {api.url}/api/v1, documentation: {api.url}/docs")
    try:
        print("".join(f"\n  {line}" for line in lines), "\n", flush=True)
    except OSError as error:
        log.warning("dashboard.started", url=page.url, unsaid_because=str(error))
