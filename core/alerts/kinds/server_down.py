"""Alerts if PostgreSQL or Redis does not answer."""

from __future__ import annotations

from taskyard.core.alerts.kind import SERVERS, DefaultRule, Kind, Limits, Subject, Unit
from taskyard.core.alerts.reading import Reading, Readings
from taskyard.core.alerts.signals import Signals
from taskyard.core.i18n import N_
from taskyard.core.message_templates import MessageTemplate, identified

NO_ANSWER = MessageTemplate("server_down.no_answer", N_("{server} does not answer"))
PROBLEMS = (
    MessageTemplate("server_down.postgresql_away", N_("PostgreSQL can't be reached: {reason}")),
    MessageTemplate("server_down.postgresql_unusable", N_("PostgreSQL can't be used: {reason}")),
    MessageTemplate("server_down.redis_unusable", N_("Redis can't be used: {reason}")),
)


def read(rule: Limits, signals: Signals) -> Readings | None:
    """Returns a reading of 1 for each server that is down, as this worker reaches it, and of 0 for others."""
    servers = signals.servers()
    if servers is None:
        return None
    found = {}
    for one in servers:
        message = (
            identified(one.problem, PROBLEMS) if one.problem else NO_ANSWER(server=SERVERS.get(one.name, one.name))
        )
        found[one.name] = Reading(float(not one.is_up), message)
    return found


KIND = Kind(
    name="server_down",
    title=N_("Server down"),
    measures=N_("whether PostgreSQL or Redis does not answer"),
    unit=Unit.YES_OR_NO,
    subject=Subject.SERVER,
    read=read,
    messages=(NO_ANSWER, *PROBLEMS),
    default_rules=(DefaultRule("server down", "critical", for_seconds=10),),
)
