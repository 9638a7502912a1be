"""Makes text from outside safe to store and display."""

from __future__ import annotations

import re

CONTROL_CHARACTERS = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def printable(raw: bytes | str) -> str:
    """Returns text that a database can store.

    Invalid UTF-8, NUL, lone surrogates and control characters other than tab and newline become U+FFFD.
    """
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    return CONTROL_CHARACTERS.sub("\ufffd", text.replace("\r\n", "\n"))


def visible(text: str) -> str:
    """Returns `text` on one line, with everything not printable (controls, line ends, direction marks) escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def visible_lines(text: str) -> str:
    """Returns `text` with its line ends kept and everything else that is not printable escaped."""
    return "\n".join(visible(line) for line in text.split("\n"))
