"""Alerts if reports of newer agents wait for a worker that understands them."""

from __future__ import annotations

from taskyard.core.alerts.kind import DefaultRule, Kind, Limits, Unit
from taskyard.core.alerts.reading import Reading, Readings
from taskyard.core.alerts.signals import Signals
from taskyard.core.i18n import N_
from taskyard.core.message_templates import MessageTemplate

KEPT = MessageTemplate(
    "reports_kept.kept",
    N_("{count} reports of newer agents are kept until the workers are upgraded: taskyard kept"),
    one=N_("{count} report of newer agents is kept until the workers are upgraded: taskyard kept"),
)


def read(rule: Limits, signals: Signals) -> Readings | None:
    """Returns the number of kept reports, which a leader of the agents' release applies."""
    live = signals.live
    if live is None:
        return None
    return {"kept reports": Reading(float(live.kept_reports), KEPT(count=live.kept_reports))}


KIND = Kind(
    name="reports_kept",
    title=N_("Reports of newer agents"),
    measures=N_("reports that are kept for a worker of a newer release"),
    unit=Unit.COUNT,
    is_whole=True,
    read=read,
    messages=(KEPT,),
    default_rules=(DefaultRule("reports of newer agents", threshold=1),),
)
