"""Accepts an address to go back to after a sign-in only if it is one of our own pages (pure)."""

from __future__ import annotations

import re
from urllib.parse import quote

MAX_PATH_LENGTH = 2_000  # characters
_OWN = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")
_NOT_BACK_TO = ("/sign-in", "/sign-out", "/enter")


def own_path(text: str, base: str = "") -> str:
    """Returns a path with its query below `base` ("" or "/yard"), for a redirect; `base/` if the text is no such path.

    `//evil.test`, `/\\\\evil.test` and `https://evil.test` lead to other sites, and are none.
    """
    first = f"{base}/"
    if len(text) > MAX_PATH_LENGTH or not _OWN.fullmatch(text) or not text.startswith(first):
        return first
    path = text[len(base) :].partition("?")[0].rstrip("/")
    if any(path == name or path.startswith(f"{name}/") for name in _NOT_BACK_TO) or "#" in text:
        return first
    return quote(text, safe="/?&=%:;,.~!*'()@$+-_[]")
