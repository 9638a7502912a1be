"""Keeps what the leader has learned of agents, and stores it."""

from __future__ import annotations

import structlog

from taskyard.core.ids import agent_name_of
from taskyard.core.learning.factors import AgentFactors, Factor, Key
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import agent_factors
from taskyard.core.postgres.store.learning import EndedTask
from taskyard.core.scheduling.breaker import BLAMELESS
from taskyard.core.scheduling.matching import Matching

log = structlog.get_logger(__name__)


class AgentsLearning:
    """The agents of one term; `matching` is what placement reads."""

    def __init__(self, matching: Matching) -> None:
        self._matching = matching
        self._factors = AgentFactors()
        self._unsaved: dict[Key, Factor] = {}
        self._forgotten: set[Key] = set()

    def load(self, tx: Transaction) -> None:
        """Goes on from what an earlier leader stored; what is not plausible there is ignored with one line."""
        ignored = self._factors.load(agent_factors.factors(tx))
        if ignored:
            (agent, type_), reason = next(iter(ignored.items()))
            log.warning("learning.agents_ignored", count=len(ignored), agent=agent, type=type_, reason=reason)
        self._matching.factors = self._factors

    def note(self, task: EndedTask, agent_id: str, seconds: float, error_class: str) -> None:
        """Records an attempt that ended, `error_class` empty: it succeeded."""
        name = agent_name_of(agent_id)
        if not error_class:
            self._factors.note_success(name, task.type, seconds, task.predicted_seconds)
        elif error_class not in BLAMELESS:
            self._factors.note_failure(name, task.type)

    def save(self, tx: Transaction) -> None:
        """Stores what changed; call `saved` after the commit."""
        self._unsaved |= self._factors.take_changed()
        self._forgotten |= self._factors.forgotten
        self._factors.forgotten.clear()
        if self._unsaved:
            agent_factors.save(tx, self._unsaved)
        if gone := self._forgotten - self._unsaved.keys():
            agent_factors.forget(tx, gone)

    def saved(self) -> None:
        """Forgets what `save` stored."""
        self._unsaved, self._forgotten = {}, set()
