"""Amounts as people read and write them."""

from __future__ import annotations

import math

import pytest

from taskyard.core.humanize import byte_size, duration, parsed_span, percent, strict_percent


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
