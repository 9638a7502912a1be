"""Lets an agent with credentials of its own work with the few keys that its user in Redis may reach.

Whoever connects as such a user reports to the results of that agent, and nobody else does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import structlog

from taskyard.core.errors import ConfigurationError
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.redis.agent_side import AgentSide
from taskyard.core.redis.connection import Client, connect_redis
from taskyard.core.redis.keys import Keys
from taskyard.core.redis.mailbox import Mailbox
from taskyard.core.redis.quarantine import Odd
from taskyard.core.redis.url import user_of

_Answer = TypeVar("_Answer")

log = structlog.get_logger(__name__)


def agent_side(url: str, namespace: str, policy_of: Callable[[str], str]) -> AgentSide:
    """Returns an agent's side of an installation, by the user that a valid URL names."""
    name = own_name(url, namespace)
    client = connect_redis(url)
    return AgentSide(client, namespace, policy_of) if name is None else OwnAgentSide(client, namespace, policy_of, name)


def own_name(url: str, namespace: str) -> str | None:
    """Returns the agent whose own credentials a URL has; None if it has others."""
    user, prefix = user_of(url), Keys(namespace).prefix
    return user.removeprefix(prefix) if user.startswith(prefix) else None


def check_names(url: str, namespace: str, names: Iterable[str]) -> None:
    """Raises ConfigurationError if a URL has credentials of another agent than all of these."""
    own = own_name(url, namespace)
    others = [name for name in names if name != own]
    if own is not None and others:
        text = msg(
            "TASKYARD_REDIS_URL: has the credentials of agent {own}, expected those of {others}",
            own=own,
            others=", ".join(others[:5]),
        )
        raise ConfigurationError([text])


class OwnAgentSide(AgentSide):
    """The agent's side of Redis for the agent `name`; what its user may not do, it does not try.

    It can neither quarantine nor mend: an order that can't be read is only logged.
    """

    def __init__(self, client: Client, namespace: str, policy_of: Callable[[str], str], name: str) -> None:
        super().__init__(client, namespace, policy_of)
        self._name = name

    @property
    def _results(self) -> str:
        return self.keys.own_results(self._name)

    def heartbeat(self, agent_id: str, heartbeat: bytes, ttl_seconds: float) -> tuple[str, bool]:
        """Writes a heartbeat; returns the generation and whether this boot is fenced."""
        boots, generation = self.keys.own_boots(self._name), self.keys.own_generation(self._name)
        return self._beat(agent_id, heartbeat, ttl_seconds, boots, generation)

    def mailbox(self, agent: str) -> Mailbox:
        """Returns the agent's own mailbox, which it can read; it sends to none."""
        return _OwnMailbox(self.redis, self.keys, agent)

    def set_aside(self, odd: Iterable[Odd]) -> None:
        """Logs what can't be processed."""
        for item in odd:
            log.error("odd", source=item.source, place=item.place, reason=item.reason)

    def _mending(self, command: Callable[[], _Answer]) -> _Answer:
        return command()


class _OwnMailbox(Mailbox):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._lists = []

    def send(self, sender: str, to: str, body: Any) -> str:
        raise refused("agent", to, msg("nobody: an agent with credentials of its own sends no messages"))
