"""Alerts if something could not be processed and was quarantined."""

from __future__ import annotations

from taskyard.core.alerts.kind import DefaultRule, Kind, Limits, Unit
from taskyard.core.alerts.reading import Reading, Readings
from taskyard.core.alerts.signals import Signals
from taskyard.core.i18n import N_
from taskyard.core.message_templates import MessageTemplate

QUARANTINED = MessageTemplate(
    "quarantined.quarantined",
    N_("{count} items could not be processed and are in quarantine: taskyard quarantine list"),
    one=N_("{count} item could not be processed and is in quarantine: taskyard quarantine list"),
)


def read(rule: Limits, signals: Signals) -> Readings | None:
    """Returns the number of quarantined items; `taskyard quarantine drop` removes them."""
    live = signals.live
    if live is None:
        return None
    return {"quarantine": Reading(float(live.quarantined), QUARANTINED(count=live.quarantined))}


KIND = Kind(
    name="quarantined",
    title=N_("Items in quarantine"),
    measures=N_("items in quarantine that could not be processed"),
    unit=Unit.COUNT,
    is_whole=True,
    read=read,
    messages=(QUARANTINED,),
    default_rules=(DefaultRule("quarantined reports", threshold=1),),
)
