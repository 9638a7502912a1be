"""Checks ids of entries of streams (pure)."""

from __future__ import annotations

import re

_ID = re.compile(r"[0-9]{1,20}-[0-9]{1,20}")


def is_entry_id(text: str) -> bool:
    """Returns True for two numbers of at most 64 bits, such as 1690000000000-0: Redis takes no others."""
    return _ID.fullmatch(text) is not None and all(int(part) < 1 << 64 for part in text.split("-"))
