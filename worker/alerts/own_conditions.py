"""What rules about the worker itself measure: its dispatcher, agents, dashboard and duties (see conditions)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from taskyard.core.alerts import texts
from taskyard.core.alerts.rules import Rule
from taskyard.worker.alerts.reading import Reading, Readings
from taskyard.worker.alerts.signals import OwnState, Signals

Reader = Callable[[Rule, Signals], Readings | None]


def _of_own_state(read: Callable[[OwnState], Readings]) -> Reader:
    """A reader that can tell nothing of a worker whose own state is not known."""
    return lambda rule, signals: None if signals.own is None else read(signals.own)


def _dispatcher_stalled(own: OwnState) -> Readings:
    text = texts.STALLED.format(seconds=f"{own.stalled_seconds:.0f}", what=own.waits_for)
    return {"dispatcher": Reading(own.stalled_seconds, text)}


def _dashboard_down(own: OwnState) -> Readings:
    if own.dashboard_problem is None:
        return {}
    return {"dashboard": Reading(1.0, texts.DASHBOARD_DOWN.format(reason=own.dashboard_problem))}


def _named(text: str, reasons: Mapping[str, str]) -> Readings:
    return {name: Reading(1.0, text.format(name=name, reason=reason)) for name, reason in reasons.items()}


OF_THE_WORKER: Mapping[str, Reader] = {
    "dispatcher_stalled": _of_own_state(_dispatcher_stalled),
    "agent_unhealthy": _of_own_state(lambda own: _named(texts.UNHEALTHY, own.unwell_agents)),
    "dashboard_down": _of_own_state(_dashboard_down),
    "duty_late": _of_own_state(lambda own: _named(texts.DUTY_LATE, own.late_duties)),
}
