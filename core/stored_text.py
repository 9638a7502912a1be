"""Stores a text with what it was made of, so that it is translated for whoever reads it later (pure).

`msg` keeps its template and values in the text; this writes them as JSON, and reads them again. A reader whose release
has another template shows the English text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any

from taskyard.core.i18n import Moment, TranslatableText, Word

MAX_INTEGER = 2**53
MAX_DEPTH = 20  # of texts inside of texts; deeper ones stay English
_TEMPLATE, _VALUES, _WORD, _MOMENT, _TEXT = "template", "values", "word", "moment", "text"


def written(text: str, depth: int = 0) -> dict[str, Any] | None:
    """Returns what a text was made of, as JSON; None for a plain one."""
    if not isinstance(text, TranslatableText) or depth > MAX_DEPTH:
        return None
    values = {name: _written(value, depth + 1) for name, value in text.values.items()}
    return {_TEMPLATE: text.template, _VALUES: values}


def restored(text: str, stored: object, depth: int = 0) -> str:
    """Returns a text in translatable form again; `text` itself for a plain one, or what another release stored."""
    values = stored.get(_VALUES) if isinstance(stored, Mapping) else None
    template = stored.get(_TEMPLATE) if isinstance(stored, Mapping) else None
    if not isinstance(template, str) or not isinstance(values, Mapping) or depth > MAX_DEPTH:
        return text
    try:
        return TranslatableText(template, {name: _restored(value, depth + 1) for name, value in values.items()})
    except (LookupError, TypeError, ValueError):
        return text


def _written(value: object, depth: int) -> Any:
    if isinstance(value, TranslatableText):
        return written(value, depth) or str(value)
    if isinstance(value, Enum | Word):
        return {_WORD: str(value)}
    if isinstance(value, Moment):
        return {_MOMENT: value.at.isoformat(), _TEXT: str(value)}
    is_exact = value is None or isinstance(value, bool) or _is_exact(value)
    return value if is_exact else str(value)


def _is_exact(value: object) -> bool:
    """Returns True for a number that JSON has as it is."""
    if isinstance(value, int):
        return abs(value) <= MAX_INTEGER
    return isinstance(value, float) and math.isfinite(value)


def _restored(value: object, depth: int) -> object:
    if not isinstance(value, Mapping):
        return value
    if _WORD in value:
        return Word(value[_WORD])
    if _MOMENT in value:
        return Moment(datetime.fromisoformat(value[_MOMENT]), value[_TEXT])
    return restored("", value, depth)
