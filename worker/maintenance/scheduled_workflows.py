"""Submits the workflows that schedules are due to submit, while this worker leads."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from taskyard.core.config import Settings
from taskyard.core.errors import Unavailable
from taskyard.core.postgres.database import Database
from taskyard.core.redis.ports import SubmitterPort
from taskyard.core.submission.open_servers import published_types
from taskyard.core.submission.scheduled_workflows import ScheduledWorkflows
from taskyard.core.submission.submit import Submitter
from taskyard.core.task_types.registry import Registry

log = structlog.get_logger(__name__)


class WorkflowsOfSchedules:
    """Another worker may submit the same one at the same moment: the row of its fire time lets one of them."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        database: Database,
        broker: SubmitterPort,
        may_go_on: Callable[[], bool],
    ) -> None:
        """`may_go_on` returns True while this worker leads."""
        submitter = Submitter(settings, registry, database, broker, published=published_types(registry, database))
        self._workflows = ScheduledWorkflows(submitter, registry, database)
        self._may_go_on = may_go_on

    def submit_due(self) -> None:
        """Submits what is due; what it can't reach PostgreSQL for is due still."""
        if not self._may_go_on():
            return
        try:
            self._workflows.run(self._may_go_on)
        except Unavailable as error:
            log.warning("schedules.waiting", reason=str(error))
