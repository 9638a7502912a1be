"""Handles what agents report of themselves: that a boot is there, and that it has ended."""

from __future__ import annotations

from msgspec import to_builtins

from taskyard.core.protocol import Deregister, Register, Welcome, is_storable
from taskyard.worker.dispatch.batch import Batch
from taskyard.worker.dispatch.leader_state import LeaderState
from taskyard.worker.dispatch.recovery import Recovery


class AgentReports:
    """Adds and removes boots. Raises ValueError for a report that can't be right."""

    def __init__(self, leader_state: LeaderState, recovery: Recovery) -> None:
        self._leader_state = leader_state
        self._recovery = recovery

    def register(self, report: Register, batch: Batch) -> None:
        """Adds a boot, and the types that it declares."""
        agent_id = report.agent.id
        if not report.agent.is_storable():
            raise ValueError("invalid agent: its name can't be stored, or its id is not name:boot")
        if agent_id in self._leader_state.ended:
            return
        if report.known_types is not None:
            arrival = batch.arrival(report.agent)
            arrival.deployed |= self._leader_state.learn_types(agent_id, report.known_types)
            known = self._leader_state.fleet.known_by(agent_id) or {}
            arrival.known_types = to_builtins(list(known.values()))
        if agent_id not in self._leader_state.agents:
            batch.arrival(report.agent)
            self._leader_state.add_agent(report.agent)
        batch.order(agent_id, Welcome())

    def deregister(self, report: Deregister, batch: Batch) -> None:
        """Takes everything back from a boot that says that it ends, or whose supervisor does."""
        if report.state not in ("left", "lost") or not is_storable(report.agent_id):
            raise ValueError("not a valid end of an agent")
        agent = self._leader_state.agents.get(report.agent_id)
        if agent is not None and not agent.info.accepts_farewell(report.proof):
            raise ValueError("the sender is neither this boot nor its supervisor")
        if report.agent_id not in self._leader_state.ended:
            self._recovery.reap(report.agent_id, report.state, batch)
