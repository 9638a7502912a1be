"""Applies the schedules that task types and a file declare, once in each term of leadership."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import structlog

from taskyard.core.access.identity import PROCESS, Actor
from taskyard.core.access.permissions import ALL_PERMISSIONS
from taskyard.core.config import Settings
from taskyard.core.errors import Busy, ConfigurationError, SubmissionError, Unavailable
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import schedules
from taskyard.core.redis.ports import SubmitterPort
from taskyard.core.schedules.files import read_schedules
from taskyard.core.schedules.schedule import OF_A_FILE, OF_A_TYPE
from taskyard.core.submission import authorized_schedules
from taskyard.core.submission.authorized import Authorized
from taskyard.core.submission.open_servers import published_types
from taskyard.core.submission.submit import Submitter
from taskyard.core.task_types.registry import Registry

WORKER = Actor("worker", PROCESS, ALL_PERMISSIONS)

log = structlog.get_logger(__name__)


class DeclaredSchedules:
    """What the leader's task modules and settings declare counts; another leader may declare something else."""

    def __init__(
        self, settings: Settings, registry: Registry, database: Database, broker: SubmitterPort, term: Callable[[], int]
    ) -> None:
        """`term` returns the epoch of this worker's term; 0 while it does not lead."""
        self._file = settings.schedules_file
        self._registry = registry
        self._database = database
        submitter = Submitter(settings, registry, database, broker, published=published_types(registry, database))
        self._acting = Authorized(submitter, registry, database, WORKER)
        self._term = term
        self._applied_in = 0

    def apply(self) -> None:
        """Applies everything, unless it was done in this term; what has a problem is logged, and the rest applied."""
        term = self._term()
        if term in (0, self._applied_in):
            return
        try:
            self._apply_types()
            if self._file is not None:
                self._apply_file(self._file)
        except ConfigurationError as error:
            log.error("schedules.refused", file=str(self._file), reason=str(error))
        except (Unavailable, Busy) as error:
            log.warning("schedules.waiting", reason=str(error))
            return
        self._applied_in = term

    def _apply_file(self, path: Path) -> None:
        file = read_schedules(path)
        try:
            self._apply(f"{OF_A_FILE}{path.stem.lower()}", file.checked())
        except SubmissionError as error:
            for problem in file.problems or file.located(error):
                log.error("schedules.refused", file=str(path), reason=str(problem))

    def _apply_types(self) -> None:
        declared = {name: type_.schedules for name, type_ in self._registry.types.items() if type_.schedules}
        with self._database.transaction() as tx:
            former = {owner.removeprefix(OF_A_TYPE) for _, owner in schedules.owned(tx, OF_A_TYPE)}
        for name in sorted({*declared, *former}):
            try:
                self._apply(f"{OF_A_TYPE}{name}", dict(one.arguments(name) for one in declared.get(name, ())))
            except SubmissionError as error:
                for problem in error.parts or (error,):
                    log.error("schedules.refused", type=name, reason=str(problem))

    def _apply(self, owner: str, declared: Mapping[str, Mapping[str, Any]]) -> None:
        with self._database.transaction() as tx:
            done = authorized_schedules.apply(tx, self._acting, owner, declared)
        if any(done.values()):
            log.info("schedules.applied", owner=owner, **done)
