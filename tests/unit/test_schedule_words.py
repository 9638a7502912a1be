"""Tests that the words for a schedule are true: what they say of times, days and intervals holds for its fire times."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from taskyard.core.errors import SubmissionError
from taskyard.core.schedules.cron import check_cron
from taskyard.core.schedules.timing import Timing
from taskyard.core.schedules.words import in_words
from taskyard.core.schedules.zone_words import zone_label
from taskyard.core.translation import catalogue, translated

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = (BERLIN, ZoneInfo("America/New_York"), ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Etc/GMT+5"), ZoneInfo("UTC"))
ANCHOR = datetime(2027, 1, 1, tzinfo=UTC)
YEAR = timedelta(days=366)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def timing_of(expression: str, zone: ZoneInfo) -> Timing:
    return Timing(check_cron(expression), None, zone, ANCHOR)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("30 7 * * mon-fri", "every weekday at 07:30 Berlin time"),
        ("* * * * *", "every minute"),
        ("*/5 * * * *", "every 5 minutes"),
        ("@hourly", "every hour"),
        ("@daily", "every day at 00:00 Berlin time"),
        ("0 */6 * * *", "every day at 00:00, 06:00, 12:00, 18:00 Berlin time"),
        ("0 */2 * * *", "every day every 2 hours from 00:00 to 22:00 Berlin time"),
        ("15 */6 * * *", "every day at 00:15, 06:15, 12:15, 18:15 Berlin time"),
        ("0 9,17 * * *", "every day at 09:00, 17:00 Berlin time"),
        ("0 9 * * sat,sun", "every Saturday and Sunday at 09:00 Berlin time"),
        ("0 9 * * mon,thu", "every Monday, Thursday at 09:00 Berlin time"),
        ("0 0 1 * *", "on day 1 of the month at 00:00 Berlin time"),
        ("0 0 L * *", "on the last day of the month at 00:00 Berlin time"),
        ("0 9 13 * 5", "on day 13 of the month and also every Friday at 09:00 Berlin time"),
        ("0 9 * jan,jul *", "every day in January, July at 09:00 Berlin time"),
        ("*/15 9-17 * * 1-5", "every weekday every 15 minutes from 09:00 to 17:45 Berlin time"),
        ("*/60 * * * *", "every hour"),
        ("*/7 * * * *", "at minute 0, 7, 14, 21, 28, 35, 42, 49, 56 of every hour Berlin time"),
        ("0 0/5 * * *", "every day at 00:00, 05:00, 10:00, 15:00, 20:00 Berlin time"),
        ("0 0-23 * * *", "every day every hour from 00:00 to 23:00 Berlin time"),  # fires once in a doubled hour
        ("0 0 */7 * *", "on day 1, 8, 15, 22, 29 of the month at 00:00 Berlin time"),
        ("0 0 */2 * *", "by cron 0 0 */2 * *, Berlin time"),
        ("0 0 * * 5L", "on the last Friday of the month at 00:00 Berlin time"),
        ("0 0 * * mon#5", "on the fifth Monday of the month at 00:00 Berlin time"),
        ("0 0 * * 1-5/2", "every Monday, Wednesday, Friday at 00:00 Berlin time"),
        ("0 0 1 */2 *", "on day 1 of the month in January, March, May, July, September, November at 00:00 Berlin time"),
        ("0 0 1-31 * 5", "every day at 00:00 Berlin time"),  # either counts
        ("0 0 LW * *", "on the last weekday of the month at 00:00 Berlin time"),
        ("3-50/3 * * * *", "by cron 3-50/3 * * * *, Berlin time"),
    ],
)
def test_words(expression: str, words: str) -> None:
    assert in_words(timing_of(expression, BERLIN)) == words


def test_words_of_intervals_and_zones() -> None:
    assert in_words(Timing(None, 90.0, BERLIN, ANCHOR)) == "every 1 min 30 s"
    behind = ZoneInfo("Etc/GMT+5")
    assert in_words(timing_of("@daily", behind)) == "every day at 00:00 Etc/GMT+5 (UTC−05:00)"
    assert zone_label("Etc/GMT-14") == "Etc/GMT-14 (UTC+14:00)"
    assert zone_label("Europe/Berlin") == "Europe/Berlin"
    half = ZoneInfo("Australia/Lord_Howe")  # its clocks change by 30 minutes
    assert in_words(timing_of("*/10 * * * *", half)) == "every 10 minutes"
    assert in_words(timing_of("*/20 * * * *", half)) == "every day every 20 minutes from 00:00 to 23:40 Lord Howe time"


def field(low: int, high: int, most_step: int, *special: str) -> st.SearchStrategy[str]:
    """Texts of a field: numbers, ranges, lists and steps of them."""
    one = st.integers(low, high).map(str)
    ends = st.tuples(st.integers(low, high), st.integers(low, high)).map(lambda two: f"{min(two)}-{max(two)}")
    steps = st.tuples(st.one_of(st.just("*"), one, ends), st.integers(1, most_step)).map(
        lambda two: f"{two[0]}/{two[1]}"
    )
    part = st.one_of(one, ends, steps, *([st.sampled_from(special)] if special else []))
    return st.one_of(st.just("*"), part, st.lists(part, min_size=2, max_size=4).map(",".join))


EXPRESSION = st.tuples(
    field(0, 59, 60),
    field(0, 23, 24),
    st.one_of(st.just("*"), st.just("*"), field(1, 31, 31, "L", "LW")),
    st.one_of(st.just("*"), st.just("*"), field(1, 12, 12)),
    st.one_of(st.just("*"), st.just("*"), field(0, 7, 7, "5L", "mon#5", "fri")),
).map(" ".join)
INTERVAL = re.compile(r"every (?:(\d+) )?(minute|hour)s?( from (\d\d:\d\d) to (\d\d:\d\d))?")
SYNTAX = re.compile(r"[*/#]|\bL\b|\dL|LW|\d-\d")


@given(EXPRESSION, st.sampled_from(ZONES))
def test_what_the_words_say_holds_for_a_year(expression: str, zone: ZoneInfo) -> None:
    try:
        timing = timing_of(expression, zone)
    except SubmissionError:
        assume(False)  # no such day
    words = str(in_words(timing))
    if words.startswith("by cron "):
        return
    assert not SYNTAX.search(words.replace("Etc/GMT+5", "")), words
    fires = some_fires(timing)
    steps = INTERVAL.search(words)
    if steps and not steps[3]:
        apart = timedelta(minutes=int(steps[1] or 1) * (60 if steps[2] == "hour" else 1))
        if re.fullmatch(INTERVAL, words):
            assert {later - earlier for earlier, later in pairwise(fires) if later - earlier < timedelta(days=20)} == {
                apart
            }, words
    check_clock(words, steps, [fire.astimezone(zone) for fire in fires if is_plain(fire, zone)])


def some_fires(timing: Timing) -> list[datetime]:
    """The first ones of the year, and those about each change of the clock; later ones are 20 days after those."""
    found = list(islice(timing.between(ANCHOR, ANCHOR + timedelta(days=3)), 500))
    for day in range(366):
        at = ANCHOR + timedelta(days=day)
        if not is_plain(at, timing.zone) and (not found or at - found[-1] > timedelta(days=20)):
            found += islice(timing.between(at - timedelta(hours=30), at + timedelta(hours=30)), 500)
    return found or list(islice(timing.between(ANCHOR, ANCHOR + YEAR), 50))


def is_plain(at: datetime, zone: ZoneInfo) -> bool:
    """Returns True if clocks do not change within a day of a moment."""
    day = timedelta(days=1)
    return (at - day).astimezone(zone).utcoffset() == (at + day).astimezone(zone).utcoffset()


def check_clock(words: str, steps: re.Match[str] | None, fires: list[datetime]) -> None:
    """What is said of times of the day and of weekdays is so on days on which no clock changes."""
    clocks = {f"{fire:%H:%M}" for fire in fires}
    listed = re.search(r" at ((?:\d\d:\d\d(?:, )?)+)", f" {words}")
    if listed:
        assert clocks <= set(listed[1].split(", ")), words
    if steps and steps[3]:
        apart = int(steps[1] or 1) * (60 if steps[2] == "hour" else 1)
        first, last = (int(text[:2]) * 60 + int(text[3:]) for text in (steps[4], steps[5]))
        assert clocks <= {f"{at // 60:02d}:{at % 60:02d}" for at in range(first, last + 1, apart)}, words
        same_day = [(a, b) for a, b in pairwise(fires) if a.date() == b.date()]
        assert all(b - a == timedelta(minutes=apart) for a, b in same_day), words
    if words.startswith("every weekday "):
        assert {fire.weekday() for fire in fires} <= set(range(5)), words
    named = re.match(r"every ((?:\w+day, )*\w+day) (?:at|every)", words)
    if named and named[1] not in ("weekday", "day"):
        assert {DAYS[fire.weekday()] for fire in fires} <= set(named[1].split(", ")), words
    days = re.match(r"on day ([\d, ]+) of the month (?:at|every) ", words)
    if days:
        assert {fire.day for fire in fires} <= {int(day) for day in days[1].split(", ")}, words


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("*/90 * * * *", "a step from 1 to 60 in the minute field, not */90"),
        ("*/0 * * * *", "a step from 1 to 60 in the minute field, not */0"),
        ("0 0 */32 * *", "a step from 1 to 31 in the day field, not */32"),
        ("0 0 * */13 *", "a step from 1 to 12 in the month field, not */13"),
        ("0 0 * * SAT-MON", "a range in the weekday field that does not run backwards as SAT-MON does"),
        ("0 0 * * fri-mon", "a range in the weekday field that does not run backwards as fri-mon does"),
        ("0 0 * * 6-1", "a range in the weekday field that does not run backwards as 6-1 does"),
        ("0 0 * 5-1 *", "a range in the month field that does not run backwards as 5-1 does"),
        ("0 0 * * mo-fr", "a weekday from 0 (Sunday) to 7, or sun to sat, in the fifth field, not mo-fr"),
        ("0 0 * * L", "in the fifth field, not L"),
        ("0 0 * * mon#6", "in the fifth field, not mon#6"),
        ("0 0 L/2 * *", "in the third field, not L/2"),
        ("0 25 * * *", "an hour from 0 to 23 in the second field, not 25"),
        ("1,,2 * * * *", "a minute from 0 to 59 in the first field, not ''"),
        ("0 0 31 2 *", "a day from 1 to 31 that comes in a fitting month"),
        ("*/99999999999999999999 * * * *", "a step from 1 to 60 in the minute field"),
        ("5/x * * * *", "a minute from 0 to 59 in the first field, not 5/x"),
    ],
)
def test_what_is_wrong_is_said_with_its_field(expression: str, said: str) -> None:
    with pytest.raises(SubmissionError) as caught:
        check_cron(expression)
    assert caught.value.field == "cron"
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text("0123456789*/-,#LlWwmonfri ", max_size=20))
def test_any_text_is_a_cron_expression_or_refused(text: str) -> None:
    with suppress(SubmissionError):
        assert check_cron(text).text == " ".join(text.split())


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("0 7 * * mon", "Berlin 时间每星期一 07:00"),
        ("0 9 * * mon,thu", "Berlin 时间每星期一、星期四 09:00"),
        ("0 9 * jan *", None),
        ("0 0 * * 5L", None),
        ("0 0 * * mon#5", None),
    ],
)
def test_names_of_days_and_months_are_translated(expression: str, words: str | None) -> None:
    told = translated(in_words(timing_of(expression, BERLIN)), catalogue("zh").gettext)
    assert words in (None, told)
    assert re.findall("[A-Za-z]+", told) == ["Berlin"]
