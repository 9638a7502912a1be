"""Turns readings into alerts: pending for a while, firing, resolved with hysteresis (pure)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from taskyard.core.alerts.reading import Reading, Readings
from taskyard.core.alerts.rules import Rule

Key = tuple[str, str]  # rule, subject


class Change(StrEnum):
    """A change of a condition at one evaluation."""

    FIRED = "fired"
    UPDATED = "updated"  # still firing: the reading is new
    RESOLVED = "resolved"


@dataclass(slots=True)
class Condition:
    """One rule's state for one subject: pending since `since` (monotonic seconds), and firing if `is_firing`."""

    since: float
    reading: Reading
    is_firing: bool = False


@dataclass(slots=True)
class Lifecycle:
    """All conditions that are pending or firing."""

    conditions: dict[Key, Condition] = field(default_factory=dict)

    def step(self, rule: Rule, readings: Readings | None, now: float) -> list[tuple[Change, Key, Reading]]:
        """Takes a rule's readings at `now` (monotonic seconds) and returns the changes; None changes nothing.

        A subject without a reading is back to normal. A pending condition whose value falls below the threshold is
        dropped; a firing one holds until the value is below `clear`.
        """
        if readings is None:
            return []
        changes = []
        for subject, reading in readings.items():
            changes += self._note(rule, (rule.name, subject), reading, now)
        gone = [key for key in self.conditions if key[0] == rule.name and key[1] not in readings]
        return changes + [change for key in gone for change in self._end(key)]

    def forget(self, is_kept: Callable[[Key], bool]) -> list[Key]:
        """Drops conditions of removed rules; returns those that were firing."""
        dropped = [key for key in self.conditions if not is_kept(key)]
        return [key for key in dropped if self.conditions.pop(key).is_firing]

    def _note(self, rule: Rule, key: Key, reading: Reading, now: float) -> list[tuple[Change, Key, Reading]]:
        condition = self.conditions.get(key)
        if condition is not None and condition.is_firing:
            condition.reading = reading
            is_over = reading.value < rule.clear
            return self._end(key) if is_over else [(Change.UPDATED, key, reading)]
        if reading.value < rule.threshold:
            self.conditions.pop(key, None)
            return []
        if condition is None:
            condition = self.conditions[key] = Condition(now, reading)
        condition.reading = reading
        if now - condition.since < rule.for_seconds:
            return []
        condition.is_firing = True
        return [(Change.FIRED, key, reading)]

    def _end(self, key: Key) -> list[tuple[Change, Key, Reading]]:
        condition = self.conditions.pop(key)
        return [(Change.RESOLVED, key, condition.reading)] if condition.is_firing else []
