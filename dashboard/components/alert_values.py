"""Formats values of alerts and thresholds of rules."""

from __future__ import annotations

from taskyard.core.alerts.kind import Unit
from taskyard.core.alerts.kinds import KINDS
from taskyard.core.alerts.messages import HasMessage, message_of
from taskyard.core.alerts.rule_titles import TITLES
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.i18n import _


def shown_value(kind: str | None, value: float | None) -> str:
    """Returns a value with its unit; a plain number if the kind is unknown, "–" for None."""
    if value is None:
        return "–"
    unit = KINDS[kind].unit if kind is not None and kind in KINDS else Unit.COUNT
    return translate(unit.shown(value))


def rule_word(name: str) -> str:
    """Returns a shipped rule's title in the viewer's language; other names unchanged."""
    return _(TITLES[name]) if name in TITLES else name


def alert_message(alert: HasMessage) -> str:
    """Returns an alert's message in the viewer's language."""
    return translate(message_of(alert))


def compared(kind: str | None, value: float | None, threshold: float | None) -> str:
    """Compares a value with its threshold in words; returns an empty text for a yes-or-no kind."""
    if kind is not None and kind in KINDS:
        return translate(KINDS[kind].compared(value, threshold))
    if value is None or threshold is None:
        return "" if value is None else shown_value(None, value)
    return _("{value} (threshold {threshold})").format(
        value=shown_value(None, value), threshold=shown_value(None, threshold)
    )
