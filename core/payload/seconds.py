"""Checks the seconds that a caller is ready to wait (pure)."""

from __future__ import annotations

import math

from taskyard.core.errors import SubmissionError
from taskyard.core.i18n import msg


def finite_seconds(field: str, value: object) -> float:
    """Returns a finite number of seconds; raises SubmissionError naming the field."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise SubmissionError(field, value, msg("a finite number of seconds"))
    return value
