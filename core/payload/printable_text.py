"""Text that comes from outside, made fit for a result."""

from __future__ import annotations

import re

CONTROL_CHARACTERS = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def printable(raw: bytes | str) -> str:
    """Text that a database can store: bytes that are no UTF-8, NUL and other control characters
    (but tab and newline) and lone surrogates become U+FFFD."""
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    return CONTROL_CHARACTERS.sub("\ufffd", text.replace("\r\n", "\n"))


def visible(text: str) -> str:
    """`text` on one line: everything that is not printable (controls, line ends, direction marks) as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def visible_lines(text: str) -> str:
    """`text` with its line ends, everything else that is not printable as an escape."""
    return "\n".join(visible(line) for line in text.split("\n"))
