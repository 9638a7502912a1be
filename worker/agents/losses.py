"""Reports the ends of a pool's agents that could not say farewell, with the results that they left on disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import structlog

from taskyard.core.errors import Unavailable
from taskyard.core.protocol import Deregister, encode
from taskyard.core.redis.connection import reaching_redis
from taskyard.core.redis.ports import AgentPort
from taskyard.worker.agents import spool
from taskyard.worker.agents.pool_member import Member

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Losses:
    """What one pool has yet to report."""

    broker: AgentPort
    data_dir: Path
    _lost: list[Deregister] = field(default_factory=list)
    _spooled: list[Path] = field(default_factory=list)

    def begin(self) -> None:
        """Finds the results that agents of an earlier pool left."""
        self._spooled = spool.left_behind(self.data_dir)

    def add(self, member: Member) -> None:
        """Notes the end of an agent's process."""
        self._lost.append(Deregister(member.agent_id, "lost", member.proof))

    def has_results_of(self, member: Member) -> bool:
        """Returns True if an agent left results on disk."""
        return bool(spool.spooled_by(self.data_dir, member.agent_id))

    def report(self) -> None:
        """Reports the results left in dead boots' spools, then the boots' deaths.

        Otherwise the leader notices the deaths by missing heartbeats.
        """
        try:
            with reaching_redis():
                while self._spooled:
                    self._hand_in(self._spooled[0])
                    del self._spooled[0]
                while self._lost:
                    for path in spool.spooled_by(self.data_dir, self._lost[0].agent_id):
                        self._hand_in(path)
                    self.broker.report(encode([self._lost[0]]))
                    del self._lost[0]
        except Unavailable:
            return  # the pool calls this again soon

    def _hand_in(self, path: Path) -> None:
        results = 0
        try:
            for reports in spool.read(path):
                self.broker.report(encode(reports))
                results += len(reports)
            path.unlink()
        except OSError as error:  # its agent is alive after all and was faster, or the disk refuses
            log.warning("spool.refused", path=str(path), reason=str(error))
        else:
            log.info("spool.handed_in", path=str(path), results=results)
