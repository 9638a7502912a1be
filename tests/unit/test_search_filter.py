"""Filters survive a URL and a JSON document, and say what is wrong with what makes none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.errors import ErrorClass, SubmissionError
from taskyard.core.filters.audit_filter import EVENT_PARAMS, EventFilter
from taskyard.core.filters.search_filter import PARAMS, TaskFilter
from taskyard.core.ids import first_id_at, time_of
from taskyard.core.postgres.store.audit import EventCursor
from taskyard.core.postgres.store.cursors import Cursor
from taskyard.core.states import Priority, TaskState

LETTERS = st.characters(codec="utf-8", exclude_characters="\x00")
TEXTS = st.none() | st.text(LETTERS, min_size=1, max_size=200)
NAMES = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\x00,"), min_size=1, max_size=200), max_size=4
).map(tuple)
ZONES = st.timezones() | st.integers(-23, 23).map(lambda hours: timezone(timedelta(hours=hours)))
TIMES = st.datetimes(datetime(1971, 1, 3), datetime(9998, 12, 29), timezones=ZONES, allow_imaginary=False)
BOUNDS = st.none() | TIMES | st.sampled_from(("90s", "30m", "24h", "7d", "2w"))
SECONDS = st.none() | st.floats(0, 1e6) | st.integers(0, 100)
PATHS = st.none() | st.text(LETTERS, min_size=1, max_size=1000)
FILTERS = st.builds(
    TaskFilter,
    states=st.lists(st.sampled_from(TaskState)).map(tuple),
    types=NAMES,
    queues=NAMES,
    priorities=st.lists(st.sampled_from(Priority)).map(tuple),
    agent=TEXTS,
    error_class=st.none() | st.sampled_from(ErrorClass),
    fingerprint=TEXTS,
    tag=TEXTS,
    created_by=TEXTS,
    since=BOUNDS,
    until=BOUNDS,
    ended_since=BOUNDS,
    ended_until=BOUNDS,
    min_wait_seconds=SECONDS,
    max_wait_seconds=SECONDS,
    min_run_seconds=SECONDS,
    max_run_seconds=SECONDS,
    text=TEXTS,
    input_path=PATHS,
    output_path=PATHS,
    workflow_id=st.none() | st.uuids(),
)
EVENT_FILTERS = st.builds(
    EventFilter,
    events=NAMES,
    actor=TEXTS,
    task_id=st.none() | st.uuids(),
    agent=TEXTS,
    text=TEXTS,
    since=BOUNDS,
    until=BOUNDS,
    only_operators=st.booleans(),
)
UUIDS = st.none() | st.uuids().map(str)
FLOATS = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@given(FILTERS)
def test_a_filter_survives_a_url(only: TaskFilter) -> None:
    params = dict(parse_qsl(urlencode(only.as_params()), strict_parsing=bool(only.as_params())))
    assert TaskFilter.from_params(params) == only


@given(FILTERS)
def test_a_filter_survives_json(only: TaskFilter) -> None:
    assert TaskFilter.from_json(only.as_json()) == only
    assert only.is_empty == (only.as_json() == {})


@given(EVENT_FILTERS)
def test_a_filter_of_events_survives_a_url(only: EventFilter) -> None:
    assert EventFilter.from_params(dict(parse_qsl(urlencode(only.as_params())))) == only


@given(st.dictionaries(st.sampled_from(PARAMS), st.text(max_size=20)))
def test_whatever_a_url_holds_is_a_filter_or_a_named_field(params: dict[str, str]) -> None:
    refused = None
    try:
        TaskFilter.from_params(params)
    except SubmissionError as error:
        refused = error.field
    assert refused is None or refused in params


@given(st.dictionaries(st.sampled_from(EVENT_PARAMS), st.text(max_size=20)))
def test_whatever_a_url_holds_is_a_filter_of_events_or_a_named_field(params: dict[str, str]) -> None:
    refused = None
    try:
        EventFilter.from_params(params)
    except SubmissionError as error:
        refused = error.field
    assert refused is None or refused in params


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"states": "failed,lost"}, "states: 'lost' is not accepted, expected one of blocked, scheduled, pending"),
        ({"priorities": "3"}, "priorities: '3' is not accepted, expected one of low, medium, high, urgent"),
        ({"types": "a,,b"}, "types: '' is not accepted, expected a text of 1 to 200 characters"),
        ({"since": "24"}, "since: '24' is not accepted, expected a time with a time zone such as 2030-01-31T12"),
        ({"since": "2030-01-31"}, "since: '2030-01-31' is not accepted, expected a time with a time zone"),
        ({"since": "9999999999w"}, "since: '9999999999w' is not accepted, expected an age of at most 100 years"),
        ({"error_class": "odd"}, "error_class: 'odd' is not accepted, expected one of timeout, crashed"),
        ({"workflow_id": "7"}, "workflow_id: '7' is not accepted, expected a task id"),
        ({"text": "a\x00"}, "text: 'a\\x00' is not accepted, expected text without NUL characters"),
        ({"text": "a" * 201}, "expected a text of 1 to 200 characters"),
        ({"state": "failed"}, "state: 'failed' is not accepted, expected a known field: one of states, types"),
    ],
)
def test_what_makes_no_filter_names_the_field(params: dict[str, str], message: str) -> None:
    with pytest.raises(SubmissionError) as raised:
        TaskFilter.from_params(params)
    assert message in str(raised.value)


@pytest.mark.parametrize("document", [[], "x", 7, {"states": "failed"}, {"states": [{}]}, {"types": {"a": 1}}])
def test_what_is_no_document_of_a_filter_is_refused(document: object) -> None:
    with pytest.raises(SubmissionError):
        TaskFilter.from_json(document)


def test_equal_questions_are_equal_filters() -> None:
    one = TaskFilter(states=("failed", "pending"), types=("b", "a", "b"), priorities=("low", Priority.HIGH))
    other = TaskFilter(states=(TaskState.PENDING, "failed", "failed"), types=("a", "b"), priorities=("high", "low"))
    assert one == other
    assert one.as_params() == {"states": "pending,failed", "types": "a,b", "priorities": "low,high"}


def test_ages_count_from_the_search() -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    assert TaskFilter(since="24h", until="30m").span(now) == (now - timedelta(1), now - timedelta(minutes=30))
    assert TaskFilter().span(now) == (None, None)


def test_only_a_whole_id_is_the_id_of_a_task() -> None:
    whole = "0199C0DE-0000-7000-8000-000000000001"
    assert TaskFilter(text=whole).task_id == whole.lower()
    assert TaskFilter(text=whole[:-1]).task_id is None


@given(st.builds(Cursor, st.booleans(), UUIDS, FLOATS, UUIDS, UUIDS, FLOATS))
def test_a_cursor_survives_its_text(cursor: Cursor) -> None:
    assert Cursor.parse(str(cursor)) == cursor


@given(TIMES, st.none() | st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 2**16 - 1)))
def test_a_cursor_of_events_survives_its_text(at: datetime, place: tuple[int, int] | None) -> None:
    cursor = EventCursor(at.astimezone(UTC), place and f"({place[0]},{place[1]})")
    assert EventCursor.parse(str(cursor)) == cursor


@pytest.mark.parametrize(
    "text", ["", "f", "x~~~~~", "f~7~~~~", "f~~nan~~~", "f~~inf~~~", "f~~~~~~", "f~~~a~~", "7d~1.1"]
)
def test_other_texts_are_no_cursors(text: str) -> None:
    for cursor in (Cursor, EventCursor):
        with pytest.raises(SubmissionError):
            cursor.parse(text)


@given(TIMES)
def test_an_id_begins_with_its_time(at: datetime) -> None:
    found = time_of(first_id_at(at))
    assert found <= at < found + timedelta(milliseconds=1)
    assert time_of("f" * 8 + "-ffff-7fff-8fff-" + "f" * 12).year == 9999
