"""Axes and words of reports."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core import humanize
from taskyard.core.humanize import strict_percent
from taskyard.core.reports.render.scales import MAX_TIME_TICKS, floor_of, ticks, time_ticks
from taskyard.core.reports.render.wording import ValueKind, Wording, one_line

BERLIN = ZoneInfo("Europe/Berlin")


@given(st.floats(1e-6, 1e12), st.booleans())
def test_ticks_reach_the_most_in_few_round_steps(most: float, whole: bool) -> None:
    found = ticks(most, whole=whole)
    assert found[0] == 0
    assert found[-1] >= most * (1 - 1e-9)
    assert 2 <= len(found) <= 7
    steps = {round(b - a, 12) for a, b in itertools.pairwise(found)}
    if whole:
        assert all(value == int(value) for value in found)
    assert len(steps) <= 2 or max(steps) - min(steps) < 1e-6 * found[-1]


@pytest.mark.parametrize("most", [0.0, -1.0, float("nan"), float("inf")])
def test_ticks_of_nothing(most: float) -> None:
    assert ticks(most) == [0.0, 1.0]


@given(
    st.datetimes(datetime(2024, 1, 1), datetime(2027, 1, 1)).map(lambda at: at.replace(tzinfo=UTC)),
    st.floats(60, 3 * 366 * 86_400.0),
    st.sampled_from([UTC, BERLIN, ZoneInfo("Asia/Kolkata")]),
)
def test_time_ticks_are_few_and_within(since: datetime, seconds: float, zone: ZoneInfo) -> None:
    until = since + timedelta(seconds=seconds)
    found = time_ticks(since, until, zone)
    assert len(found) <= MAX_TIME_TICKS + 2
    assert all(since <= at <= until for at, _ in found)
    assert [at for at, _ in found] == sorted(at for at, _ in found)
    assert len(found) >= 1 or seconds < 120 or seconds > 86_400


def test_midnight_stays_midnight_when_clocks_change() -> None:
    since = datetime(2026, 3, 27, 12, tzinfo=BERLIN)
    found = time_ticks(since, since + timedelta(days=6), BERLIN)
    assert all((at.hour, at.minute) == (0, 0) for at, _ in found)
    assert [label for _, label in found][:3] == ["03-28", "03-29", "03-30"]


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=5))
def test_the_floor_is_below_everything(shares: list[float | None]) -> None:
    known = [share for share in shares if share is not None]
    assert floor_of(shares) == 0 or all(floor_of(shares) < share for share in known)


@pytest.mark.parametrize(
    ("share", "wanted"),
    [(1.0, "100%"), (0.0, "0%"), (0.99999, "99.99%"), (0.000001, "0.01%"), (0.5, "50.0%"), (0.9795, "98.0%")],
)
def test_percent(share: float, wanted: str) -> None:
    assert strict_percent(share) == wanted


@pytest.mark.parametrize(
    ("value", "kind", "wanted"),
    [
        (None, ValueKind.SHARE, "–"),
        (1234567, ValueKind.NUMBER, "1,234,567"),
        (7.481, ValueKind.NUMBER, "7.48"),
        (0.0042, ValueKind.SECONDS, "4.2 ms"),
        (75.0, ValueKind.SECONDS, "1 min 15 s"),
        (90_000.0, ValueKind.SECONDS, "1 d 1 h"),
        (0.125, ValueKind.CHANGE, "+12.5%"),
        (-0.004, ValueKind.POINTS, "-0.40 points"),
        (datetime(2026, 7, 1, 12, tzinfo=UTC), ValueKind.MOMENT, "2026-07-01 14:00"),
        ("{0}", ValueKind.TEXT, "{0}"),
    ],
)
def test_values_in_words(value: object, kind: ValueKind, wanted: str) -> None:
    assert Wording(zone=BERLIN).shown(value, kind) == wanted


def test_numbers_and_lines() -> None:
    assert [humanize.number(value) for value in (0.0, 12.34, 123.4)] == ["0", "12.3", "123"]
    assert one_line("a\n b\x1b\u202e", 50) == "a b\\x1b\\u202e"
    assert one_line("x" * 10, 4) == "xxxx…"
