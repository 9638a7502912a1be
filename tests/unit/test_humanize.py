"""Amounts as people read and write them."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.humanize import (
    byte_size,
    duration,
    duration_ticks,
    number,
    parsed_span,
    percent,
    strict_percent,
)


@pytest.mark.parametrize(
    ("seconds", "text", "figure"),
    [
        (-1, "0 s", "0.0 ms"),
        (0, "0 s", "0.0 ms"),
        (0.0004, "0.4 ms", "0.4 ms"),
        (0.5, "0.5 s", "0.50 s"),
        (5, "5 s", "5.00 s"),
        (59.4, "59 s", "59 s"),
        (3600, "1 h", "1 h"),
        (187_300, "2 d 4 h", "2 d 4 h"),
        (math.inf, "inf s", "inf s"),
    ],
)
def test_durations(seconds: float, text: str, figure: str) -> None:
    assert duration(seconds) == text
    assert duration(seconds, is_figure=True) == figure


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("24h", 86_400), ("7d", 604_800), ("2w", 1_209_600), ("0s", 0)],
)
def test_spans(text: str, seconds: int) -> None:
    assert parsed_span(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "m", "5 m", "5M", "1h30m", "-5m", "٣m", "5m\n", "12345678901s"])
def test_what_is_no_span(text: str) -> None:
    assert parsed_span(text) is None


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "–"),
        (0, "0 B"),
        (1023, "1,023 B"),
        (1536, "1.5 KiB"),
        (20 << 20, "20 MiB"),
        (3 << 30, "3.0 GiB"),
        (5000 << 40, "5,000 TiB"),
    ],
)
def test_sizes(count: float | None, text: str) -> None:
    assert byte_size(count) == text


def test_shares() -> None:
    assert [percent(share, 1) for share in (None, 0, 0.123, 1)] == ["–", "0.0%", "12.3%", "100.0%"]
    shares = (0, 1e-9, 0.5, 0.999999, 1)
    assert [strict_percent(share) for share in shares] == ["0%", "0.01%", "50.0%", "99.99%", "100%"]


SIZES = {"µs": 1e-6, "ms": 1e-3, "s": 1, "min": 60, "h": 3_600, "d": 86_400}
FIGURE = re.compile(r"(< )?[0-9]{1,3}(,[0-9]{3})*(\.[0-9]+)?")


def seconds_of(text: str) -> float:
    """What a duration says, in seconds."""
    words = text.removeprefix("< ").replace(",", "").split()
    return sum(float(n) * SIZES[unit] for n, unit in zip(words[::2], words[1::2], strict=True))


@given(st.floats(1e-6, 1e10), st.booleans())
def test_a_duration_says_how_long_it_is(seconds: float, is_figure: bool) -> None:
    text = str(duration(seconds, is_figure=is_figure))
    words = text.removeprefix("< ").split()
    assert all(FIGURE.fullmatch(n) and unit in SIZES for n, unit in zip(words[::2], words[1::2], strict=True)), text
    assert all(float(n.replace(",", "")) * SIZES[unit] < 60 for n, unit in [words[:2]] if unit in ("µs", "ms", "s"))
    assert seconds_of(text) == pytest.approx(seconds, rel=0.06)


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_a_longer_duration_is_not_said_to_be_shorter(one: float, other: float) -> None:
    short, long = sorted((one, other))
    assert seconds_of(str(duration(short))) <= seconds_of(str(duration(long))) * (1 + 1e-9)


@given(st.floats(-1e12, 1e12) | st.integers(-(10**15), 10**15))
def test_a_number_is_shown_without_an_exponent(value: float) -> None:
    text = number(value)
    assert FIGURE.fullmatch(text.replace("-", "")), text
    if not text.startswith("<"):
        assert float(text.replace(",", "")) == pytest.approx(value, rel=0.06)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (8_927, "8,927"), (12_345.678, "12,346"), (27.77, "27.8"), (1.5, "1.50"), (0.0042, "0.0042"),
     (8.14e-5, "0.000081"), (1e-9, "< 0.000001"), (math.nan, "–")],
)  # fmt: skip
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text


@given(st.floats(1e-6, 1e10))
def test_an_axis_of_durations_has_few_ticks_that_are_round_and_told_apart(most: float) -> None:
    ticks = duration_ticks(most)
    assert ticks[0] == 0
    assert ticks[-1] >= most * (1 - 1e-9)
    assert 2 <= len(ticks) <= 8
    texts = [str(duration(tick)) for tick in ticks]
    assert len(set(texts)) == len(texts)
    assert all(
        seconds_of(text) == pytest.approx(tick, rel=1e-6) for text, tick in zip(texts[1:], ticks[1:], strict=True)
    )


@given(st.integers(0, 10**18))
def test_a_size_has_at_most_four_digits_before_its_unit(count: int) -> None:
    figure, _unit = byte_size(count).split()
    assert count >= 1 << 50 or float(figure.replace(",", "")) < 1024


def test_a_lower_bound_has_a_plus() -> None:
    assert [number(4_989, is_exact=exact) for exact in (True, False)] == ["4,989", "4,989+"]
