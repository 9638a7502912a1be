"""The readings of a rule, without what is secret in their messages."""

from __future__ import annotations

from dataclasses import replace

from taskyard.core.alerts.kinds import KINDS
from taskyard.core.alerts.reading import Reading, Readings
from taskyard.core.alerts.rules import Rule
from taskyard.core.alerts.signals import Signals
from taskyard.core.message_templates import IdentifiedText
from taskyard.worker.logging.redaction import redacted_text


def read(rule: Rule, signals: Signals) -> Readings | None:
    """Returns the readings of everything that the rule covers; None if it can't be told."""
    found = KINDS[rule.kind].read(rule, signals)
    return None if found is None else {subject: told(r) for subject, r in found.items() if rule.covers(subject)}


def told(reading: Reading) -> Reading:
    """Returns the reading without secrets in its message, neither in the text nor in the parameters."""
    message = reading.message
    if isinstance(message, IdentifiedText):
        message = _without_secrets(message)
    text = redacted_text(str(message))
    return replace(reading, message=message if text == message else text)  # what only shows in the whole has no id


def _without_secrets(message: IdentifiedText) -> IdentifiedText:
    parameters = {
        name: _without_secrets(value)
        if isinstance(value, IdentifiedText)
        else (redacted_text(str(value)) if isinstance(value, str) else value)
        for name, value in message.parameters.items()
    }
    return message.message(**parameters)
