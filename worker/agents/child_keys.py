"""What tells a task's children apart, so that another attempt finds those that were submitted and makes the others."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any

import orjson

from core.errors import PermanentError

KEY_LIMIT = 100  # characters


class ChildKeys:
    """Names a child by what is submitted, and which one of these it is since the last checkpoint.

    So it does not matter in which order several threads submit theirs, and an attempt that resumes from a
    checkpoint makes new children, even if they equal the ones from before it. A checkpoint is told from others by how
    many children were submitted before it, so that one that is saved again is the same; `children` is that
    number for the one that this attempt resumes from.
    """

    def __init__(self, children: int) -> None:
        self._before = children
        self._since: Counter[str] = Counter()
        self._mutex = threading.Lock()

    def key_of(self, *, type: str, input: bytes, options: Mapping[str, Any]) -> str:
        """The next key for such a child; `input` is JSON."""
        content = [type, orjson.loads(input), options]
        text = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
        digest = hashlib.blake2b(text, digest_size=12).hexdigest()
        with self._mutex:
            self._since[digest] += 1
            return f"{self._before}/{digest}/{self._since[digest]}"

    def count(self) -> int:
        """How many children were named until now, in all attempts."""
        with self._mutex:
            return self._before + self._since.total()

    def begin_after(self, children: int) -> None:
        """A checkpoint was saved, or may have been, after so many children: they are told apart anew from there."""
        with self._mutex:
            self._before = children
            self._since.clear()


def own_key(key: object) -> str:
    """A child's key that the handler gave; raises PermanentError."""
    if not isinstance(key, str) or not 1 <= len(key) <= KEY_LIMIT or not key.isprintable():
        shown = key if isinstance(key, str) and key.isprintable() else type(key).__name__
        expected = f"a printable text of 1 to {KEY_LIMIT} characters"
        raise PermanentError(f"key: {shown:.100} is not accepted, expected {expected}")
    return f"key/{key}"
