"""Reads a rule's values, without secrets in their messages."""

from __future__ import annotations

from dataclasses import replace

from taskyard.core.alerts.kinds import KINDS
from taskyard.core.alerts.reading import Reading, Readings
from taskyard.core.alerts.rules import Rule
from taskyard.core.alerts.signals import Signals
from taskyard.core.message_templates import IdentifiedText
from taskyard.worker.logging.redaction import redacted_text


def read(rule: Rule, signals: Signals) -> Readings | None:
    """Returns the readings of everything that the rule covers; None if they are unknown."""
    found = KINDS[rule.kind].read(rule, signals)
    return None if found is None else {subject: told(r) for subject, r in found.items() if rule.covers(subject)}


def told(reading: Reading) -> Reading:
    """Returns the reading without secrets in its message, neither in the text nor in the parameters."""
    message = reading.message
    if isinstance(message, IdentifiedText):
        message = _without_secrets(message)
    text = redacted_text(message)
    if text == message:
        return reading if message is reading.message else replace(reading, message=message)
    return replace(reading, message=text)  # a secret found only in the whole text has no id


def _without_secrets(message: IdentifiedText) -> IdentifiedText:
    """Returns the message itself if it holds none: most are read often and never sent."""
    told = {name: _told(value) for name, value in message.parameters.items()}
    is_same = all(told[name] is value for name, value in message.parameters.items())
    return message if is_same else message.message(**told)


def _told(value: object) -> object:
    if isinstance(value, IdentifiedText):
        return _without_secrets(value)
    return redacted_text(value) if isinstance(value, str) else value
