"""Portions hold everything, in order, and are bounded in bytes as well as in number."""

from __future__ import annotations

import weakref
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.chunks import chunked


@given(st.lists(st.integers(0, 50)), st.integers(1, 5), st.integers(1, 60))
def test_portions_are_everything_within_their_bounds(sizes: list[int], most: int, limit: int) -> None:
    found = list(chunked(sizes, lambda size: size, most, limit))
    assert [size for portion in found for size in portion] == sizes
    for portion in found:
        assert 1 <= len(portion) <= most
        assert sum(portion[:-1]) < limit  # without the one that reached it
    for portion in found[:-1]:
        assert len(portion) == most or sum(portion) >= limit


class Thing:
    pass


def test_what_was_handed_out_is_not_kept() -> None:
    made: list[weakref.ref[Thing]] = []

    def things() -> Iterator[Thing]:
        for _ in range(9):
            thing = Thing()
            made.append(weakref.ref(thing))
            yield thing
            del thing

    for portion in chunked(things(), lambda thing: 1, 3):
        assert sum(ref() is not None for ref in made) <= len(portion)
        del portion
