"""Tests when schedules fire, in every zone and over clock changes, and what is caught up."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.errors import SubmissionError
from taskyard.core.schedules.cron import check_cron
from taskyard.core.schedules.due import MAX_LISTED, CatchUp, due_of, jitter_of
from taskyard.core.schedules.schedule import check_schedule, check_schedule_name
from taskyard.core.schedules.timing import Timing

BERLIN, NEW_YORK, LORD_HOWE = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York"), ZoneInfo("Australia/Lord_Howe")
ZONES = (BERLIN, NEW_YORK, LORD_HOWE, ZoneInfo("UTC"), ZoneInfo("Asia/Kathmandu"), ZoneInfo("Africa/Casablanca"))
ANCHOR = datetime(2027, 1, 1, tzinfo=UTC)
WHAT = {"type": "sample.sleep"}


def cron_timing(expression: str, zone: ZoneInfo) -> Timing:
    return Timing(check_cron(expression), None, zone, ANCHOR)


def fires(expression: str, zone: ZoneInfo, day: str, count: int) -> list[str]:
    """The first fire times after 23:59 of a day, as the clock of the zone shows them."""
    start = datetime.fromisoformat(day).replace(tzinfo=zone, hour=23, minute=59)
    found = islice(cron_timing(expression, zone).after(start), count)
    return [moment.astimezone(zone).strftime("%d %H:%M %z") for moment in found]


@pytest.mark.parametrize(
    ("zone", "day", "expression", "expected"),
    [
        # a skipped time of day fires when the clock changes, once
        (BERLIN, "2027-03-27", "30 2 * * *", ["28 03:00 +0200", "29 02:30 +0200"]),
        (BERLIN, "2027-03-27", "0,30 2 * * *", ["28 03:00 +0200", "29 02:00 +0200"]),
        (NEW_YORK, "2027-03-13", "30 2 * * *", ["14 03:00 -0400", "15 02:30 -0400"]),
        (LORD_HOWE, "2027-10-02", "15 2 * * *", ["03 02:30 +1100", "04 02:15 +1100"]),
        # a doubled one fires the first time
        (BERLIN, "2027-10-30", "30 2 * * *", ["31 02:30 +0200", "01 02:30 +0100"]),
        (NEW_YORK, "2027-11-06", "30 1 * * *", ["07 01:30 -0400", "08 01:30 -0500"]),
        (LORD_HOWE, "2027-04-03", "45 1 * * *", ["04 01:45 +1100", "05 01:45 +1030"]),
        # what follows the clock does not fire in a skipped hour, and twice in a doubled one
        (BERLIN, "2027-03-27", "0 * * * *", ["28 00:00 +0100", "28 01:00 +0100", "28 03:00 +0200"]),
        (BERLIN, "2027-10-30", "15 */2 * * *", ["31 00:15 +0200", "31 02:15 +0200", "31 02:15 +0100"]),
        (LORD_HOWE, "2027-04-03", "15 */2 * * *", ["04 00:15 +1100", "04 02:15 +1030", "04 04:15 +1030"]),
        (LORD_HOWE, "2027-04-03", "*/30 * * * *", ["04 00:00 +1100", "04 00:30 +1100", "04 01:00 +1100",
                                                    "04 01:30 +1100", "04 01:30 +1030", "04 02:00 +1030"]),
    ],
)  # fmt: skip
def test_clock_changes(zone: ZoneInfo, day: str, expression: str, expected: list[str]) -> None:
    assert fires(expression, zone, day, len(expected)) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 0 31 * *", ["2027-01-31", "2027-03-31", "2027-05-31"]),
        ("0 0 29 2 *", ["2028-02-29", "2032-02-29"]),
        ("0 0 L * *", ["2027-01-31", "2027-02-28", "2027-03-31"]),
        ("0 0 13 * 5", ["2027-01-08", "2027-01-13", "2027-01-15"]),  # either
        ("0 9 * * 1-5", ["2027-01-01", "2027-01-04", "2027-01-05"]),
        ("0 9 * * 7", ["2027-01-03", "2027-01-10"]),
        ("@yearly", ["2028-01-01", "2029-01-01"]),
    ],
)
def test_calendar(expression: str, expected: list[str]) -> None:
    found = islice(cron_timing(expression, ZoneInfo("UTC")).after(ANCHOR), len(expected))
    assert [f"{moment:%Y-%m-%d}" for moment in found] == expected


SPAN = st.integers(0, 3 * 366 * 24 * 60).map(lambda minutes: ANCHOR + timedelta(minutes=minutes, seconds=minutes % 60))
FIELD = st.sampled_from(["*", "0", "30", "*/7", "1-3", "2", "5,1"])


@given(FIELD, st.sampled_from(["*", "0", "1", "2", "3", "*/2", "1,2"]), SPAN, st.sampled_from(ZONES))
def test_each_minute_is_right(minute: str, hour: str, moment: datetime, zone: ZoneInfo) -> None:
    """Fire times only grow, and each is a fitting time of the clock, or that of a clock change."""
    timing = cron_timing(f"{minute} {hour} * * *", zone)
    found = list(islice(timing.after(moment), 5))
    assert all(one < other for one, other in pairwise([moment, *found]))
    for one in found:
        local, before = one.astimezone(zone), (one - timedelta(seconds=1)).astimezone(zone)
        is_change = local.utcoffset() != before.utcoffset()
        assert (local.minute in minutes_of(minute, 60) and local.hour in minutes_of(hour, 24)) or is_change
    # nothing between was left out: what follows the clock is found minute by minute, too
    if minute.startswith("*") or hour.startswith("*"):
        at = moment.replace(second=0, microsecond=0) + timedelta(minutes=1)
        while at < found[0]:
            local = at.astimezone(zone)
            assert local.minute not in minutes_of(minute, 60) or local.hour not in minutes_of(hour, 24)
            at += timedelta(minutes=1)


def minutes_of(field: str, most: int) -> set[int]:
    low, dash, high = field.partition("-")
    if field.startswith("*"):
        return set(range(0, most, int(field[2:] or 1)))
    return set(range(int(low), int(high) + 1)) if dash else {int(one) for one in field.split(",")}


NINE_DAYS = st.timedeltas(timedelta(0), timedelta(9))
TWO_DAYS = st.timedeltas(timedelta(0), timedelta(2))


@given(st.floats(1, 10_000_000), SPAN, st.one_of(st.none(), SPAN), st.integers(1, 20), NINE_DAYS)
def test_intervals(seconds: float, moment: datetime, start: datetime | None, count: int, span: timedelta) -> None:
    timing = Timing(None, seconds, ZoneInfo("UTC"), start or ANCHOR, start)
    found = list(islice(timing.after(moment), 4))
    assert found[0] > moment
    assert all(abs((b - a).total_seconds() - seconds) < 0.001 for a, b in pairwise(found))
    newest, has_more = timing.newest(moment, moment + span, count)
    if span.total_seconds() / seconds < 10_000:
        everything = list(timing.between(moment, moment + span))
        assert newest == everything[-count:]
        assert has_more == (len(everything) > count)


def test_an_interval_is_counted_from_its_anchor_both_ways() -> None:
    timing = Timing(None, 3600.0, ZoneInfo("UTC"), ANCHOR)
    before = list(timing.between(ANCHOR - timedelta(hours=2), ANCHOR + timedelta(hours=1)))
    assert before == [ANCHOR + timedelta(hours=hours) for hours in (-2, -1, 0, 1)]
    assert timing.next_after(ANCHOR) == ANCHOR + timedelta(hours=1), "it does not fire when it is made"
    bounded = Timing(None, 3600.0, ZoneInfo("UTC"), ANCHOR, ANCHOR)
    assert list(bounded.between(ANCHOR - timedelta(days=1), ANCHOR)) == [ANCHOR]


DENSE = st.sampled_from(["* * * * *", "*/7 * * * *", "30 2 * * *", "0 0 31 * *"])


@given(DENSE, SPAN, TWO_DAYS, st.integers(1, 30), st.sampled_from(ZONES))
def test_newest_of_many(expression: str, since: datetime, span: timedelta, count: int, zone: ZoneInfo) -> None:
    timing = cron_timing(expression, zone)
    newest, has_more = timing.newest(since, since + span, count)
    everything = list(timing.between(since, since + span))
    assert newest == everything[-count:]
    assert has_more == (len(everything) > count)


def test_catch_up() -> None:
    timing = cron_timing("0 * * * *", ZoneInfo("UTC"))
    first, now = ANCHOR + timedelta(hours=1), ANCHOR + timedelta(hours=5, minutes=30)
    none = due_of(timing, first, now, CatchUp.NONE, 10)
    assert not none.fired
    assert len(none.missed) == 5
    last = due_of(timing, first, now, CatchUp.LAST, 10)
    assert [moment.hour for moment in last.fired] == [5]
    assert [moment.hour for moment in last.missed] == [1, 2, 3, 4]
    some = due_of(timing, first, now, CatchUp.ALL, 3)
    assert [moment.hour for moment in some.fired] == [3, 4, 5]
    assert some.next == ANCHOR + timedelta(hours=6)
    on_time = due_of(timing, first, first + timedelta(seconds=20), CatchUp.NONE, 10)
    assert on_time.fired == [first]


def test_long_downtime_is_bounded() -> None:
    due = due_of(Timing(None, 1.0, ZoneInfo("UTC"), ANCHOR), ANCHOR, ANCHOR + timedelta(days=900), CatchUp.ALL, 100)
    assert len(due.fired) == 100
    assert len(due.missed) == MAX_LISTED
    assert due.has_more_missed


@given(st.uuids(), SPAN, st.floats(0, 86_400))
def test_jitter(schedule_id: object, fire_time: datetime, most: float) -> None:
    found = jitter_of(str(schedule_id), fire_time, most)
    assert 0 <= found <= most + 0.001
    assert found == jitter_of(str(schedule_id), fire_time, most)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "cron"),
        ({"cron": "* * * * *", "interval_seconds": 5}, "cron"),
        ({"cron": "* * * *"}, "cron"),
        ({"cron": "61 * * * *"}, "cron"),
        ({"cron": "0 0 30 2 *"}, "cron"),
        ({"cron": "0 0 * * 8"}, "cron"),
        ({"cron": "0 0 0 * * *"}, "cron"),
        ({"cron": "* * */20 * 1L"}, "cron"),
        ({"cron": 5}, "cron"),
        ({"cron": "@never"}, "cron"),
        ({"cron": "*/90 * * * *"}, "cron"),
        ({"interval_seconds": 0}, "interval_seconds"),
        ({"interval_seconds": True}, "interval_seconds"),
        ({"interval_seconds": float("nan")}, "interval_seconds"),
        ({"cron": "@daily", "time_zone": "Berlin"}, "time_zone"),
        ({"cron": "@daily", "time_zone": "../etc/passwd"}, "time_zone"),
        ({"cron": "@daily", "catch_up": "some"}, "catch_up"),
        ({"cron": "@daily", "catch_up_limit": 0}, "catch_up_limit"),
        ({"cron": "@daily", "overlap": None}, "overlap"),
        ({"cron": "@daily", "jitter_seconds": -1}, "jitter_seconds"),
        ({"cron": "@daily", "starts_at": "tomorrow"}, "starts_at"),
        ({"cron": "@daily", "starts_at": "2030-01-01T00:00:00"}, "starts_at"),
        ({"cron": "@daily", "starts_at": "2030-01-02T00:00Z", "ends_at": "2030-01-01T00:00Z"}, "ends_at"),
        ({"cron": "@daily", "starts_at": "0001-01-01T00:00:00+14:00"}, "starts_at"),
        ({"cron": "@daily", "ends_at": "9999-12-31T23:59:59-14:00"}, "ends_at"),
        ({"cron": "@daily", "starts_at": date(2030, 7, 1)}, "starts_at"),
        ({"cron": "@daily", "what": {}}, "what.type"),
        ({"cron": "@daily", "what": 3}, "what"),
        ({"cron": "@daily", "what": {"type": "a", "options": {"delay_seconds": 3}}}, "what.options"),
        ({"cron": "@daily", "what": {"type": "a", "kind": "rocket"}}, "what.kind"),
        ({"cron": "@daily", "expected_seconds": 0}, "expected_seconds"),
    ],
)
def test_refusals(given: dict[str, object], field: str) -> None:
    with pytest.raises(SubmissionError) as caught:
        check_schedule(**{"what": WHAT, **given})
    assert caught.value.field == field
    assert "\n" not in str(caught.value)


def test_a_time_is_shown_as_it_was_written() -> None:
    for value, shown in ((datetime(2030, 7, 1, 1), "2030-07-01T01:00:00"), (date(2030, 7, 1), "2030-07-01")):
        with pytest.raises(SubmissionError, match=f"starts_at: {shown} is not accepted"):
            check_schedule(what=WHAT, cron="@daily", starts_at=value)


@pytest.mark.parametrize("name", ["", "Nightly", "-a", "a b", "x" * 101, None])
def test_names(name: object) -> None:
    with pytest.raises(SubmissionError):
        check_schedule_name(name)
