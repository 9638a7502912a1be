"""Tests the standard library's `textwrap`, for the sample workload."""

import textwrap

import pytest

TEXT = "The tick collects, decides, commits once and publishes. Everything else follows from that."


@pytest.mark.parametrize("width", [20, 40, 79])
def test_no_line_is_too_long(width: int) -> None:
    assert all(len(line) <= width for line in textwrap.wrap(TEXT, width))


@pytest.mark.parametrize("width", [20, 40, 79])
def test_no_word_is_lost(width: int) -> None:
    assert " ".join(textwrap.wrap(TEXT, width)) == TEXT


def test_common_indentation_is_removed() -> None:
    assert textwrap.dedent("  a\n    b\n") == "a\n  b\n"


def test_a_long_text_is_shortened_at_a_word() -> None:
    assert textwrap.shorten(TEXT, 30) == "The tick collects, [...]"
