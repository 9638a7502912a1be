"""Text that comes from outside, made fit for a result."""

from __future__ import annotations

import re

CONTROL_CHARACTERS = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def printable(raw: bytes | str) -> str:
    """Text that a database can store: bytes that are no UTF-8, NUL and other control characters
    (but tab and newline) and lone surrogates become U+FFFD."""
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    return CONTROL_CHARACTERS.sub("\ufffd", text.replace("\r\n", "\n"))
