"""The reading of pages' addresses: whatever stands in them, a value that makes sense or one line that says why not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from taskyard.core.errors import SubmissionError
from taskyard.dashboard.components import address_values as values
from tests.effort import ADDRESS_CASES

OPTIONS = ("a", "b")
ZONES = (UTC, ZoneInfo("Asia/Shanghai"), timezone(timedelta(hours=-14)), timezone(timedelta(hours=14)))
ODD = st.sampled_from(
    ["\x00", "\ud800", "\udfff", "9999-12-31T23:59:59+00:00", "0001-01-01", "NaN", "-1", "1", "a", ",", "2026-02-30"]
)
TEXTS = st.one_of(
    ODD,
    st.text(max_size=20),
    st.lists(ODD, max_size=4).map("".join),
    st.text(st.characters(exclude_categories=[]), max_size=10),  # with halves of pairs
    st.datetimes().map(datetime.isoformat),
    st.datetimes(timezones=st.sampled_from(ZONES)).map(datetime.isoformat),
    st.integers(0, 10_000).map("x".__mul__),
)


@settings(max_examples=ADDRESS_CASES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(name=TEXTS, given_=st.lists(TEXTS, min_size=1, max_size=3), zone=st.sampled_from(ZONES))
@example("queue", ["\x00"], UTC)
@example("since", ["9999-12-31T23:59:59-14:00"], ZONES[3])
@example("since", ["0001-01-01T00:00:00+14:00"], ZONES[2])
def test_every_address_is_read(name: str, given_: list[str], zone: timezone) -> None:
    known = ("queue", name) if name.isprintable() and len(name) <= values.MAX_NAME_LENGTH else ("queue",)
    try:
        value = values.usable(name, given_, known)
    except SubmissionError as error:
        text = str(error)
    else:
        text = ""
    assert "\n" not in text
    if text:
        assert "expected" in text
        return
    value.encode()  # it can be shown and sent on
    assert "\x00" not in value
    parsers = (
        values.text(), values.choice(name, OPTIONS), values.choices(name), values.moment(name, zone), values.flag(name),
    )  # fmt: skip
    for parse in parsers:
        found, problem = values.read(parse, value, "default")
        assert problem is None or (found == "default" and "\n" not in str(problem))
    at, _problem = values.read(values.moment(name, zone), value, None)
    if at is not None:
        assert at.tzinfo is None
        at.replace(tzinfo=zone).astimezone(UTC)  # back into the address and to a server


@pytest.mark.parametrize(
    ("parse", "value", "expected"),
    [
        (values.choice("sort", OPTIONS), "c", "sort: 'c' is not accepted, expected one of a, b"),
        (values.choice("sort", [str(n) for n in range(99)]), "c", "10, 11, …"),
        (values.choices("kinds"), ",".join(map(str, range(60))), "at most 50 values"),
        (values.moment("since", UTC), "yesterday", "a date and time such as"),
        (values.moment("since", UTC), "9999-12-31T00:00", "a date and time such as"),
        (values.flag("muted"), "yes", "expected 1, or nothing"),
    ],
)
def test_what_makes_no_sense_is_named_and_the_default_holds(parse: values.Parse, value: str, expected: str) -> None:
    found, problem = values.read(parse, value, "default")

    assert found == "default"
    assert expected in str(problem)


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        (["\x00"], "without control characters"),
        (["a\x7f"], "without control characters"),
        (["\ud800"], "without control characters"),
        (["a", "b"], "one value, but it is given 2 times"),
        (["x" * 9000], "at most 8000 characters"),
    ],
)
def test_what_no_page_can_use_is_named(given_: list[str], expected: str) -> None:
    with pytest.raises(SubmissionError, match=expected):
        values.usable("queue", given_, ("queue",))


@pytest.mark.parametrize("name", ["queues", "", "\x00", "x" * 300])
def test_an_unknown_parameter_is_named_with_the_known_ones(name: str) -> None:
    with pytest.raises(SubmissionError, match="expected a known parameter: one of queue, view") as caught:
        values.usable(name, ["a"], ("queue", "view"))
    assert len(str(caught.value)) < 200
    assert "\x00" not in str(caught.value)


def test_nothing_to_choose_from_yet_is_no_problem() -> None:
    assert values.read(values.choice("queue", ()), "a", "") == ("", None)
    assert values.read(values.choice("queue", OPTIONS), "", "a") == ("a", None)
    assert values.read(values.choice("queue", OPTIONS), None, "a") == ("a", None)
