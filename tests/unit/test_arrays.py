"""Array literals, read back by the driver's own parser (tests/integration/test_store.py asks PostgreSQL)."""

from __future__ import annotations

from collections.abc import Callable

import psycopg2.extensions
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.postgres.arrays import names, plain, quoted


def parsed(literal: str) -> list[str | None]:
    return psycopg2.extensions.STRINGARRAY(literal, None)  # type: ignore[no-any-return,call-arg]


@given(st.lists(st.none() | st.text()))
def test_any_text_reads_back(texts: list[str | None]) -> None:
    assert parsed(quoted(texts)) == texts


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)))
def test_numbers_read_back(numbers: list[int | None]) -> None:
    assert [None if text is None else int(text) for text in parsed(plain(numbers))] == numbers


@given(st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False)))
def test_no_digit_of_a_float_is_lost(numbers: list[float | None]) -> None:
    assert [None if text is None else float(text) for text in parsed(plain(numbers))] == numbers


def test_the_text_null_is_no_null() -> None:
    assert quoted(["NULL", None, ""]) == '{"NULL",NULL,""}'
    assert names(["NULL", "a", "null-2"]) == '{"NULL","a","null-2"}'


@given(st.lists(st.from_regex(r"[A-Za-z0-9._:-]{1,8}", fullmatch=True) | st.sampled_from(["null", "NULL", "Null"])))
def test_names_read_back(given_names: list[str]) -> None:
    assert parsed(names(given_names)) == given_names


@pytest.mark.parametrize("literal", [plain, names, quoted])
def test_nothing_is_an_empty_array(literal: Callable[[list[str]], str]) -> None:
    assert literal([]) == "{}"
    assert literal(iter([])) == "{}"  # type: ignore[arg-type]
