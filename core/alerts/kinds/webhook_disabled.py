"""Alerts if the worker has disabled a webhook because nobody answers it."""

from __future__ import annotations

from taskyard.core.alerts.kind import DefaultRule, Kind, Limits, Unit
from taskyard.core.alerts.reading import Reading, Readings
from taskyard.core.alerts.signals import Signals
from taskyard.core.i18n import N_
from taskyard.core.message_templates import MessageTemplate

DISABLED = MessageTemplate(
    "webhook_disabled.disabled", N_("webhook {webhook} is disabled: it answered 410, or nothing arrived for days")
)


def read(rule: Limits, signals: Signals) -> Readings | None:
    """Returns the webhooks that nobody disabled and that send nothing; enabling or removing one ends it."""
    live = signals.live
    if live is None:
        return None
    return {name: Reading(1.0, DISABLED(webhook=name)) for name in live.disabled_webhooks}


KIND = Kind(
    name="webhook_disabled",
    title=N_("Webhook disabled"),
    measures=N_("whether the worker has disabled a webhook that nobody answers"),
    unit=Unit.YES_OR_NO,
    read=read,
    messages=(DISABLED,),
    default_rules=(DefaultRule("webhooks disabled"),),
)
