"""Validates texts that people typed for the database (pure)."""

from __future__ import annotations

from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused, required

MAX_REASON_LENGTH = 500  # characters


def checked(field: str, text: str, limit: int = MAX_REASON_LENGTH, *, is_required: bool = True) -> str:
    """Returns `text` stripped; raises SubmissionError if it can't be stored, is too long or missing."""
    stripped = text.strip()
    if is_required and not stripped:
        raise required(field)
    if len(stripped) > limit:
        raise refused(field, stripped, msg("at most {limit} characters", limit=limit))
    if "\x00" in stripped or any("\ud800" <= character <= "\udfff" for character in stripped):
        raise refused(field, stripped, msg("text without NUL characters and lone surrogates"))
    return stripped
