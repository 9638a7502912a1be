"""Describes why an agent does no work."""

from __future__ import annotations

from taskyard.worker.agents.health import SILENT_SECONDS
from taskyard.worker.agents.heartbeat import HeartbeatSender
from taskyard.worker.agents.outbox import Outbox


def problems_of(unread_seconds: float, heartbeat: HeartbeatSender, outbox: Outbox, usable_slots: int) -> list[str]:
    """Returns one line for each reason; none if the agent reads its inbox, gets answers to heartbeats and has a
    slot.

    `unread_seconds` is how long ago it last read its inbox.
    """
    found = []
    if unread_seconds > SILENT_SECONDS:
        found.append(f"inbox not read for {unread_seconds:.0f} s{heartbeat.reason}")
    if not heartbeat.is_heard_lately(SILENT_SECONDS):
        found.append(f"no heartbeat answered for {heartbeat.silence_seconds:.0f} s{heartbeat.reason}")
    if outbox.refused_seconds > SILENT_SECONDS:
        found.append(f"no report sent for {outbox.refused_seconds:.0f} s{heartbeat.reason}")
    if not usable_slots:
        found.append("all slots are stuck")
    return found
