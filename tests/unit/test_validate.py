"""What a submission may hold, and what the error says when it may not."""

from __future__ import annotations

import math
import re
import subprocess
import sys
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.errors import SubmissionError, UnknownTaskType
from taskyard.core.new_task import Submission
from taskyard.core.states import Priority
from taskyard.core.submission.validate import check_output
from taskyard.core.task_types.registry import MAX_TIMEOUT_SECONDS
from tests.unit.validation_support import NOW, limits, submit

A_TASK = "0199a0b1-1111-7222-8333-444455556666"
ANOTHER = "0199a0b1-1111-7222-8333-444455556667"


def refusal_of(**arguments: Any) -> SubmissionError:
    with pytest.raises(SubmissionError) as caught:
        submit(**arguments)
    text = str(caught.value)
    assert text.startswith(caught.value.field)
    assert "\n" not in text
    assert text.isprintable()
    assert len(text) < 900
    return caught.value


def test_defaults_come_from_the_task_type() -> None:
    submission = submit("demo.tagged", {"text": "hello"})
    assert uuid.UUID(submission.id).version == 7
    assert submission.input_json == '{"text":"hello"}'
    assert (submission.type, submission.queue, submission.title) == ("demo.tagged", "default", None)
    assert (submission.priority, submission.requires) == (Priority.MEDIUM, ("gpu", "linux"))
    assert (submission.timeout_seconds, submission.max_attempts, submission.run_at) == (10.0, 3, None)
    assert (submission.idempotency_key, submission.call) == (None, None)
    assert (submission.created_by, submission.creator_agent_id, submission.parent_id) == ("", None, None)
    assert submission.after == ()


def test_everything_that_can_be_given() -> None:
    submission = submit(
        "demo.tagged",
        {"text": "x"},
        title="Grüße",
        queue="reports-1.a_b",
        priority=Priority.URGENT,
        timeout_seconds=5,
        max_attempts=7,
        run_at=datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=2))),
        requires=["ssd", "gpu"],
        idempotency_key="k",
        created_by="ann",
        creator_agent_id="agent-1:boot",
        parent_id=uuid.UUID(A_TASK),
        after=[ANOTHER.upper(), A_TASK],
    )
    assert (submission.title, submission.queue, submission.priority) == ("Grüße", "reports-1.a_b", 3)
    assert (submission.timeout_seconds, submission.max_attempts) == (5.0, 7)
    assert submission.run_at == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert submission.run_at.tzinfo is UTC
    assert submission.requires == ("gpu", "linux", "ssd")
    assert (submission.idempotency_key, submission.created_by) == ("k", "ann")
    assert (submission.creator_agent_id, submission.parent_id) == ("agent-1:boot", A_TASK)
    assert submission.after == (ANOTHER, A_TASK)


def test_ids_grow_with_time() -> None:
    ids = [submit().id for _ in range(100)]
    assert ids == sorted(set(ids))


def test_unknown_type_lists_the_known_ones() -> None:
    with pytest.raises(UnknownTaskType, match=r"type: 'demo.nope' is not accepted, expected one of demo.any, demo"):
        submit("demo.nope")
    assert refusal_of(type=["demo"]).field == "type"


@pytest.mark.parametrize("priority", ["low", "medium", "high", "urgent"])
def test_priority_by_name(priority: str) -> None:
    assert submit(priority=priority).priority == Priority[priority.upper()]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", ""),
        ("title", " \t"),
        ("title", "x" * 201),
        ("title", "a\x00b"),
        ("title", "\ud800"),
        ("title", 5),
        ("queue", ""),
        ("queue", "Default"),
        ("queue", "a b"),
        ("queue", "a\n"),
        ("queue", "x" * 65),
        ("queue", "a\x00"),
        ("queue", None),
        ("priority", "Urgent"),
        ("priority", 2),
        ("priority", True),
        ("priority", None),
        ("timeout_seconds", 0),
        ("timeout_seconds", -1),
        ("timeout_seconds", math.nan),
        ("timeout_seconds", math.inf),
        ("timeout_seconds", MAX_TIMEOUT_SECONDS + 1),
        pytest.param("timeout_seconds", 10**6000, id="6000-digits"),
        ("timeout_seconds", True),
        ("timeout_seconds", "10"),
        ("max_attempts", 0),
        ("max_attempts", 101),
        ("max_attempts", True),
        ("max_attempts", 2.0),
        ("delay_seconds", -0.001),
        ("delay_seconds", math.nan),
        ("delay_seconds", math.inf),
        ("delay_seconds", 11 * 366 * 86400),
        ("delay_seconds", False),
        ("delay_seconds", "1"),
        ("run_at", datetime(2026, 3, 1)),
        ("run_at", datetime(1999, 12, 31, 23, tzinfo=UTC)),
        ("run_at", datetime(2000, 1, 1, tzinfo=timezone(timedelta(hours=3)))),
        ("run_at", NOW + timedelta(days=3700)),
        ("run_at", datetime.max.replace(tzinfo=UTC)),
        ("run_at", datetime.max.replace(tzinfo=timezone(-timedelta(hours=12)))),
        ("run_at", datetime.min.replace(tzinfo=timezone(timedelta(hours=12)))),
        ("run_at", NOW.date()),
        ("run_at", 1_700_000_000),
        ("run_at", "tomorrow"),
        ("run_at", "2026-03-01T10:00:00"),
        ("requires", "gpu"),
        ("requires", None),
        ("requires", {"gpu": 1}),
        ("requires", [f"t{n}" for n in range(33)]),
        ("requires.1", ["gpu", "No"]),
        ("requires.0", ["a\x00"]),
        ("idempotency_key", ""),
        ("idempotency_key", "x" * 201),
        ("idempotency_key", "a\x00"),
        ("idempotency_key", "\udfff"),
        ("idempotency_key", 7),
        ("created_by", "a\x00"),
        ("created_by", None),
        ("created_by", "x" * 201),
        ("creator_agent_id", ""),
        ("parent_id", "nope"),
        ("parent_id", f"{{{A_TASK}}}"),
        ("parent_id", 3),
        ("after", A_TASK),
        ("after", None),
        ("after", [str(uuid.UUID(int=n)) for n in range(1001)]),
        ("after.0", [None]),
        ("after.1", [A_TASK, "x"]),
        ("after.1", [A_TASK, A_TASK.upper()]),
    ],
)
def test_refuses_an_option(field: str, value: Any) -> None:
    error = refusal_of(**{field.split(".")[0]: value})
    assert error.field == field


