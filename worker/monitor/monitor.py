"""Holds the monitor's duties: each is a method that APScheduler calls, and none can harm the tick."""

from __future__ import annotations

import math
import socket
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

import structlog

from taskyard.core.alerts.rules import load_rules
from taskyard.core.alerts.runbook import runbook_command
from taskyard.core.alerts.signals import Anomaly, OwnState
from taskyard.core.clock import Clock
from taskyard.core.config import Settings
from taskyard.core.errors import Unavailable
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import alerts, comparisons, learning
from taskyard.core.postgres.store.rollups import DAY, HOUR, MINUTE, TEN_MINUTES
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.cache import RedisCache
from taskyard.core.threads import OnEscape, start_thread
from taskyard.worker.alerts.delivery import Deliveries
from taskyard.worker.alerts.engine import AlertEngine
from taskyard.worker.alerts.notification import Notification
from taskyard.worker.dispatch.dispatcher import Dispatcher
from taskyard.worker.duties.outcomes import Duties
from taskyard.worker.maintenance.steady_time import SteadyTime
from taskyard.worker.monitor.detector import anomalies
from taskyard.worker.monitor.observed import Observed
from taskyard.worker.monitor.observer import Observer
from taskyard.worker.monitor.rollup import RollUp
from taskyard.worker.monitor.sampler import Sampler
from taskyard.worker.web_servers.dashboard import page_url

if TYPE_CHECKING:
    from taskyard.worker.monitor.health import WorkerHealth

JUDGING = "evaluate the alert rules"
JUDGING_LATE_SECONDS = 20.0
NOT_JUDGED = "alert rules not evaluated"  # as a rule's name in notifications that don't come from a rule
DELIVERY_SECONDS = 5.0  # that a stop waits for notifications on their way
Result = TypeVar("Result")

log = structlog.get_logger(__name__)


