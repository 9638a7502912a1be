"""Defines hooks, by which others submit tasks with signed requests, and checks what is said of them (pure)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from taskyard.core.access.identity import EVERY, Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.i18n import msg
from taskyard.core.patterns import MAX_PATTERN_LENGTH
from taskyard.core.payload.culprits import refused
from taskyard.core.states import Priority
from taskyard.core.webhooks.document import document_of
from taskyard.core.webhooks.key import webhook_key
from taskyard.core.webhooks.schemes import Scheme
from taskyard.core.webhooks.template import check_template

VIA = "hook"
MAX_EVENTS = 50
MAX_KEY_LENGTH = 200  # of an idempotency key
MIN_SECRET_LENGTH, MAX_SECRET_LENGTH = 16, 200
GITHUB_PING = "ping"  # GitHub's first delivery: it only asks whether anybody answers


@dataclass(frozen=True, slots=True)
class Hook:
    """A hook without its secret. `events` are patterns of what it submits a task for."""

    id: str
    name: str
    scheme: Scheme
    type: str
    queue: str
    priority: str
    template: dict[str, Any]
    events: tuple[str, ...]
    may_run_code: bool
    former_until: datetime | None
    disabled_at: datetime | None
    used_at: datetime | None
    refused_at: datetime | None
    created_at: datetime
    created_by: str

    def acting(self) -> Actor:
        """Returns the identity that submits this hook's tasks, and may do nothing else."""
        permissions = {Permission.TASK_SUBMIT} | ({Permission.CODE_SUBMIT} if self.may_run_code else set())
        return Actor(f"hook:{self.name}", VIA, frozenset(permissions), (self.queue,), (self.type,))

    def wants(self, event: str) -> bool:
        """Returns True if it submits a task for an event, such as `pull_request.opened`, or all of `pull_request`."""
        if self.scheme is Scheme.GITHUB and event == GITHUB_PING and GITHUB_PING not in self.events:
            return False
        names = (event, event.partition(".")[0]) if self.scheme is Scheme.GITHUB else (event,)
        return any(pattern == EVERY or fnmatchcase(name, pattern) for pattern in self.events for name in names)

    def key_of(self, delivery_id: str) -> str:
        """Returns the idempotency key of a delivery's task."""
        key = f"hook:{self.name}:{delivery_id}"
        if len(key) <= MAX_KEY_LENGTH:
            return key
        return f"hook:{self.name}:sha256:{hashlib.sha256(delivery_id.encode()).hexdigest()}"

    def as_json(self) -> dict[str, Any]:
        """Returns it as a document."""
        return document_of(self)


@dataclass(frozen=True, slots=True)
class HookFields:
    """What makes up a hook, checked."""

    scheme: Scheme
    type: str
    queue: str
    priority: str
    template: dict[str, Any]
    events: tuple[str, ...]


def check_scheme(value: object) -> Scheme:
    """Returns a valid scheme; raises SubmissionError."""
    if not isinstance(value, str) or value not in set(Scheme):
        raise refused("scheme", value, msg("one of {names}", names=", ".join(Scheme)))
    return Scheme(value)


def check_secret(scheme: Scheme, value: object) -> str:
    """Returns a secret with which the scheme can sign; raises SubmissionError, which does not show it."""
    expected = msg("{least} to {most} printable characters", least=MIN_SECRET_LENGTH, most=MAX_SECRET_LENGTH)
    if not isinstance(value, str) or not value.isprintable() or not value.isascii():
        raise refused("secret", "***", expected)
    if not MIN_SECRET_LENGTH <= len(value) <= MAX_SECRET_LENGTH or value != value.strip():
        raise refused("secret", "***", expected)
    if scheme is Scheme.STANDARD:
        try:
            webhook_key(value)
        except ValueError as error:
            raise refused("secret", "***", str(error)) from None
    return value


def check_fields(
    *,
    scheme: object,
    type: str,
    queue: str,
    priority: object,
    template: object,
    events: Sequence[object],
) -> HookFields:
    """Returns what makes up a hook; type and queue are checked by whoever knows the types. Raises SubmissionError."""
    if not isinstance(priority, str) or priority not in {one.label for one in Priority}:
        raise refused("priority", priority, msg("one of {names}", names=", ".join(one.label for one in Priority)))
    return HookFields(check_scheme(scheme), type, queue, priority, check_template(template), check_events(events))


def check_events(values: Sequence[object]) -> tuple[str, ...]:
    """Returns valid patterns of events; raises SubmissionError."""
    if isinstance(values, str) or not 1 <= len(values) <= MAX_EVENTS:
        raise refused("events", values, msg("1 to {limit} patterns", limit=MAX_EVENTS))
    found = []
    for value in values:
        if not isinstance(value, str) or not 0 < len(value) <= MAX_PATTERN_LENGTH or not value.isprintable():
            raise refused("events", value, msg("a pattern of events such as push, pull_request.opened or invoice.*"))
        found.append(value)
    return (EVERY,) if EVERY in found else tuple(dict.fromkeys(found))
