"""A test made of many checks fails if one does, and names all that do."""

from __future__ import annotations

import pytest

from tests.each import for_each


def test_all_that_fail_are_named() -> None:
    @for_each("number", [1, 2, 3, 4], lambda number: f"number {number}")
    def check(number: int) -> None:
        assert number % 2

    with pytest.raises(AssertionError) as caught:
        check()
    assert [line.split(":")[0] for line in str(caught.value).splitlines() if ":" in line] == ["number 2", "number 4"]


def test_nothing_to_check_fails() -> None:
    @for_each("number", [])
    def check(number: int) -> None: ...

    with pytest.raises(AssertionError, match="nothing to check"):
        check()


@for_each("number", [1, 2])
def test_fixtures_are_given(number: int, request: pytest.FixtureRequest) -> None:
    assert request.node.name == "test_fixtures_are_given"
