"""Alerts if a type differs from its own past."""

from __future__ import annotations

from taskyard.core.alerts.kind import DefaultRule, Kind, Limits, Unit
from taskyard.core.alerts.reading import Reading, Readings
from taskyard.core.alerts.signals import Anomaly, Signals
from taskyard.core.i18n import N_
from taskyard.core.message_templates import MessageTemplate

DURATION = MessageTemplate(
    "anomaly.duration",
    N_("typical duration of type {type} {value}, normally {usual}"),
    durations=("value", "usual"),
)
FAILURES = MessageTemplate("anomaly.failures", N_("failure rate of type {type} {value:.3g} %, normally {usual:.3g} %"))
ARRIVALS = MessageTemplate(
    "anomaly.arrivals", N_("{value:.3g} tasks of type {type} submitted per minute, normally {usual:.3g}")
)
BY_MEASURE = {"duration": DURATION, "failure rate": FAILURES, "arrival rate": ARRIVALS}


def read(rule: Limits, signals: Signals) -> Readings | None:
    """Returns the deviation of each measure of a type, in standard deviations."""
    anomalies = signals.anomalies()
    if anomalies is None:
        return None
    return {f"{a.type} {a.measure}": Reading(abs(a.score), _message(a)) for a in anomalies}


def _message(anomaly: Anomaly) -> str:
    template = BY_MEASURE[anomaly.measure]
    return template(type=anomaly.type, value=anomaly.value, usual=anomaly.expected)


KIND = Kind(
    name="anomaly",
    title=N_("Anomaly"),
    measures=N_("robust z-score of a type's duration, failure rate or arrival rate against its own past"),
    unit=Unit.DEVIATIONS,
    comparison=N_("deviation {value} σ (threshold {threshold})"),
    read=read,
    messages=(DURATION, FAILURES, ARRIVALS),
    default_rules=(DefaultRule("unlike itself", "info", threshold=6, clear=4),),
)