def test_refuses_both_delay_and_run_at() -> None:
    assert "not both" in str(refusal_of(delay_seconds=1, run_at=NOW))


def test_too_many_tags_with_those_of_the_type() -> None:
    assert (
        refusal_of(type="demo.tagged", input={"text": "x"}, requires=[f"t{n}" for n in range(31)]).field == "requires"
    )


def test_a_delay_is_left_to_the_clock_of_the_database() -> None:
    assert (submit(delay_seconds=90).delay_seconds, submit(delay_seconds=90).run_at) == (90.0, None)
    assert submit(delay_seconds=0).delay_seconds is None


def test_run_at_as_text_and_in_the_past() -> None:
    assert submit(run_at="2026-03-01T12:00:00+02:00").run_at == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert submit(run_at=datetime(2001, 1, 1, tzinfo=UTC)).run_at == datetime(2001, 1, 1, tzinfo=UTC)


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=14)), timezone(-timedelta(hours=12))])))
def test_any_time_is_kept_or_refused(run_at: datetime) -> None:
    if datetime(2000, 1, 2, tzinfo=UTC) <= run_at <= NOW + timedelta(days=3650):
        assert submit(run_at=run_at).run_at == run_at
    elif run_at.year < 1999 or run_at.year > NOW.year + 11:
        assert refusal_of(run_at=run_at).field == "run_at"


def hash_of(submission: Submission) -> str:
    assert submission.call is not None
    return submission.call.content_hash


SAME: dict[str, Any] = {"type": "demo.any", "input": {"value": {"a": 1, "b": 2}}, "idempotency_key": "k"}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"input": {"value": {"b": 2, "a": 1}}},
        {"input": {"value": {"a": 1.0, "b": 2}}},
        {"queue": "default", "priority": "medium", "title": None, "requires": [], "after": []},
        {"created_by": "somebody", "creator_agent_id": "another"},
        {"now": NOW + timedelta(hours=1)},
        {"idempotency_key": "another"},
    ],
)
def test_hash_is_equal_for_equal_content(change: dict[str, Any]) -> None:
    base = submit(**SAME, delay_seconds=60)
    again = submit(**{**SAME, "delay_seconds": 60, **change})
    assert hash_of(base) == hash_of(again)
    assert base.id != again.id


@pytest.mark.parametrize(
    "change",
    [
        {"type": "demo.any2"},
        {"input": {"value": {"a": 1, "b": 3}}},
        {"queue": "q"},
        {"title": "t"},
        {"priority": "low"},
        {"timeout_seconds": 300},  # what the type has: it may have another one tomorrow
        {"max_attempts": 3},
        {"requires": ["gpu"]},
        {"delay_seconds": 1},
        {"run_at": NOW},
        {"parent_id": A_TASK},
        {"after": [A_TASK]},
    ],
)
def test_hash_differs_for_other_content(change: dict[str, Any]) -> None:
    assert hash_of(submit(**SAME)) != hash_of(submit(**{**SAME, **change}))


def test_hash_is_the_same_in_another_process() -> None:
    program = f"from tests.unit.validation_support import submit; print(submit(**{SAME!r}).call.content_hash)"
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    content_hash = hash_of(submit(**SAME))
    assert other.stdout.strip() == content_hash
    assert re.fullmatch("2:[0-9a-f]{32}", content_hash)


@pytest.mark.parametrize("parent_id", [None, "00000000-0000-7000-8000-000000000002"])
def test_a_key_of_another_task_s_child_is_refused(parent_id: str | None) -> None:
    with pytest.raises(SubmissionError, match=r"idempotency_key: '.*/3' is not accepted, expected another") as error:
        submit(idempotency_key=f"{A_TASK}/3", parent_id=parent_id)
    assert "\n" not in str(error.value)
    assert submit(idempotency_key=f"{A_TASK}/3", parent_id=A_TASK).idempotency_key == f"{A_TASK}/3"
    assert submit(idempotency_key=A_TASK).idempotency_key == A_TASK


@pytest.mark.parametrize("make", [str, str.encode])
def test_output_is_checked_like_an_input(make: Callable[[str], Any]) -> None:
    assert check_output(make('{"a":1}'), limits.output_limit_bytes) is None
    assert check_output(make('{"a":1}'), 3) == "the output is 7 bytes of JSON, more than the limit of 3"
    assert "NUL" in (check_output(make('"\\u0000"'), limits.output_limit_bytes) or "")
