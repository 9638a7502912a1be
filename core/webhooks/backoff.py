"""Decides when a delivery is tried again (pure)."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# After the first attempt, the second and so on; the last one goes on. In all about 20 attempts in a day.
DELAYS_SECONDS = (5, 30, 120, 300, 900, 1800, 3600, 7200)
JITTER = 0.2  # share by which a delay is longer at most, so that many do not come back at the same moment
GIVE_UP_SECONDS = 24 * 3600
OBEYED_STATUSES = frozenset({429, 503})  # whose Retry-After counts


def delay_seconds(attempt: int, chance: float) -> float:
    """Returns how long to wait after the `attempt`-th attempt (from 1); `chance` is a random number from 0 to 1."""
    delay = DELAYS_SECONDS[min(max(attempt, 1), len(DELAYS_SECONDS)) - 1]
    return delay * (1 + JITTER * chance)


def retry_after_seconds(text: str | None, now: datetime) -> float | None:
    """Returns how long a Retry-After header asks to wait, at most GIVE_UP_SECONDS; None without a valid one."""
    if text is None:
        return None
    stripped = text.strip()
    if stripped.isascii() and stripped.isdigit():
        return float(min(int(stripped[:9]), GIVE_UP_SECONDS))
    try:
        until = parsedate_to_datetime(stripped)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return min(max(0.0, (until - now).total_seconds()), float(GIVE_UP_SECONDS))
