"""Alerts if the intervals of predicted run times hold much more or less often than they say."""

from __future__ import annotations

from taskyard.core.alerts.kind import DefaultRule, Kind, Limits, Subject, Unit
from taskyard.core.alerts.reading import Reading, Readings
from taskyard.core.alerts.signals import Signals
from taskyard.core.i18n import N_
from taskyard.core.message_templates import MessageTemplate

SUBJECT = "predictions"
COVERAGE = 0.8  # that intervals are made for, see core.learning.calibration
DRIFTED = MessageTemplate(
    "predictions_drift.drifted",
    N_("80 % intervals of predicted run times held for {percent} % of the last 1,000 tasks"),
)


def read(rule: Limits, signals: Signals) -> Readings | None:
    """Returns by how much the coverage of the last results differs from its goal, in either direction."""
    live = signals.live
    if live is None or live.learning is None:
        return None
    coverage = live.learning.coverage
    if coverage is None:
        return {}
    return {SUBJECT: Reading(abs(coverage - COVERAGE), DRIFTED(percent=round(100 * coverage)))}


KIND = Kind(
    name="predictions_drift",
    title=N_("Predicted run times do not hold"),
    measures=N_("difference between 80 % and the share of run times that were within their predicted interval"),
    unit=Unit.SHARE,
    subject=Subject.OTHER,
    read=read,
    messages=(DRIFTED,),
    default_rules=(DefaultRule("predictions drift", threshold=0.1, clear=0.07, for_seconds=300),),
)
