"""Defines a kind of alert rule: each module of core.alerts.kinds provides one (pure)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase
from typing import Protocol

from taskyard.core.alerts.reading import Readings
from taskyard.core.alerts.signals import Signals
from taskyard.core.humanize import duration, number
from taskyard.core.i18n import N_, TranslatableText, msg
from taskyard.core.message_templates import MessageTemplate
from taskyard.core.patterns import can_match_label, can_match_type

SERVERS = {"postgresql": "PostgreSQL", "redis": "Redis"}  # by the names that are subjects
LEADER = "leader"


class Subject(Enum):
    """The kinds of subjects."""

    OTHER = "other"  # any text
    TYPE = "type"
    QUEUE = "queue"
    SERVER = "server"
    LEADER = "leader"

    def normal(self, pattern: str) -> str:
        """Returns a pattern spelled as subjects are: servers in lower case."""
        return pattern.lower() if self is Subject.SERVER else pattern

    def can_match(self, pattern: str) -> bool:
        """Returns True if some subject could match the pattern."""
        if self is Subject.TYPE:
            return can_match_type(pattern)
        if self is Subject.QUEUE:
            return can_match_label(pattern)
        if self in (Subject.SERVER, Subject.LEADER):
            names = SERVERS if self is Subject.SERVER else (LEADER,)
            return any(fnmatchcase(name, self.normal(pattern)) for name in names)
        return bool(pattern)


class Unit(Enum):
    """The format of a kind's values and thresholds."""

    YES_OR_NO = "yes or no"
    COUNT = "count"
    SECONDS = "seconds"
    SHARE = "share"
    PER_MINUTE = "per minute"
    DEVIATIONS = "standard deviations"

    def shown(self, value: float) -> str:
        """Returns a value with its unit."""
        if self is Unit.SECONDS:
            return duration(value)
        if self is Unit.SHARE:
            return f"{100 * value:.3g}%"
        if self is Unit.PER_MINUTE:
            return msg("{n} per minute", n=number(value))
        return number(value)


class Limits(Protocol):
    """The limits that a reader takes from its rule."""

    @property
    def window_seconds(self) -> float: ...

    @property
    def least_count(self) -> int: ...

    @property
    def expected_hours(self) -> int: ...


# None means that nothing is known now; a subject missing in the answer counts as zero.
Reader = Callable[[Limits, Signals], Readings | None]


@dataclass(frozen=True, slots=True)
class DefaultRule:
    """A shipped rule, in addition to its kind. Its name is stored in alerts, silences and notifications."""

    name: str
    severity: str = "warning"
    threshold: float | None = None
    clear: float | None = None
    for_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of rule. `title` is its shipped rules' name on pages.

    `window_seconds`, `least_count` and `expected_hours` are defaults of fields that only rules of kinds with such a
    field may set.
    """

    name: str
    title: str
    measures: str
    unit: Unit
    read: Reader
    messages: tuple[MessageTemplate, ...]
    default_rules: tuple[DefaultRule, ...]
    subject: Subject = Subject.OTHER
    window_seconds: float | None = None
    least_count: int | None = None
    expected_hours: int | None = None
    is_whole: bool = False  # counts things: without `clear` it resolves below the threshold itself
    comparison: str = N_("{value} (threshold {threshold})")

    @property
    def has_threshold(self) -> bool:
        """Returns True if it measures a value; other kinds are yes or no."""
        return self.unit is not Unit.YES_OR_NO

    @property
    def is_share(self) -> bool:
        """Returns True if its values are never above 1."""
        return self.unit is Unit.SHARE

    def compared(self, value: float | None, threshold: float | None) -> str:
        """Compares a value with its threshold in words; returns an empty text for a yes-or-no kind."""
        if value is None or not self.has_threshold:
            return ""
        if threshold is None:
            return self.unit.shown(value)
        values = {"value": self.unit.shown(value), "threshold": self.unit.shown(threshold)}
        return TranslatableText(self.comparison, values)
