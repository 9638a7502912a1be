"""Values of alerts and thresholds of rules, as people read them."""

from __future__ import annotations

from taskyard.core.alerts.texts import SHIPPED_NAMES, recalled_message
from taskyard.dashboard.components.times import duration
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.i18n import _

# What the kinds of core.alerts.rules measure; the others count things.
IN_SECONDS = frozenset({"oldest_waiting", "latency_p99", "absence", "tick_blocked"})
SHARES = frozenset({"failure_rate", "disk", "memory"})
PER_MINUTE = frozenset({"retry_storm"})
YES_OR_NO = frozenset({"leader_missing", "server_down", "no_agent"})


def shown_value(kind: str | None, value: float | None) -> str:
    """A value with its unit; a plain number if the kind is not known, "–" for None."""
    if value is None:
        return "–"
    if kind in IN_SECONDS:
        return duration(value)
    if kind in SHARES:
        return f"{100 * value:.3g}%"
    if kind in PER_MINUTE:
        return _("{n} a minute").format(n=f"{value:,.4g}")
    return f"{value:,.4g}"


def rule_word(name: str) -> str:
    """A rule's name in the viewer's language, if it is one of the shipped; others are as somebody wrote them."""
    return _(name) if name in SHIPPED_NAMES else name


def told_message(message: str) -> str:
    """What an alert says, in the viewer's language."""
    return translate(recalled_message(message))


def compared(kind: str | None, value: float | None, threshold: float | None) -> str:
    """How a value stands to its threshold; empty for what is yes or no."""
    if kind in YES_OR_NO or value is None:
        return ""
    if threshold is None:
        return shown_value(kind, value)
    return _("{value}, fires at {threshold}").format(
        value=shown_value(kind, value), threshold=shown_value(kind, threshold)
    )
