"""Durations as people read them."""

from __future__ import annotations

import pytest

from taskyard.dashboard.components.times import age, duration


@pytest.mark.parametrize(
    ("seconds", "text", "short"),
    [
        (None, "–", "–"),
        (0.0004, "0.4 ms", "0.4 ms"),
        (0.034, "34 ms", "34 ms"),
        (0.5, "0.50 s", "0.50 s"),
        (59.4, "59 s", "59 s"),
        (60, "1 min", "1 min"),
        (200.9, "3 min 20 s", "3 min"),
        (7200, "2 h", "2 h"),
        (90_061, "1 d 1 h", "1 d"),
    ],
)
def test_durations(seconds: float | None, text: str, short: str) -> None:
    assert duration(seconds) == text
    assert duration(seconds, is_short=True) == short


def test_ages_are_in_whole_seconds() -> None:
    assert [age(seconds) for seconds in (0.2, 59.9, 61)] == ["0 s", "59 s", "1 min 1 s"]
