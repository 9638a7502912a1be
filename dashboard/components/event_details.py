"""Tells in words what the details of some events say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from taskyard.core.humanize import number, percent
from taskyard.core.i18n import N_
from taskyard.core.learning.queue_learning import Reason
from taskyard.core.learning.watch import MIN_TASKS
from taskyard.core.scheduling.hedging import DROPS, failure_in
from taskyard.core.views.attempts import DROPPED, name_of
from taskyard.core.views.head_starts import OFF, ON
from taskyard.dashboard.components.states import word
from taskyard.dashboard.components.times import duration
from taskyard.dashboard.components.zones import shown_time
from taskyard.dashboard.i18n import _, ngettext

REASONS: Mapping[str, str] = {
    Reason.PROVEN: N_("tasks predicted short really are"),
    Reason.NEW: N_("too few tasks have ended: {least} short ones and as many others are needed"),
    Reason.ALIKE: N_("tasks predicted short are not clearly shorter than the others: nothing to gain"),
    Reason.NOT_SHORTER: N_("tasks predicted short are not clearly shorter than the others, and used to be"),
    Reason.HARMFUL: N_("a replay of the last hours says that waits are longer with them"),
}


def details_in_words(event: str, detail: Mapping[str, Any] | None) -> str | None:
    """Returns what an event's detail says; None for events that are shown as they are, and for
    details that are hidden or not as expected.
    """
    tell = _WORDS.get(event)
    return None if tell is None or not detail else tell(detail)


def reason_in_words(event: str, detail: Mapping[str, Any]) -> str | None:
    """Returns why head starts were switched or a second attempt was dropped; None for other events."""
    reason = str(detail.get("reason") or "")
    if event in (ON, OFF):
        return head_starts_reason(reason)
    return _drop_reason(reason) if event == DROPPED else None


def head_starts_reason(reason: str) -> str:
    """Returns why head starts are given, or not; a reason of a newer release as it is."""
    return _(REASONS[reason]).format(least=number(MIN_TASKS)) if reason in REASONS else reason


def _drop_reason(reason: str) -> str:
    failed = failure_in(reason)
    if failed is not None:
        error_class, message = failed
        return _("it failed ({error_class}): {message}").format(error_class=word(error_class), message=message)
    return _(reason) if reason in DROPS else reason


def _late(detail: Mapping[str, Any]) -> str | None:
    beside, seconds = detail.get("beside"), detail.get("late_seconds")
    if not isinstance(beside, int) or not isinstance(seconds, int | float):
        return None
    text = _("attempt {number} ran for more than {duration}")
    return text.format(number=beside, duration=duration(seconds))


def _won(detail: Mapping[str, Any]) -> str | None:
    beside, agent = detail.get("beside"), detail.get("cancelled_agent")
    if not isinstance(beside, int) or not isinstance(agent, str):
        return None
    return _("attempt {number} on {agent} is cancelled").format(number=beside, agent=name_of(agent))


def _took_over(detail: Mapping[str, Any]) -> str | None:
    beside = detail.get("beside")
    return _("attempt {number} ended badly").format(number=beside) if isinstance(beside, int) else None


def _relearned(detail: Mapping[str, Any]) -> str | None:
    runs = detail.get("runs")
    try:
        since = datetime.fromisoformat(str(detail.get("since")))
    except ValueError:
        return None
    if not isinstance(runs, int) or since.tzinfo is None:
        return None
    text = ngettext("from {count} run since {time}", "from {count} runs since {time}", runs)
    return text.format(count=number(runs), time=shown_time(since))


def _ratio(detail: Mapping[str, Any]) -> str:
    ratio = detail.get("ratio")
    if not isinstance(ratio, int | float):
        return ""  # its queue and its reason say all
    return _("run time of short ones: {share} of that of the others").format(share=percent(ratio))


_WORDS: Mapping[str, Callable[[Mapping[str, Any]], str | None]] = {
    "hedged": _late,
    "hedge_won": _won,
    "hedge_took_over": _took_over,
    DROPPED: lambda detail: reason_in_words(DROPPED, detail) or None,
    "relearned": _relearned,
    ON: _ratio,
    OFF: _ratio,
}
