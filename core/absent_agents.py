"""Says why agents that should run are not online: the one wording for pages, commands and explanations."""

from __future__ import annotations

from collections.abc import Iterable

from taskyard.core.humanize import duration
from taskyard.core.i18n import TranslatableText, msg
from taskyard.core.redis.pools import AbsentAgent

SLOW_START_SECONDS = 30.0  # a start that takes longer is worth a look


def absence_text(one: AbsentAgent) -> TranslatableText:
    """Returns why an agent is not online."""
    since = duration(round(one.seconds))
    if one.failures > 1:
        return msg(
            "{agent} failed {count} times in a row, last: {reason}",
            agent=one.name,
            count=one.failures,
            reason=one.reason,
        )
    if one.failures:
        return msg("{agent} failed and starts again: {reason}", agent=one.name, reason=one.reason)
    if one.reason:
        return msg(
            "{agent} has been starting for {duration}: {reason}", agent=one.name, duration=since, reason=one.reason
        )
    return msg("{agent} has been starting for {duration}", agent=one.name, duration=since)


def worth_telling(absent: Iterable[AbsentAgent]) -> list[AbsentAgent]:
    """Returns those that failed, or start for long."""
    return [one for one in absent if one.failures or one.seconds > SLOW_START_SECONDS]
