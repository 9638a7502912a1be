"""Determines why this process does not do its work, one line each. By elapsed time only."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import structlog

from taskyard.core import threads
from taskyard.core.alerts.signals import OwnState
from taskyard.core.threads import OnEscape, start_thread
from taskyard.worker.agents.pool import Pool
from taskyard.worker.dispatch.dispatcher import Dispatcher
from taskyard.worker.duties.outcomes import Duties
from taskyard.worker.monitor.server_watch import ServerWatch
from taskyard.worker.web_servers.supervisor import WebSupervisor

STALLED_SECONDS = 20.0  # without a tick or a check on standby: an outage shows within 30 s
READY_SECONDS = 8.0  # without a tick or check: it could not take work now
WATCH_SECONDS = 1.0

log = structlog.get_logger(__name__)


class WorkerHealth:
    """The health of a process that leads or stands by, with its agents and its web servers if it has them."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        duties: Duties,
        pool: Pool,
        servers: ServerWatch,
        is_stopping: Callable[[], bool],
    ) -> None:
        self._dispatcher, self._progress = dispatcher, dispatcher.progress
        self._duties, self._pool, self._servers = duties, pool, servers
        self._is_stopping = is_stopping
        self.web_servers: Sequence[WebSupervisor] = ()

    def problems(self) -> list[str]:
        """Returns why this worker does not work; empty while it is stopping."""
        if self._is_stopping():
            return []
        found = self._servers.problems()
        stalled = self._progress.stalled_seconds
        if stalled > STALLED_SECONDS:
            found.append(f"dispatcher: no tick finished for {stalled:.0f} s: waiting for {self._progress.waits_for}")
        found += self._dispatcher.blocked(STALLED_SECONDS)
        found += threads.problems()
        found += [f"duty {name!r}: {text}" for name, text in self._duties.late().items()]
        found += self._pool.problems()
        found += [f"{server.page.name}: {server.problem}" for server in self.web_servers if server.problem]
        return found

    def own_state(self) -> OwnState:
        """Returns the same for the alert rules."""
        down = {server.page.name: server.problem for server in self.web_servers}
        return OwnState(
            stalled_seconds=self._progress.stalled_seconds,
            waits_for=self._progress.waits_for,
            # agents that drain and end on purpose are silent, and not unhealthy
            unwell_agents={}
            if self._is_stopping()
            else {name: "; ".join(found) for name, found in self._pool.unwell().items()},
            dashboard_problem=down.get("dashboard"),
            api_problem=down.get("api"),
            late_duties=self._duties.late(),
        )

    def unready(self) -> list[str]:
        """Returns why it could not take work now."""
        found = self.problems() + [text for text in self._servers.unready() if text not in self._servers.problems()]
        if self._is_stopping():
            found.append("the worker is stopping")
        if STALLED_SECONDS >= self._progress.stalled_seconds > READY_SECONDS:
            found.append(f"dispatcher: it waits for {self._progress.waits_for}")
        found += [text for text in self._dispatcher.blocked(READY_SECONDS) if text not in found]
        if self._pool.size and not self._pool.takes_work():
            found.append("no agent of this worker accepts tasks yet")
        return found


class AgentHostHealth:
    """The health of a process that only keeps agents running."""

    def __init__(self, pool: Pool, is_stopping: Callable[[], bool]) -> None:
        self._pool, self._is_stopping = pool, is_stopping

    def problems(self) -> list[str]:
        """Returns why no agent here works; empty while it is stopping."""
        return [] if self._is_stopping() else [*threads.problems(), *self._pool.problems()]

    def unready(self) -> list[str]:
        """Returns why no agent here could take work now."""
        found = self.problems()
        if self._is_stopping():
            found.append("the agents are stopping")
        if not found and self._pool.size and not self._pool.takes_work():
            found.append("no agent accepts tasks yet")
        return found


class HealthLog:
    """Logs when a process stops working and when it works again, from an independent thread.

    `on_check` is called with the problems at each check.
    """

    def __init__(
        self, problems: Callable[[], list[str]], on_check: Callable[[list[str]], object] = lambda _: None
    ) -> None:
        self._problems, self._on_check = problems, on_check
        self._stopping = threading.Event()
        self._kinds: set[str] = set()

    def start(self) -> None:
        """Starts checking."""
        start_thread("health", self._run, OnEscape.GO_ON, is_essential=True, is_over=self._stopping.is_set)

    def stop(self) -> None:
        """Stops checking."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.wait(WATCH_SECONDS):
            problems = self._problems()
            kinds = {problem.partition(":")[0] for problem in problems}  # the numbers change with every check
            if kinds - self._kinds:
                log.error("health.failed", problems=problems)
            elif self._kinds and not kinds:
                log.warning("health.recovered")
            self._kinds = kinds
            self._on_check(problems)
