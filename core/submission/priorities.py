"""Checks priorities as they are given (pure)."""

from __future__ import annotations

from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused, required
from taskyard.core.payload.encode import exact
from taskyard.core.states import Priority

PRIORITIES = {priority.label: int(priority) for priority in Priority}


def check_priority(value: object) -> int:
    """Returns a priority, or a priority's name, as a number; raises SubmissionError."""
    if isinstance(value, Priority):
        return int(value)
    if isinstance(value, str) and exact(value) in PRIORITIES:
        return PRIORITIES[exact(value)]
    if value is None:
        raise required("priority", msg("one of {names}", names=", ".join(PRIORITIES)))
    raise refused("priority", value, msg("one of {names}", names=", ".join(PRIORITIES)))
