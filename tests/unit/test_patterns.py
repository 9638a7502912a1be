"""Patterns that can match something, and those that never can."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.declarations import LABEL
from taskyard.core.patterns import can_match_label, can_match_type
from taskyard.core.task_types.registry import NAME_PATTERN


@pytest.mark.parametrize(
    ("pattern", "can"),
    [
        ("*", True),
        ("code.*", True),
        ("code.run", True),
        ("?", True),
        ("[a-c]*", True),
        ("[!a]x.[0-9]", False),
        ("[!a]x.[a-z0-9]", True),
        ("*.", False),
        (".*", False),
        ("a..b", False),
        ("a.*.b", True),
        ("a.?.b", True),
        ("Code.*", False),
        ("code *", False),
        ("code,*", False),
        ("9*", False),
        ("*9", True),
        ("[", False),
        ("[]", False),
        ("[]a]", True),
        ("", False),
    ],
)
def test_a_pattern_of_types(pattern: str, can: bool) -> None:
    assert can_match_type(pattern) is can


@given(name=st.from_regex(NAME_PATTERN, fullmatch=True), data=st.data())
def test_what_matches_a_name_can_match(name: str, data: st.DataObject) -> None:
    pattern = "".join(
        data.draw(st.sampled_from([character, "?", "*", f"[{character}-{character}]", "[!A]"])) for character in name
    )
    assert fnmatchcase(name, pattern)
    assert can_match_type(pattern)


@given(st.text(alphabet="ab0.*?[]!-_A", max_size=8))
def test_a_pattern_that_matches_one_of_many_names_can_match(pattern: str) -> None:
    names = (
        "a",
        "b",
        "ab",
        "a0",
        "a_b",
        "a.b",
        "a.b0",
        "ab.ab",
        "b.a.b",
        "a_",
        "a.a_",
        "aaaa",
        "abab",
        "a-b",
        "-",
        "0",
    )
    if any(fnmatchcase(name, pattern) and NAME_PATTERN.fullmatch(name) for name in names):
        assert can_match_type(pattern)
    if any(fnmatchcase(name, pattern) and LABEL.fullmatch(name) for name in names):
        assert can_match_label(pattern)
