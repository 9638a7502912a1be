"""Checks names of agents that have mailboxes (pure)."""

from __future__ import annotations

from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused

MAX_NAME_LENGTH = 200


def agent_name(field: str, value: object) -> str:
    """Returns a valid agent name; raises SubmissionError."""
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_NAME_LENGTH or not value.isprintable():
        raise refused(field, value, msg("a name of 1 to {limit} printable characters", limit=MAX_NAME_LENGTH))
    return value
