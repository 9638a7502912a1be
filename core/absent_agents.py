"""Says why an agent that should run is not online: the one wording for pages, commands and explanations."""

from __future__ import annotations

from taskyard.core.humanize import duration
from taskyard.core.i18n import TranslatableText, msg


def absence_text(name: str, seconds: float, failures: int, reason: str) -> TranslatableText:
    """Returns why an agent is not online; the arguments are the fields of core.redis.pools.AbsentAgent."""
    if failures > 1:
        return msg("{agent} failed {count} times in a row, last: {reason}", agent=name, count=failures, reason=reason)
    if failures:
        return msg("{agent} failed and starts again: {reason}", agent=name, reason=reason)
    since = duration(round(seconds))
    if reason:
        return msg("{agent} has been starting for {duration}: {reason}", agent=name, duration=since, reason=reason)
    return msg("{agent} has been starting for {duration}", agent=name, duration=since)
