"""Reads JSON that users type as exactly the value it says, or refuses it (pure)."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.payload.storable_json import refusal

_ESCAPE_BYTES = 6  # of one byte that is written as \u0061
_OTHER_BYTES = 1 << 20  # white space, titles, names
_KEY_CHARACTERS = 80  # of a key in an error's field


def max_written_bytes(limit_bytes: int) -> int:
    """Returns how long a text of JSON may be whose compact form has at most `limit_bytes`, within reason; in bytes."""
    return _ESCAPE_BYTES * limit_bytes + _OTHER_BYTES


def read_json(field: str, text: str, limit_bytes: int) -> Any:
    """Returns the value of a JSON text that can be stored; raises SubmissionError, which names `field` or a key in
    it.
    """
    problem = refusal(text, limit_bytes)
    if problem is not None:
        raise refused(field, text, msg("JSON: this {problem}", problem=problem))

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values = dict(pairs)
        if len(values) < len(pairs):
            doubled = Counter(key for key, _value in pairs).most_common(1)[0][0]
            raise refused(f"{field}.{doubled[:_KEY_CHARACTERS]}", doubled, msg("each key only once"))
        return values

    return json.loads(text, object_pairs_hook=unique)