class Monitor:
    """The live snapshot, samples, roll-ups and alerts of one worker."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        broker: Broker,
        dispatcher: Dispatcher,
        worker: str,
        clock: Clock,
        steady: SteadyTime | None = None,
    ) -> None:
        self._dispatcher = dispatcher
        self._clock = clock
        self._host = socket.gethostname()
        cache = RedisCache(broker.redis, broker.keys)
        self.observer = Observer(database, broker, cache, dispatcher, worker, clock)
        self._sampler = Sampler(database, settings.data_dir)
        self._rollup = RollUp(database, clock, steady=steady)
        self._retention_days = {
            MINUTE: settings.retention_minutes_days,
            TEN_MINUTES: settings.retention_ten_minutes_days,
            HOUR: settings.retention_hours_days,
            DAY: settings.retention_days_days,
        }
        rules = load_rules(settings.alerts_file)
        self.evaluate_every_seconds = rules.evaluate_every_seconds
        self._database = database
        self._steady = steady or SteadyTime(clock)
        self._name = settings.namespace
        self._deliveries = Deliveries(rules.channels)
        # without a name for others an address of the dashboard means something on this host only
        hosts, port, path = settings.dashboard_hosts, settings.dashboard_port, settings.dashboard_path
        pages = page_url(settings, port, path) if hosts else ""
        self._engine = AlertEngine(rules, database, self._deliveries, settings.namespace, pages)
        self._alerts_days = settings.retention_alerts_days
        self._is_stopping = threading.Event()
        self._anomalies: Sequence[Anomaly] | None = None
        self._troubles: dict[str, str] = {}
        self._own: Callable[[], OwnState] | None = None
        self._judge: Callable[[], None] = self.evaluate
        self._is_judging_late: Callable[[], bool] = lambda: False
        self._sent_directly: Notification | None = None

    def observe(self) -> None:
        """Updates the live snapshot."""
        self._unless_away("observe", lambda: self.observer.observe(self._engine.firing))

    def sample(self) -> None:
        """Measures the host, the processes and the servers; stores completed minutes."""
        now = self._clock.now().timestamp()
        self._sampler.sample(self.observer.live, now)
        self._unless_away("sample", lambda: self._sampler.flush(now))

    def watch(self, health: WorkerHealth, duties: Duties) -> None:
        """Gives the rules this worker's own state."""
        self._own = health.own_state
        self._judge = duties.watched(JUDGING, self.evaluate, JUDGING_LATE_SECONDS)
        self._is_judging_late = lambda: JUDGING in duties.late()

    def start_judging(self) -> None:
        """Evaluates the rules in a separate thread, independent of other duties, until `close`."""
        start_thread("alerts", self._judge_on, OnEscape.GO_ON, is_essential=True, is_over=self._is_stopping.is_set)

    def evaluate(self) -> None:
        """Evaluates the alert rules, if this worker leads or none does."""
        own = self._own() if self._own is not None else None
        signals = Observed(self.observer, self._sampler, self._database, self._clock, self._host, self._anomalies, own)
        if signals.live is None and signals.is_led:
            self._engine.forget()
        else:
            self._engine.evaluate(signals, self._clock.now(), self._clock.monotonic())

    def send_directly(self, problems: list[str]) -> None:
        """Notifies the channels of the worker's problems while the rules can't be evaluated because PostgreSQL
        hangs.
        """
        now = self._clock.now().isoformat()
        sent = self._sent_directly
        if sent is None and self._is_judging_late():
            text = "; ".join(problems)
            self._sent_directly = Notification(
                event="firing",
                id=str(uuid.uuid4()),
                rule=NOT_JUDGED,
                subject=self._host,
                severity="critical",
                message=text,
                value=None,
                threshold=None,
                fired_at=now,
                resolved_at=None,
                installation=self._name,
                runbook=runbook_command("server_down"),
            )
            self._deliveries.send(None, self._sent_directly)
        elif sent is not None and not self._is_judging_late():
            self._deliveries.send(None, replace(sent, event="resolved", resolved_at=now))
            self._sent_directly = None

    def _judge_on(self) -> None:
        while not self._is_stopping.wait(self.evaluate_every_seconds):
            self._judge()

    def roll_up(self) -> None:
        """Updates the roll-ups, if this worker leads."""
        if self._dispatcher.is_leading.is_set():
            self._unless_away("roll_up", lambda: self._rollup.run(self._may_roll))

    def detect(self) -> None:
        """Detects anomalies, if this worker leads."""
        live = self.observer.live
        self._anomalies = (
            self._unless_away("detect", lambda: anomalies(self._database, live.at)) if live is not None else None
        )

    def prune(self) -> None:
        """Deletes data older than the retention of its level, if this worker leads."""
        if self._dispatcher.is_leading.is_set():
            self._unless_away("prune", self._prune)

    def close(self) -> None:
        """Stores the samples; running duties end soon."""
        self._is_stopping.set()
        self._deliveries.close(DELIVERY_SECONDS)
        self._unless_away("sample", lambda: self._sampler.flush(math.inf))

    def _prune(self) -> None:
        self._rollup.prune(self._retention_days)
        if days := self._retention_days[HOUR]:
            with self._database.transaction() as tx:
                before = self._clock.now() - timedelta(days=days)
                learning.prune_hours(tx, before)
                comparisons.prune(tx, before)
        if self._alerts_days:
            extra = self._steady.extra_days(self._database)
            with self._database.transaction() as tx:
                alerts.prune(tx, self._alerts_days + extra)

    def _may_roll(self) -> bool:
        return self._dispatcher.is_leading.is_set() and not self._is_stopping.is_set()

    def _unless_away(self, duty: str, run: Callable[[], Result]) -> Result | None:
        """Runs a duty; an absent server is logged once, and the duty retried the next time."""
        try:
            result = run()
        except Unavailable as error:
            if self._troubles.get(duty) != str(error):
                self._troubles[duty] = str(error)
                log.warning("monitor.waiting", duty=duty, reason=str(error))
            return None
        if self._troubles.pop(duty, None):
            log.info("monitor.recovered", duty=duty)
        return result
