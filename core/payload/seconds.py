"""Checks the seconds that a caller is ready to wait (pure)."""

from __future__ import annotations

import math
from numbers import Real

from taskyard.core.errors import SubmissionError
from taskyard.core.i18n import msg

MAX_SECONDS = 1e9  # 32 years: more is as good as for ever, and too much for clocks


def finite_seconds(field: str, value: object) -> float:
    """Returns a finite number of seconds, at most MAX_SECONDS; raises SubmissionError naming the field."""
    try:
        seconds = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    except OverflowError:  # of a whole number
        seconds = MAX_SECONDS if value > 0 else -MAX_SECONDS  # type: ignore[operator]
    if not math.isfinite(seconds):
        raise SubmissionError(field, value, msg("a finite number of seconds"))
    return max(-MAX_SECONDS, min(MAX_SECONDS, seconds))
