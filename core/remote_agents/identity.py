"""Defines who an agent is that comes by a token, and what it may call its own (pure)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from taskyard.core.access.identity import EVERY, TOKEN, Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.access.principals import Kind
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused

_PREFIX = f"{Kind.AGENT.value}:"
_BOOT = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class RemoteAgent:
    """An agent that comes by a token: `name` is that of the token, `types` are the patterns that it is narrowed to."""

    name: str
    types: tuple[str, ...]
    may_submit_code: bool

    def id_of(self, boot: str) -> str:
        """Returns the id of one of its boots; raises SubmissionError for an invalid boot id."""
        if not _BOOT.fullmatch(boot):
            raise refused("boot", boot, msg("1 to 64 of the letters A to Z, digits and ._-"))
        return f"{self.name}:{boot}"

    def check_own(self, field: str, agent_id: str) -> None:
        """Raises SubmissionError unless an id is that of one of its boots."""
        name, _, boot = agent_id.partition(":")
        if name != self.name or not _BOOT.fullmatch(boot):
            raise refused(field, agent_id, msg("{name}: and a boot id, as of this token's agent", name=self.name))

    def takes(self, task_type: str) -> bool:
        """Returns True if a task type is among those that it is narrowed to."""
        return any(fnmatchcase(task_type, pattern) for pattern in self.types)

    def check_pattern(self, field: str, pattern: str) -> None:
        """Raises SubmissionError unless all types that a pattern matches are among those that it is narrowed to."""
        if not any(covers(own, pattern) for own in self.types):
            raise refused(field, pattern, msg("patterns within {patterns}", patterns=", ".join(self.types)))


def agent_of(actor: Actor) -> RemoteAgent | None:
    """Returns the agent that an actor is; None for people, services and programs of this machine."""
    if actor.via != TOKEN or not actor.name.startswith(_PREFIX):
        return None
    return RemoteAgent(actor.name.removeprefix(_PREFIX), actor.types, actor.may(Permission.CODE_SUBMIT))


def takes_all_queues(actor: Actor) -> bool:
    """Returns True if a role is not narrowed to queues, which placement does not know of agents."""
    return EVERY in actor.queues


def covers(own: str, pattern: str) -> bool:
    """Returns True if a pattern matches nothing that `own` does not; False also where that can't be told easily."""
    if own in (EVERY, pattern):
        return True
    if not _has(pattern, "*?["):
        return fnmatchcase(pattern, own)
    # with * alone, each literal of `own` meets the same literal of the pattern, and each * whatever is left
    return not _has(own, "?[") and not _has(pattern, "[") and fnmatchcase(pattern, own)


def _has(pattern: str, signs: Sequence[str]) -> bool:
    return any(sign in pattern for sign in signs)
