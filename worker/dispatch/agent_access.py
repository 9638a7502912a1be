"""Makes Redis follow what PostgreSQL says of agents with credentials of their own: their users, and their results."""

from __future__ import annotations

from collections.abc import Iterable

import structlog
from redis.exceptions import ResponseError

from taskyard.core.access.agent_user import AgentUser
from taskyard.core.redis.agent_users import AgentUsers
from taskyard.core.redis.errors import code_of
from taskyard.core.redis.results import sender_of
from taskyard.worker.dispatch.leader_state import LeaderState

RETRY_SECONDS = 10.0
RENEW_SECONDS = 30.0  # after this, what somebody else removed from Redis is made again
BEGINNING = b"0-0"

log = structlog.get_logger(__name__)


class AgentAccess:
    """One term's agents with credentials of their own, and how far their results were read (`read_to`, by name)."""

    def __init__(self, leader_state: LeaderState, users: Iterable[AgentUser]) -> None:
        self._leader_state = leader_state
        self._users: dict[str, AgentUser] = {}
        self._enforced: dict[str, AgentUser] | None = None  # None: not in this term
        self._again_at = 0.0
        self.read_to: dict[str, bytes] = {}
        self.note(users)

    def note(self, users: Iterable[AgentUser]) -> None:
        """Takes what PostgreSQL has now: which there are, and which types they may get."""
        found = {user.name: user for user in users}
        if found == self._users:
            return
        self._users = found
        self.read_to = {name: self.read_to.get(name, BEGINNING) for name in found}
        allowed = self._leader_state.allowed_types = {name: user.types for name, user in found.items()}
        for agent in self._leader_state.agents.values():
            if agent.slots.allowed != (types := allowed.get(agent.info.name)):
                agent.slots.allowed = types

    def note_read(self, entry: bytes) -> bool:
        """Moves the position in an agent's own results; returns False for an entry of the results of all."""
        name = sender_of(entry)
        if name is None:
            return False
        self.read_to[name] = entry.partition(b" ")[0]
        return True

    def enforce(self, agent_users: AgentUsers, now: float) -> None:
        """Makes the users in Redis if that is due. `now` is monotonic seconds.

        Without Redis' permission or support for it everything else goes on, and it is tried again.
        """
        is_new = self._enforced != self._users
        if (now < self._again_at and not (is_new and self._enforced is not None)) or not (is_new or self._users):
            return
        try:
            agent_users.enforce(self._users)
        except (ResponseError, ValueError) as error:
            if code_of(error) not in ("", "NOPERM"):
                raise
            self._enforced, self._again_at = None, now + RETRY_SECONDS
            if self._users:
                log.error("agents.no_users", agents=sorted(self._users), reason=str(error))
            return
        if is_new and (self._users or self._enforced):
            log.info("agents.users", agents=sorted(self._users))
        self._enforced, self._again_at = self._users, now + RENEW_SECONDS
