"""Leaves alone the claims that look lost, and may have ended by a report that this leader does not understand (P21)."""

from __future__ import annotations

import structlog

from taskyard.worker.dispatch.claim import Claim
from taskyard.worker.dispatch.leader_state import LeaderState

log = structlog.get_logger(__name__)


def is_withheld(leader_state: LeaderState, claim: Claim) -> bool:
    """Returns True if a kept report may have ended a claim."""
    return leader_state.kept.withholds(claim.pair, claim.agent_id)


def park(leader_state: LeaderState, claim: Claim) -> bool:
    """Closes a claim that a kept report holds back; returns False for every other claim.

    Its row stays as it is, and its agent has room again.
    """
    kept = leader_state.kept
    if not is_withheld(leader_state, claim):
        return False
    if claim.pair not in kept.parked:
        log.warning("claim.withheld", task=claim.id, attempt=claim.attempt, agent=claim.agent_id)
    leader_state.close(claim)
    kept.parked[claim.pair] = claim
    return True


def resume(leader_state: LeaderState) -> None:
    """Opens claims again that nothing holds back any more: now they end, or are given up, as any other."""
    parked = leader_state.kept.parked
    for pair, claim in list(parked.items()):
        if is_withheld(leader_state, claim):
            continue
        del parked[pair]
        if claim.id in leader_state.claims:
            continue
        agent = leader_state.agents.get(claim.agent_id)
        if agent is not None:
            agent.slots.give(claim.expected_seconds)
        opened = leader_state.open(claim.row, claim.expected_seconds, claim.ready)
        opened.is_published, opened.started, opened.started_at = True, claim.started, claim.started_at
