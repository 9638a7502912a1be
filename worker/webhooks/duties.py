"""The worker's duties for webhooks; those of the leader alone."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from taskyard.core.config import Settings
from taskyard.core.errors import Unavailable
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import tasks, webhook_deliveries
from taskyard.worker.maintenance.steady_time import SteadyTime
from taskyard.worker.webhooks.courier import Courier
from taskyard.worker.webhooks.feeder import Feeder

BATCH = 1_000  # deliveries that are deleted in a transaction
PAUSE_SECONDS = 0.02  # between transactions, to leave time for others

log = structlog.get_logger(__name__)


class WebhookDuties:
    """Reads the audit log for webhooks, starts to send what is due, and deletes what is old."""

    def __init__(
        self, settings: Settings, database: Database, steady: SteadyTime, may_go_on: Callable[[], bool]
    ) -> None:
        """`may_go_on` is True while this worker leads."""
        self._days = settings.retention_deliveries_days
        self._database = database
        self._steady = steady
        self._may_go_on = may_go_on
        self._feeder = Feeder(database)
        self.courier = Courier(settings, database)
        self._trouble = ""

    def run(self) -> None:
        """Reads what has come and starts to send what is due; while PostgreSQL is away that waits."""
        if not self._may_go_on():
            return
        try:
            self._feeder.feed(self._may_go_on)
            if self._may_go_on():
                self.courier.start_lines()
        except Unavailable as error:
            if self._trouble != str(error):
                self._trouble = str(error)
                log.warning("webhook.waiting", reason=str(error))
        else:
            self._trouble = ""

    def prune(self) -> None:
        """Deletes deliveries that are older than their retention."""
        if not self._may_go_on():
            return
        try:
            days = self._days + self._steady.extra_days(self._database)
            while self._may_go_on():
                with self._database.transaction() as tx:
                    count = webhook_deliveries.prune(tx, days, tasks.now(tx), BATCH)
                if count < BATCH:
                    return
                time.sleep(PAUSE_SECONDS)
        except Unavailable as error:
            log.warning("retention.waiting", reason=str(error))

    def stop(self) -> None:
        """Waits a little for messages under way."""
        self.courier.stop()
