"""Escapes foreign texts where Streamlit would interpret them as Markdown."""

from __future__ import annotations

import re

from taskyard.core.errors import shortened

LIMIT = 200  # characters
# Addresses become links even where every character is escaped; a word joiner, which has no width, parts them.
_ADDRESS = re.compile(r"(https?://|www|@)(?=\S)", re.IGNORECASE)
_DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_JOINER = "\u2060"
# Characters that begin any Markdown, a directive (:red[…], :material/…:), LaTeX or HTML; a backslash escapes each.
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|~<>$:&@/^=])")


def escaped(text: str, limit: int = LIMIT) -> str:
    """Returns `text` on one line, as Markdown that shows exactly the text; cut after `limit` characters."""
    line = _in_order(" ".join(text.split()))
    cut = line if len(line) <= limit else f"{line[:limit]}…"
    return _SPECIAL.sub(r"\\\1", _ADDRESS.sub(rf"\1{_JOINER}", cut))


def one_line(value: object, limit: int = LIMIT) -> str:
    """Returns any value as one short printable line, for elements that interpret no Markdown."""
    return _in_order(" ".join(value.split()))[:limit] if isinstance(value, str) else shortened(value, limit)


def _in_order(line: str) -> str:
    """Returns a line whose marks of direction are seen: they would turn around what stands behind them, too."""
    return _DIRECTION.sub(lambda mark: mark.group().encode("unicode_escape").decode(), line)
