"""Defines how often and when a failed task is retried, as its type declares it (pure)."""

from __future__ import annotations

from dataclasses import dataclass, fields

from taskyard.core.declarations import Checker, caller
from taskyard.core.errors import ErrorClass
from taskyard.core.i18n import msg

RETRYABLE_CLASSES = frozenset({ErrorClass.TIMEOUT, ErrorClass.CRASHED, ErrorClass.TRANSIENT, ErrorClass.AGENT_LOST})
MAX_BACKOFF_SECONDS = 366 * 24 * 3600.0
MAX_ATTEMPTS = 100
MAX_RETRY_AFTERS = 10_000


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """A type's rule for how often and when a failed task is retried.

    The delay before retry n is drawn from 0 … min(max_backoff_seconds, backoff_seconds · 2ⁿ⁻¹): see
    `core.scheduling.retry`. A handler may raise RetryAfter `max_retry_afters` times without using up an attempt.
    Raises ConfigurationError with every problem of its values.
    """

    max_attempts: int = 3
    backoff_seconds: float = 1.0
    max_backoff_seconds: float = 300.0
    retry_on: frozenset[ErrorClass] = RETRYABLE_CLASSES  # classes or their names
    max_retry_afters: int = 10

    def __post_init__(self) -> None:
        check = Checker("RetryPolicy")
        values = {
            "max_attempts": check.whole("max_attempts", self.max_attempts, 1, MAX_ATTEMPTS),
            "backoff_seconds": check.number("backoff_seconds", self.backoff_seconds, 0, MAX_BACKOFF_SECONDS),
            "max_backoff_seconds": check.number(
                "max_backoff_seconds", self.max_backoff_seconds, 0, MAX_BACKOFF_SECONDS
            ),
            "retry_on": _error_classes(self.retry_on, check),
            "max_retry_afters": check.whole("max_retry_afters", self.max_retry_afters, 0, MAX_RETRY_AFTERS),
        }
        if check.problems:
            check.problems = [f"{problem} ({caller(__file__)})" for problem in check.problems]
            check.is_fine()
            values = {each.name: each.default for each in fields(self)}  # the collector reports the problems
        for name, value in values.items():
            object.__setattr__(self, name, value)


def _error_classes(value: object, check: Checker) -> frozenset[ErrorClass]:
    classes = []
    for at, name in enumerate(check.each("retry_on", value, 100, msg("classes of errors"))):
        known = check.chosen(f"retry_on.{at}", name, [one.value for one in ErrorClass])
        if known is not None:
            classes.append(ErrorClass(known))
    return frozenset(classes)
