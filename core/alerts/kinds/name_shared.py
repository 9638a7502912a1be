"""Alerts if several agents use one name at once."""

from __future__ import annotations

from taskyard.core.alerts.kind import DefaultRule, Kind, Limits, Unit
from taskyard.core.alerts.reading import Reading, Readings
from taskyard.core.alerts.signals import Signals
from taskyard.core.i18n import N_
from taskyard.core.message_templates import MessageTemplate

SHARED = MessageTemplate(
    "name_shared.shared",
    N_("{count} agents on {hosts} are named {agent}: a hold or restart affects all of them; give one pool other names"),
)


def read(rule: Limits, signals: Signals) -> Readings | None:
    """Returns for each shared name how many agents use it in addition to the first."""
    live = signals.live
    if live is None:
        return None
    hosts_by_name: dict[str, list[str]] = {}
    for agent in live.agents:
        hosts_by_name.setdefault(agent.name, []).append(agent.host)
    return {
        name: Reading(
            float(len(hosts) - 1), SHARED(count=len(hosts), hosts=", ".join(dict.fromkeys(hosts)), agent=name)
        )
        for name, hosts in hosts_by_name.items()
        if len(hosts) > 1
    }


KIND = Kind(
    name="name_shared",
    title=N_("Agent name used twice"),
    measures=N_("agents that use the same name at once, in addition to the first"),
    unit=Unit.COUNT,
    is_whole=True,
    read=read,
    messages=(SHARED,),
    # longer than an agent and the one that follows it are both there
    default_rules=(DefaultRule("agent name used twice", threshold=1, for_seconds=30),),
)
