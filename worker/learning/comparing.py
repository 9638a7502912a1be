"""Compares placement policies each hour by replay, in a process of its own, while this worker leads.

Queues with the policy `learned` are compared with the order of arrival, and head starts stop where they do harm. Queues
in shadow mode are compared with what `learned` would have done: nothing of that is used.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog

from taskyard.core.config import Settings
from taskyard.core.embedded.servers import Endpoints
from taskyard.core.errors import Unavailable
from taskyard.core.learning.comparison import Waits, is_harmful
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import comparisons, tasks
from taskyard.core.postgres.store.comparisons import Comparison
from taskyard.core.scheduling.placement import LEARNED
from taskyard.worker.dispatch.dispatcher import Dispatcher
from taskyard.worker.learning.learner import Learner

if TYPE_CHECKING:
    from taskyard.core.views.replay_process import ReplayProcess

SPAN = timedelta(hours=6)
EVERY = timedelta(hours=1)
ARRIVAL = "least_loaded"
ALL = "*"

log = structlog.get_logger(__name__)


class Comparing:
    """The comparisons of one worker. Its `run` is a duty."""

    def __init__(
        self, settings: Settings, endpoints: Endpoints, database: Database, dispatcher: Dispatcher, learner: Learner
    ) -> None:
        self._settings = settings
        self._database_url = endpoints.database_url
        self._database = database
        self._dispatcher = dispatcher
        self._learner = learner
        self._process: ReplayProcess | None = None
        self._is_stopping = threading.Event()

    def run(self) -> None:
        """Compares the queues that are due."""
        if not self._dispatcher.is_leading.is_set():
            return
        try:
            with self._database.transaction() as tx:
                now, last = tasks.now(tx), comparisons.last_times(tx)
            for queue in self._queues():
                if self._is_stopping.is_set() or not self._dispatcher.is_leading.is_set():
                    return
                if queue not in last or now - last[queue] >= EVERY:
                    self._compare(queue, now)
        except Unavailable as error:
            log.warning("learning.comparing_waits", reason=str(error))

    def stop(self) -> None:
        """Ends a comparison under way."""
        self._is_stopping.set()
        process = self._process
        if process is not None:
            process.stop()

    def _queues(self) -> list[str]:
        shadow = set(self._settings.shadow_queues)
        return [
            queue
            for queue in self._learner.queues()
            if self._settings.placement_of(queue) == LEARNED or ALL in shadow or queue in shadow
        ]

    def _compare(self, queue: str, now: datetime) -> None:
        is_learned = self._settings.placement_of(queue) == LEARNED
        other = ARRIVAL if is_learned else LEARNED
        found = self._replayed(queue, now - SPAN, now, other)
        if found is None:
            return
        comparison = comparison_of(found, queue, now, now - SPAN, self._settings.placement_of(queue), other)
        with self._database.transaction() as tx:
            comparisons.add(tx, comparison)
        if is_learned:
            self._learner.note_comparison(queue, is_harmful=judged(comparison))

    def _replayed(self, queue: str, since: datetime, until: datetime, policy: str) -> dict[str, Any] | None:
        """Returns a replay of one queue as `taskyard replay --json` prints it; None if it failed, which is logged."""
        from taskyard.core.simulation.simulate import no_progress  # few workers ever compare
        from taskyard.core.views.replay_process import AskedReplay, ReplayProcess

        settings = self._settings
        asked = AskedReplay(
            since.timestamp(),
            until.timestamp(),
            policy,
            queue,
            settings.placement,
            settings.placement_by_queue,
        )
        self._process = process = ReplayProcess(self._database_url, asked)
        try:
            if self._is_stopping.is_set():
                return None
            found = process.run(no_progress)
        except Unavailable as error:
            log.warning("learning.not_compared", queue=queue, reason=str(error))
            return None
        finally:
            self._process = None
        return None if found is None else found.as_json()


def comparison_of(
    found: dict[str, Any], queue: str, at: datetime, since: datetime, acting: str, policy: str
) -> Comparison:
    """Returns what is stored of a replay of one queue, as `taskyard replay --json` prints it."""
    row = next(iter(found["rows"]), None)
    figures = row["wait"] if row is not None else {}
    distrusted = row["not_to_be_trusted"] if row is not None else []
    is_trusted = not {"mean", "p99"}.intersection(distrusted)
    return Comparison(
        at, queue, since, at, found["tasks"], acting, policy, is_trusted, found.get("has_waited", False), figures
    )


def judged(comparison: Comparison) -> bool:
    """Returns True if a comparison of the acting policy `learned` with the order of arrival speaks against it."""
    learned, arrival = comparison.figures.get("replayed"), comparison.figures.get(ARRIVAL)
    if not learned or not arrival:
        return False
    return is_harmful(
        Waits(learned["mean"], learned["p99"]),
        Waits(arrival["mean"], arrival["p99"]),
        comparison.tasks,
        is_trusted=comparison.is_trusted,
    )
