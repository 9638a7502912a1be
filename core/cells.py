"""Cells of tables that leave the product: what a spreadsheet would take for a formula is made a text."""

from __future__ import annotations

import unicodedata
from typing import Any

# CSV injection: https://owasp.org/www-community/attacks/CSV_Injection
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def neutral(value: Any) -> Any:
    """`value`, with an apostrophe in front if it is a text that a spreadsheet might run; anything else as it is.

    White space and full-width forms in front of the sign do not hide it.
    """
    if not isinstance(value, str):
        return value
    if value.startswith(("\t", "\r", "\n")):
        return f"'{value}"
    first = unicodedata.normalize("NFKC", value.lstrip()[:1])
    return f"'{value}" if first.startswith(FORMULA_STARTS) else value
