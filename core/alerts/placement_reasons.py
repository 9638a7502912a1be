"""Explains why tasks of a lane have no agent, as messages (pure): the reasons of core.scheduling.placement."""

from __future__ import annotations

from collections.abc import Iterator

from taskyard.core.message_templates import MessageTemplate, identified
from taskyard.core.models import Lane
from taskyard.core.scheduling import placement
from taskyard.core.scheduling.agent_slots import as_agents_see, slots_of
from taskyard.core.telemetry.live_snapshot import LaneDepth, LiveSnapshot

REASONS = (
    MessageTemplate("placement.no_agent", placement.NO_AGENT),
    MessageTemplate("placement.no_type", placement.NO_TYPE),
    MessageTemplate("placement.no_knowledge", placement.NO_KNOWLEDGE),
    MessageTemplate("placement.no_tags", placement.NO_TAGS),
)


def lanes_without_agent(live: LiveSnapshot) -> Iterator[tuple[LaneDepth, str]]:
    """Yields the lanes with tasks that no registered agent could ever take, each with the reason."""
    agents = [slots_of(agent) for agent in live.agents]
    reasons: dict[Lane, str | None] = {}
    for lane in live.lanes:
        alike = as_agents_see(Lane(lane.queue, lane.type, tuple(lane.requires)))
        if alike not in reasons:
            reason = placement.unplaceable_reason(alike, agents)
            reasons[alike] = None if reason is None else identified(reason, REASONS)
        if (known := reasons[alike]) is not None:
            yield lane, known
