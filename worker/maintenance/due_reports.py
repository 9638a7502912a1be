"""Loads what makes reports when they may be due for the first time: not while the worker starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from taskyard.core.clock import Clock
from taskyard.core.config import Settings
from taskyard.core.postgres.database import Database
from taskyard.worker.maintenance.steady_time import SteadyTime

if TYPE_CHECKING:
    from taskyard.worker.maintenance.reporting import Reporting


@dataclass
class DueReports:
    """The reports of one worker."""

    settings: Settings
    database: Database
    clock: Clock
    steady: SteadyTime

    def write_due(self, may_go_on: Callable[[], bool]) -> None:
        """Writes those that are missing. See Reporting."""
        self._reporting.write_due(may_go_on)

    @cached_property
    def _reporting(self) -> Reporting:
        from taskyard.worker.maintenance.reporting import Reporting

        return Reporting(self.settings, self.database, self.clock, self.steady)
