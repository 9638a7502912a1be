"""Splits items into portions that are bounded in bytes as well as in number (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
# Of data read or sent at once. Code that quotes, encodes and sends it holds several copies for a moment.
PORTION_BYTES = 8 << 20


def chunked(
    items: Iterable[Item], size_of: Callable[[Item], int], most: int, limit_bytes: int = PORTION_BYTES
) -> Iterator[list[Item]]:
    """Yields the items in order, in lists that end with `most` items or with the item that reaches `limit_bytes`.

    Keeps no reference to yielded lists, so a caller that drops each has one portion in memory.
    """
    portion: list[Item] = []
    size = 0
    for item in items:
        portion.append(item)
        size += size_of(item)
        if len(portion) >= most or size >= limit_bytes:
            full, portion, size = portion, [], 0
            del item
            yield full
            del full
    if portion:
        yield portion
