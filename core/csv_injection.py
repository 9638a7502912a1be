"""Protects exported tables from CSV injection: cells that look like a formula become text."""

from __future__ import annotations

import unicodedata
from typing import Any

# CSV injection: https://owasp.org/www-community/attacks/CSV_Injection
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
_INVISIBLE = ("Cc", "Cf")  # controls; marks of direction and zero width


def neutral(value: Any) -> Any:
    """Returns `value` with an apostrophe in front if it is a text that a spreadsheet might run; anything else
    unchanged.

    Leading white space, invisible characters and full-width signs are seen through.
    """
    if not isinstance(value, str):
        return value
    if value.startswith(("\t", "\r", "\n")):
        return f"'{value}"
    seen = next((c for c in value if not (c.isspace() or unicodedata.category(c) in _INVISIBLE)), "")
    first = unicodedata.normalize("NFKC", seen)
    return f"'{value}" if first.startswith(FORMULA_STARTS) else value
