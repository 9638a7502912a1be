"""JSON for a browser, which rounds large integers."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from taskyard.dashboard.components.json_tree import MAX_EXACT_INTEGER, as_shown, as_text

leaves = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text()
values = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


def integers_of(value: Any) -> list[int]:
    if isinstance(value, dict):
        return [found for item in value.values() for found in integers_of(item)]
    if isinstance(value, list):
        return [found for item in value for found in integers_of(item)]
    return [value] if isinstance(value, int) and not isinstance(value, bool) else []


@given(values)
def test_what_a_browser_would_round_is_text(value: Any) -> None:
    shown, is_changed = as_shown(value)

    assert all(abs(number) <= MAX_EXACT_INTEGER for number in integers_of(shown))
    assert is_changed == any(abs(number) > MAX_EXACT_INTEGER for number in integers_of(value))
    assert is_changed or shown == value


def test_the_digits_stay() -> None:
    assert as_shown({"a": [2**53, 2**53 - 1, True]}) == ({"a": ["9007199254740992", 2**53 - 1, True]}, True)


@given(values)
def test_the_text_reads_back(value: Any) -> None:
    assert json.loads(as_text(value, indent=2)) == value
