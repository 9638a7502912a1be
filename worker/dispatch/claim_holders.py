"""Accepts reports on an attempt only from the agent and boot that hold its claim."""

from __future__ import annotations

from taskyard.core.ids import is_id
from taskyard.core.postgres.store.tick import Stale
from taskyard.core.protocol import is_storable
from taskyard.worker.dispatch.batch import Batch
from taskyard.worker.dispatch.claim import Claim
from taskyard.worker.dispatch.leader_state import LeaderState

UNNAMED = ("done", "progress")  # of reports without a name, from agents of version 0
NOT_CURRENT = "this attempt is no longer the current one"
ONLY_FIRST = "a second attempt may not; the one beside it may"
MAX_NOTED = 10_000  # ignored reports, remembered so that each is recorded once


class ClaimHolders:
    """Finds the claim of a report, and records ignored reports."""

    def __init__(self, leader_state: LeaderState) -> None:
        self._leader_state = leader_state
        self._noted: dict[tuple[str, int, str, str], None] = {}

    def holds(self, claim: Claim, agent_id: str) -> bool:
        """Returns True if a report of this boot counts for a claim.

        A report without a boot, as from agents of version 0, counts unless its agent is known to sign.
        """
        if agent_id:
            return agent_id == claim.agent_id
        agent = self._leader_state.agents.get(claim.agent_id)
        return agent is None or agent.info.version == 0

    def why_not(self, task_id: str, attempt: int) -> str:
        """Returns why an attempt may ask for nothing."""
        is_second = self._leader_state.hedges.find(task_id, attempt) is not None
        return ONLY_FIRST if is_second else NOT_CURRENT

    def find(self, reported: str, task_id: str, attempt: int, agent_id: str, batch: Batch) -> Claim | None:
        """Returns the open claim of a report, if it comes from the holder.

        A report from another boot is recorded as a stale event, once; a late report on an ended attempt is not
        recorded.
        """
        claim = self._leader_state.find(task_id, attempt)
        may_count = bool(agent_id) or reported in UNNAMED
        if claim is None or (may_count and self.holds(claim, agent_id)):
            return claim
        self.note_stale(reported, task_id, attempt, agent_id, batch)
        return None

    def note_stale(
        self, reported: str, task_id: str, attempt: int, agent_id: str, batch: Batch, *, always: bool = False
    ) -> None:
        """Records an ignored report: once, or `always`."""
        if not is_id(task_id):
            raise ValueError("no task's id")
        key = (task_id, attempt, agent_id, reported)
        if key in self._noted and not always:
            return
        self._noted[key] = None
        while len(self._noted) > MAX_NOTED:
            del self._noted[next(iter(self._noted))]
        agent = agent_id if agent_id and is_storable(agent_id) else None
        batch.stale.append(Stale(task_id, attempt, agent, reported))
