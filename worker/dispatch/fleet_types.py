"""Remembers for the leader which task types agents have declared.

During a deployment, agents know types, or versions of types, that the leader's own process does not, and the other
way round. Placement uses what an agent declared; a type that only agents know is taken from their declarations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import structlog

from taskyard.core.declarations import LABEL, collecting
from taskyard.core.errors import UnknownTaskType
from taskyard.core.protocol import KnownType
from taskyard.core.task_types.published import PublishedType, published_type
from taskyard.core.task_types.registry import (
    MAX_NAME_LENGTH,
    MAX_TIMEOUT_SECONDS,
    NAME_PATTERN,
    Isolation,
    Registry,
    TaskType,
)
from taskyard.core.task_types.retry_policy import RETRYABLE_CLASSES, RetryPolicy
from taskyard.core.task_types.stand_in import AnyObject, never_run

MAX_KNOWN_TYPES = 10_000  # types of one agent

log = structlog.get_logger(__name__)


class FleetTypes(Registry):
    """The types of this process, and in addition those that agents declared."""

    def __init__(self, own: Registry) -> None:
        super().__init__(own.types)
        self._by_agent: dict[str, dict[str, KnownType]] = {}
        self._published: dict[str, PublishedType] = {}
        self._deployed: dict[str, str] = {}  # the newest version of each type; it stays when its agents have ended

    def learn(self, agent_id: str, known: Iterable[KnownType]) -> dict[str, list[str]]:
        """Stores what an agent declared; returns what it deploys: [version before, now] by type.

        A version that another agent still has was deployed before: an agent that restarts while a newer version is
        being rolled out deploys nothing.
        """
        readable = {one.name: one for one in list(known)[:MAX_KNOWN_TYPES] if is_readable(one)}
        self._by_agent.pop(agent_id, None)
        deployed = {}
        for name, one in readable.items():
            before = self._deployed.setdefault(name, one.version)
            if one.version != before and one.version not in self._versions(name):  # which looks at every agent
                deployed[name] = [before, one.version]
                self._deployed[name] = one.version
        self._by_agent[agent_id] = readable  # the last one that registered decides for a type
        return deployed

    def remember(self, versions: Mapping[str, str]) -> None:
        """Stores the newest versions of types whose agents have ended."""
        for name, version in versions.items():
            self._deployed.setdefault(name, version)

    def forget(self, agent_id: str) -> None:
        """Removes an agent that ended."""
        self._by_agent.pop(agent_id, None)

    def known_by(self, agent_id: str) -> Mapping[str, KnownType] | None:
        """Returns what an agent declared; None if it did not."""
        return self._by_agent.get(agent_id)

    def get(self, name: str) -> TaskType:
        """Returns the type of this name, the newest agent's if only agents know it; raises UnknownTaskType."""
        own = self.types.get(name) if isinstance(name, str) else None
        return own if own is not None else _stand_in(self.declared(name))

    def published(self, name: str) -> PublishedType | None:
        """Returns a type that only agents have, with its schemas; None if this process has it.

        Raises UnknownTaskType.
        """
        if name in self.types:
            return None
        known = self.declared(name)
        found = self._published.get(name)
        if found is None or found.known != known:
            self._published[name] = found = published_type(known)
        return found

    def declared(self, name: str) -> KnownType:
        """Returns the newest agent's declaration of a type; raises UnknownTaskType."""
        for known in reversed(list(self._by_agent.values())):  # at once: schedules fire in the committer's thread
            if isinstance(name, str) and name in known:
                return known[name]
        raise UnknownTaskType(name, {*self.types, *(one for known in list(self._by_agent.values()) for one in known)})

    def versions_of(self, agent_id: str) -> dict[str, str] | None:
        """Returns the declared versions of an agent's types, by type; None if it did not declare any."""
        known = self._by_agent.get(agent_id)
        return None if known is None else {one.name: one.version for one in known.values()}

    def version_at(self, agent_id: str, name: str) -> str | None:
        """Returns an agent's version of a type, if it declared one."""
        known = self._by_agent.get(agent_id, {}).get(name)
        return None if known is None else known.version

    def differs(self, agent_id: str, name: str) -> bool:
        """Returns True if another agent or this process has another version of the type than this agent."""
        version = self.version_at(agent_id, name)
        if version is None:
            return False
        versions = self._versions(name)
        if name in self.types:
            versions.add(self.types[name].version)
        return versions != {version}

    def _versions(self, name: str) -> set[str]:
        """Returns the versions of a type that agents have."""
        return {one[name].version for one in self._by_agent.values() if name in one}


def is_readable(known: KnownType) -> bool:
    """Returns True if an agent's declaration of a type is storable and usable; logs it if not."""
    is_named = (
        len(known.name) <= MAX_NAME_LENGTH and NAME_PATTERN.fullmatch(known.name) and LABEL.fullmatch(known.version)
    )
    if is_named and 0 < known.timeout_seconds <= MAX_TIMEOUT_SECONDS and all(map(LABEL.fullmatch, known.requires)):
        with collecting() as problems:
            _policy(known)
        if not problems:
            return True
    log.error("agent.type_unreadable", type=repr(known.name)[:100])
    return False


def _stand_in(known: KnownType) -> TaskType:
    return TaskType(
        name=known.name,
        handler=never_run,
        input_model=AnyObject,
        output_model=AnyObject,
        timeout_seconds=known.timeout_seconds,
        retry=_policy(known),
        isolation=Isolation.PROCESS,
        requires=frozenset(known.requires),
        description="",
        runs_code=known.is_guarded,
    )


def _policy(known: KnownType) -> RetryPolicy:
    retry_on: Sequence[str] | frozenset[str] = RETRYABLE_CLASSES if known.retry_on is None else known.retry_on
    return RetryPolicy(
        known.max_attempts,
        known.backoff_seconds,
        known.max_backoff_seconds,
        retry_on,  # type: ignore[arg-type]
        known.max_retry_afters,
    )
