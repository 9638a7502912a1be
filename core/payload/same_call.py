"""Compares two submissions by what the caller gave, not by what a type or setting adds (pure)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from taskyard.core.edges import Condition

PREFIX = "2:"  # of a hash over what the caller gave; older hashes included the type's values, and have no prefix


class Stored(NamedTuple):
    """Holds the stored columns of the task that has an idempotency key, in the order of its statement."""

    id: str
    content_hash: str
    type: str
    queue: str
    title: str | None
    priority: int
    input_json: str
    requires: Sequence[str]
    timeout_seconds: float
    max_attempts: int
    run_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Call:
    """Holds what a caller gave, after checks. None stands for what the caller left to the type or the setting.

    The submitter does not count: a retried parent submits its children again from another agent.
    """

    type: str
    input_json: str
    queue: str
    title: str | None
    priority: int
    requires: tuple[str, ...]
    timeout_seconds: float | None
    max_attempts: int | None
    delay_seconds: float | None
    run_at: datetime | None
    parent_id: str | None
    after: tuple[str, ...]
    when: Condition = Condition.COMPLETED

    @property
    def content_hash(self) -> str:
        """Returns PREFIX and 32 hex digits, equal for equal calls in every process and version."""
        content = [
            self.type,
            self.queue,
            self.title,
            self.priority,
            _same_numbers(json.loads(self.input_json)),
            sorted(self.requires),
            self.timeout_seconds,
            self.max_attempts,
            self.delay_seconds,
            None if self.run_at is None else self.run_at.isoformat(),
            self.parent_id,
            sorted(self.after),
        ]
        if self.when is not Condition.COMPLETED:  # the only one that earlier versions knew
            content.append(self.when.value)
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return PREFIX + hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def is_of(self, stored: Stored) -> bool:
        """Returns True if a stored task came from this call. A task older than PREFIX matches unless the call
        contradicts it.
        """
        if stored.content_hash.startswith(PREFIX):
            return stored.content_hash == self.content_hash
        return self.difference(stored) is None

    def difference(self, stored: Stored) -> str | None:
        """Returns the first part of the call that a stored task contradicts; None if there is none."""
        given = _same_numbers(json.loads(self.input_json))
        kept = _same_numbers(json.loads(stored.input_json))
        differs = {
            "type": self.type != stored.type,
            "queue": self.queue != stored.queue,
            "title": self.title != stored.title,
            "priority": self.priority != stored.priority,
            "timeout_seconds": self.timeout_seconds not in (None, stored.timeout_seconds),
            "max_attempts": self.max_attempts not in (None, stored.max_attempts),
            "requires": not set(self.requires) <= set(stored.requires),
        }
        if not stored.content_hash.startswith(PREFIX):
            differs["input"] = not _is_part_of(given, kept)
        else:
            differs["input"] = given != kept
            due = stored.run_at  # a pause before a retry is not a time of the caller's, but it is later then
            differs["run_at"] = self.run_at is not None and (due is None or due < self.run_at)
            delay = None if self.delay_seconds is None else timedelta(seconds=self.delay_seconds)
            differs["delay_seconds"] = delay is not None and (due is None or due < stored.created_at + delay)
        return next((field for field, is_other in differs.items() if is_other), None)


def _same_numbers(value: Any) -> Any:
    """Returns `value` with whole numbers as integers: JSON has one kind of number, so 1 and 1.0 are equal."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _same_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_same_numbers(item) for item in value]
    return value


def _is_part_of(given: Any, kept: Any) -> bool:
    """Returns True if everything in `given` is also in `kept`, which may have defaults in addition."""
    if isinstance(given, Mapping) and isinstance(kept, Mapping):
        return all(key in kept and _is_part_of(item, kept[key]) for key, item in given.items())
    if isinstance(given, list) and isinstance(kept, list):
        return len(given) == len(kept) and all(map(_is_part_of, given, kept))
    return bool(given == kept)
