"""Remembers why an engine's launches fail, and how long to wait before the next one."""

from __future__ import annotations

from time import monotonic

import structlog

from taskyard.core.declarations import one_line

MIN_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS = 0.5, 30.0  # after launches that failed, without one that did not
MAX_TEXT_LENGTH = 500  # characters of an engine's words

log = structlog.get_logger(__name__)


class LaunchPauses:
    """The failures in a row of one agent's launches."""

    def __init__(self, engine: str, problem: str) -> None:
        """`problem` is what to tell before the first launch; it delays none."""
        self._engine = engine
        self.problem = problem  # of the last launch; empty if that did not fail
        self._failures = 0
        self._over_at = 0.0  # monotonic seconds

    def note_failure(self, problem: str) -> None:
        """Begins a pause, longer than the one before."""
        problem = one_line(problem)[:MAX_TEXT_LENGTH]
        if problem != self.problem:
            log.warning("seat.not_coming", engine=self._engine, reason=problem)
        self.problem = problem
        self._failures += 1
        self._over_at = monotonic() + min(MAX_BACKOFF_SECONDS, MIN_BACKOFF_SECONDS * 2 ** min(self._failures - 1, 10))

    def note_success(self) -> None:
        """Forgets all failures; a pause under way ends as it would."""
        self.problem, self._failures = "", 0

    @property
    def is_over(self) -> bool:
        """Returns True if the next launch may begin."""
        return monotonic() >= self._over_at
