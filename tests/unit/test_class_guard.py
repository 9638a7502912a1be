"""What an agent class returns: an end of its attempt, its return at no cost, or something odd."""

from __future__ import annotations

import msgspec
import pytest

from taskyard.core.errors import ErrorClass
from taskyard.core.protocol import NULL, Done, Failure, Run
from taskyard.worker.agents.class_guard import checked_end
from taskyard.worker.attempts.execution import cannot_run, kept_from_running

RUN = Run("0190a1b2-0000-7000-8000-000000000000", 1, "demo.one", msgspec.Raw(b"{}"), 60.0, None, 1)
GOOD = Done(RUN.task_id, RUN.attempt, NULL, None, 1.0, 0.5)


@pytest.mark.parametrize(
    "done",
    [None, GOOD, cannot_run(RUN, "its module is another one"), kept_from_running(RUN, "another one blocks the loop")],
    ids=["reported otherwise", "success", "cannot run", "kept from running"],
)
def test_what_is_an_end_or_a_return_stays_as_it_is(done: Done | None) -> None:
    assert checked_end(RUN, done) is done


@pytest.mark.parametrize(
    ("done", "words"),
    [
        ("done", "expected a Done, a Suspended or None, not str"),
        (msgspec.structs.replace(GOOD, attempt=2), "this is the end of attempt 2 of task "),
        (msgspec.structs.replace(GOOD, failure=Failure("odd", "oh")), "'odd' is not a valid ErrorClass"),
        (msgspec.structs.replace(GOOD, run_seconds=-1.0), "Expected `float` >= 0.0"),
    ],
)
def test_what_is_neither_is_a_crash(done: object, words: str) -> None:
    ended = checked_end(RUN, done)
    assert ended is not None
    assert ended.failure is not None
    assert ended.failure.error_class == ErrorClass.CRASHED
    assert words in ended.failure.message
