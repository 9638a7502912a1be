"""Records periodic duties' outcomes: how often each failed, and which are late or hang. By elapsed time only."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import structlog

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Duty:
    late_after_seconds: float
    ended_at: float
    began_at: float | None = None
    last_error: str = ""


class Duties:
    """Wraps each duty so that no exception escapes and no hanging goes unnoticed. Thread-safe."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._duties: dict[str, _Duty] = {}
        self.failures: Counter[str] = Counter()

    def watched(self, name: str, run: Callable[[], object], late_after_seconds: float) -> Callable[[], None]:
        """Returns `run` wrapped: it is late if it has not ended after this many seconds, whether hanging or not
        begun.
        """
        duty = self._duties[name] = _Duty(late_after_seconds, self._monotonic())

        def watched_run() -> None:
            duty.began_at = self._monotonic()
            try:
                run()
            except BaseException as error:  # including SystemExit: the duty is due again soon
                self.failures[name] += 1
                duty.last_error = f"{type(error).__name__}: {error}".removesuffix(": ")
                log.exception("duty.failed", duty=name)
            else:
                duty.last_error = ""
            duty.began_at, duty.ended_at = None, self._monotonic()

        return watched_run

    def restart(self) -> None:
        """Resets all duties; earlier runs do not count."""
        for duty in self._duties.values():
            duty.ended_at = self._monotonic()

    def running_seconds(self) -> dict[str, float]:
        """Returns how many seconds each has been running; 0 for those that do not run now."""
        now = self._monotonic()
        return {
            name: now - began if (began := duty.began_at) is not None else 0.0 for name, duty in self._duties.items()
        }

    def late(self) -> dict[str, str]:
        """Returns by name the description of each late duty."""
        now = self._monotonic()
        found = {}
        for name, duty in self._duties.items():
            began, since_end = duty.began_at, now - duty.ended_at
            if began is not None and now - began > duty.late_after_seconds:
                found[name] = f"running for {now - began:.0f} s"
            elif began is None and since_end > duty.late_after_seconds:
                found[name] = f"no run for {since_end:.0f} s"
        return found

    def failing(self) -> dict[str, str]:
        """Returns by name the error of each duty whose last run failed."""
        return {name: duty.last_error for name, duty in self._duties.items() if duty.last_error}
