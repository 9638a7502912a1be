"""No text that leaves the product in a table is a formula to a spreadsheet."""

from __future__ import annotations

import unicodedata
from datetime import datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from taskyard.core.csv_injection import neutral

SIGNS = "=+-@＝＋－＠﹢﹣﹦﹫"
BLANKS = " \t\r\n\u00a0\u3000\u2028\u200b\ufeff\u202e\x00\x1b"


def is_dangerous(text: str) -> bool:
    """A second opinion: what a spreadsheet sees first, by another way."""
    if text[:1] in ("\t", "\r", "\n") and text:
        return True
    visible = text.strip(BLANKS).lstrip()
    return bool(visible) and visible[0] in SIGNS


@given(st.text(alphabet=BLANKS, max_size=4), st.sampled_from(SIGNS), st.text(max_size=8))
@example("", "=", 'cmd|" /C calc"!A0')
@example("\u202e \t", "＠", "SUM(1)")
def test_a_formula_is_made_a_text(blanks: str, sign: str, rest: str) -> None:
    text = blanks + sign + rest
    assert neutral(text) == f"'{text}"


@given(st.text())
def test_what_comes_out_is_no_formula_and_nothing_is_lost(text: str) -> None:
    made = neutral(text)
    assert not is_dangerous(made)
    assert made in (text, f"'{text}")
    assert neutral(made) == made


@given(st.text(alphabet=st.characters(categories=("L", "N")), min_size=1), st.text())
def test_words_stay_as_they_are(word: str, rest: str) -> None:
    assert neutral(word + rest) == word + rest or unicodedata.normalize("NFKC", word)[0] in "=+-@"


@pytest.mark.parametrize("value", [-1, -0.5, 0, None, True, datetime(2026, 1, 1)])
def test_numbers_stay_numbers(value: object) -> None:
    assert neutral(value) is value
