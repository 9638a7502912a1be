"""Defines principals, who are known to the installation by name, and checks what is said of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from taskyard.core.access.identity import EVERY, TOKEN, Actor
from taskyard.core.access.permissions import Role, permissions_of
from taskyard.core.i18n import msg
from taskyard.core.patterns import MAX_PATTERN_LENGTH, can_match_label, can_match_type
from taskyard.core.payload.culprits import refused

MAX_PATTERNS = 100
MAX_NOTE_LENGTH = 200  # characters
_NAME = re.compile(r"[A-Za-z0-9._@+-]{1,64}", re.ASCII)


class Kind(StrEnum):
    """What a principal is."""

    PERSON = "person"
    SERVICE = "service"
    AGENT = "agent"


@dataclass(frozen=True, slots=True)
class Principal:
    """A person, service or agent with a role, which the patterns narrow to queues and task types."""

    id: str
    kind: Kind
    name: str
    role: str
    queues: tuple[str, ...]
    types: tuple[str, ...]
    has_password: bool
    disabled_at: datetime | None
    created_at: datetime
    created_by: str

    def acting(self, via: str) -> Actor:
        """Returns the identity for the permissions of now, however it came in."""
        return acting(self.kind, self.name, via, self.role, self.queues, self.types)

    def as_json(self) -> dict[str, Any]:
        """Returns it as a document."""
        return {
            "name": self.name,
            "kind": self.kind.value,
            "role": self.role,
            "queues": list(self.queues),
            "types": list(self.types),
            "has_password": self.has_password,
            "disabled_at": self.disabled_at and self.disabled_at.isoformat(),
            "created_at": self.created_at.isoformat(),
            "created_by": self.created_by,
        }


def acting(kind: str, name: str, via: str, role: str | None, queues: Sequence[str], types: Sequence[str]) -> Actor:
    """Returns the identity of a principal; the audit log names a script `token:ann` and Ann herself `person:ann`."""
    prefix = TOKEN if via == TOKEN and kind != Kind.AGENT else kind
    return Actor(f"{prefix}:{name}", via, permissions_of(role), tuple(queues), tuple(types))


def check_name(value: object) -> str:
    """Returns a valid name; raises SubmissionError."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise refused("name", value, msg("1 to 64 of the letters A to Z, digits and ._@+-"))
    return value


def check_role(value: object) -> Role:
    """Returns a valid role; raises SubmissionError."""
    if not isinstance(value, str) or value not in set(Role):
        raise refused("role", value, msg("one of {names}", names=", ".join(Role)))
    return Role(value)


def check_kind(value: object) -> Kind:
    """Returns a valid kind; raises SubmissionError."""
    if not isinstance(value, str) or value not in set(Kind):
        raise refused("kind", value, msg("one of {names}", names=", ".join(Kind)))
    return Kind(value)


def check_queues(values: Sequence[object]) -> tuple[str, ...]:
    """Returns valid patterns of queues; raises SubmissionError."""
    return _patterns("queues", values, msg("a pattern of queues such as reports-*"))


def check_types(values: Sequence[object]) -> tuple[str, ...]:
    """Returns valid patterns of task types; raises SubmissionError."""
    return _patterns("types", values, msg("a pattern of task types such as analysis.*"))


def check_note(value: object) -> str:
    """Returns a valid note; raises SubmissionError."""
    if not isinstance(value, str) or len(value) > MAX_NOTE_LENGTH or not (value.isprintable() or value == ""):
        raise refused("note", value, msg("at most {limit} printable characters", limit=MAX_NOTE_LENGTH))
    return value.strip()


def _patterns(field: str, values: Sequence[object], expected: str) -> tuple[str, ...]:
    if isinstance(values, str) or not 1 <= len(values) <= MAX_PATTERNS:
        raise refused(field, values, msg("1 to {limit} patterns", limit=MAX_PATTERNS))
    can_match = can_match_label if field == "queues" else can_match_type
    found = []
    for value in values:
        if not isinstance(value, str) or len(value) > MAX_PATTERN_LENGTH or not can_match(value):
            raise refused(field, value, expected)
        found.append(value)
    return (EVERY,) if EVERY in found else tuple(dict.fromkeys(found))
