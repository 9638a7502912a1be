"""Remembers for the leader which task types agents have declared.

During a deployment, agents know types, or versions of types, that the leader's own process does not, and the other
way round. Placement uses what an agent declared; a type that only agents know is taken from their declarations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import structlog

from taskyard.core.declarations import LABEL, collecting
from taskyard.core.errors import UnknownTaskType
from taskyard.core.protocol import KnownType, encode
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


class _Declaration:
    """What some agents declared, all the same. `latest` is when one of them did last, as a number that grows."""

    def __init__(self, key: bytes, known: Iterable[KnownType]) -> None:
        self.key = key
        self.types = {one.name: one for one in known if is_readable(one)}
        self.versions = {name: one.version for name, one in self.types.items()}
        self.agents: dict[str, int] = {}
        self.latest = 0

    def add(self, agent_id: str, number: int) -> None:
        self.agents[agent_id] = self.latest = number

    def remove(self, agent_id: str) -> None:
        del self.agents[agent_id]
        self.latest = next(reversed(self.agents.values()), 0)


class FleetTypes(Registry):
    """The types of this process, and in addition those that agents declared; what many declared is kept once."""

    def __init__(self, own: Registry) -> None:
        super().__init__(own.types)
        self._declarations: dict[bytes, _Declaration] = {}
        self._of_agents: dict[str, _Declaration] = {}
        self._learned = 0
        self._published: dict[str, PublishedType] = {}
        self._deployed: dict[str, str] = {}  # the newest version of each type; it stays when its agents have ended

    def learn(self, agent_id: str, known: Iterable[KnownType]) -> dict[str, list[str]]:
        """Stores what an agent declared; returns what it deploys: [version before, now] by type.

        A version that another agent still has was deployed before: an agent that restarts while a newer version is
        being rolled out deploys nothing.
        """
        self.forget(agent_id)
        listed = list(known)[:MAX_KNOWN_TYPES]
        key = encode(listed)
        found = self._declarations.get(key)
        declaration = _Declaration(key, listed) if found is None else found
        deployed = {}
        for name, version in declaration.versions.items():
            before = self._deployed.setdefault(name, version)
            if version != before and version not in self._versions(name):
                deployed[name] = [before, version]
                self._deployed[name] = version
        self._learned += 1
        declaration.add(agent_id, self._learned)  # the last one that registered decides for a type
        self._declarations[key] = declaration
        self._of_agents[agent_id] = declaration
        return deployed

    def remember(self, versions: Mapping[str, str]) -> None:
        """Stores the newest versions of types whose agents have ended."""
        for name, version in versions.items():
            self._deployed.setdefault(name, version)

    def forget(self, agent_id: str) -> None:
        """Removes an agent that ended."""
        declaration = self._of_agents.pop(agent_id, None)
        if declaration is not None:
            declaration.remove(agent_id)
            if not declaration.agents:
                del self._declarations[declaration.key]

    def known_by(self, agent_id: str) -> Mapping[str, KnownType] | None:
        """Returns what an agent declared; None if it did not."""
        declaration = self._of_agents.get(agent_id)
        return None if declaration is None else declaration.types

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
        known = self._all()  # at once: schedules fire in the committer's thread
        having = [declaration for declaration in known if isinstance(name, str) and name in declaration.types]
        if having:
            return max(having, key=lambda declaration: declaration.latest).types[name]
        raise UnknownTaskType(name, {*self.types, *(one for declaration in known for one in declaration.types)})

    def versions_of(self, agent_id: str) -> dict[str, str] | None:
        """Returns the declared versions of an agent's types, by type; None if it did not declare any.

        They are not the caller's to change.
        """
        declaration = self._of_agents.get(agent_id)
        return None if declaration is None else declaration.versions

    def version_at(self, agent_id: str, name: str) -> str | None:
        """Returns an agent's version of a type, if it declared one."""
        return (self.versions_of(agent_id) or {}).get(name)

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
        return {one.versions[name] for one in self._all() if name in one.versions}

    def _all(self) -> list[_Declaration]:
        return list(self._declarations.values())


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
        idempotent=known.idempotent,
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
