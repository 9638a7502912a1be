"""Keeps secrets out of log lines: by the names of fields, and by what texts look like (pure)."""

from __future__ import annotations

import re
from typing import Any

HIDDEN = "***"
_SECRET_WORDS = "passw(?:or)?d|passwd|secret|token|api[-_]?key|authorization|cookie|credential|private[-_]?key"
_SECRET_NAME = re.compile(_SECRET_WORDS, re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(://[^\s/:@]*:)[^\s/@]+@")
_AUTHORIZATION = re.compile(r"\b((?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE)
_ASSIGNED = re.compile(rf"""((?:[\w-]*(?:{_SECRET_WORDS})[\w-]*)["']?\s*[=:]\s*["']?)[^\s"',;&}}\]]+""", re.IGNORECASE)
_MOST_DEPTH = 6


def redacted(name: str, value: Any, depth: int = 0) -> Any:
    """A field's value as it may be logged; containers are looked into."""
    if _SECRET_NAME.search(name) and value not in (None, "", True, False):
        return HIDDEN
    if isinstance(value, str):
        return redacted_text(value)
    if depth < _MOST_DEPTH:
        if isinstance(value, dict):
            return {key: redacted(str(key), item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [redacted("", item, depth + 1) for item in value]
    return value


def redacted_text(text: str) -> str:
    """A text without passwords in URLs, authorizations and assignments to names of secrets."""
    if "@" in text:
        text = _URL_PASSWORD.sub(rf"\1{HIDDEN}@", text)
    if "=" in text or ":" in text:
        text = _ASSIGNED.sub(_hide_assigned, text)
    return _AUTHORIZATION.sub(rf"\1{HIDDEN}", text)


def _hide_assigned(found: re.Match[str]) -> str:
    value = found[0][len(found[1]) :]
    # the word before the value itself, as in "Authorization: Bearer …", is left to the next rule
    return found[0] if value.lower() in ("bearer", "basic") else f"{found[1]}{HIDDEN}"
