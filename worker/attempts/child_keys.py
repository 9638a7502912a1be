"""Makes keys for a task's children, so that another attempt finds those already submitted and submits the others."""

from __future__ import annotations

import hashlib
import heapq
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from taskyard.core.errors import PermanentError

MAX_KEY_LENGTH = 100  # characters
UNORDERED = ("requires", "after")  # options whose order means nothing, as in `core.payload.same_call`


@dataclass(slots=True)
class _Numbers:
    """Counts the children with equal content, and keeps numbers that are free again."""

    last: int = 0
    free: list[int] = field(default_factory=list)

    def take(self) -> int:
        if self.free:
            return heapq.heappop(self.free)
        self.last += 1
        return self.last


class ChildKeys:
    """Names a child by its content and its number among equal ones since the last checkpoint.

    The order in which several threads submit their children is therefore irrelevant, and an attempt that resumes
    from a checkpoint submits new children, even if they equal earlier ones. A checkpoint is identified by the
    number of children submitted before it, so that a repeated one is the same; `children` is that number for the
    checkpoint that this attempt resumes from.
    """

    def __init__(self, children: int) -> None:
        self._before = self._named = children
        self._since: dict[str, _Numbers] = {}
        self._mutex = threading.Lock()

    def key_of(self, *, type: str, input: bytes, options: Mapping[str, Any]) -> str:
        """Returns the next key for such a child; `input` is JSON."""
        content = [type, orjson.loads(input), {name: _unordered(name, value) for name, value in options.items()}]
        text = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
        digest = hashlib.blake2b(text, digest_size=12).hexdigest()
        with self._mutex:
            self._named += 1
            return f"{self._before}/{digest}/{self._since.setdefault(digest, _Numbers()).take()}"

    def give_back(self, key: str) -> None:
        """Frees the key of a refused child, or one whose answer was lost: the next equal child gets it."""
        before, digest, number = key.split("/")
        with self._mutex:
            if int(before) == self._before:
                heapq.heappush(self._since[digest].free, int(number))
                self._named -= 1

    def begin_checkpoint(self) -> int:
        """Returns how many children precede a checkpoint about to be saved; later ones follow it.

        That holds even if saving fails: a retry must name its children alike, and no child that another thread
        submits meanwhile may get an earlier child's name.
        """
        with self._mutex:
            if self._named != self._before:
                self._before = self._named
                self._since = {}
            return self._before


def own_key(key: object) -> str:
    """Returns the key that the handler gave; raises PermanentError."""
    if not isinstance(key, str) or not 1 <= len(key) <= MAX_KEY_LENGTH or not key.isprintable():
        shown = key if isinstance(key, str) and key.isprintable() else type(key).__name__
        expected = f"a printable text of 1 to {MAX_KEY_LENGTH} characters"
        raise PermanentError(f"key: {shown:.100} is not accepted, expected {expected}")
    return f"key/{key}"


def _unordered(name: str, value: Any) -> Any:
    return sorted(value, key=repr) if name in UNORDERED and isinstance(value, list) else value
