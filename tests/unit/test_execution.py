"""One attempt from input to outcome: what `execute` makes of everything that a handler may do."""

from __future__ import annotations

import asyncio
import warnings
from typing import Any

import msgspec
import orjson
import pytest

from taskyard.core.protocol import NULL, Done, Run
from taskyard.core.task_types.registry import registry
from taskyard.worker.attempts.execution import (
    MAX_MESSAGE_BYTES,
    MAX_TRACEBACK_BYTES,
    HandlerStopped,
    context_of,
    execute,
    execute_async,
)
from taskyard.worker.isolation import process_tree
from tests.task_types import ends
from tests.task_types.models import Number

MAX_OUTPUT_BYTES = 2_000


class Silence:
    """The channel of a handler that says nothing."""

    def emit(self, message: dict[str, Any]) -> None:
        raise AssertionError(message)

    def request(self, message: dict[str, Any]) -> Any:
        raise AssertionError(message)

    def is_cancelled(self) -> bool:
        return False


def run_of(task_type: str, given: object = None, checkpoint: str | None = None) -> Run:
    text = given if isinstance(given, bytes) else orjson.dumps(given or {})
    return Run("a-task", 3, task_type, msgspec.Raw(text), 10.0, checkpoint, 1)


def executed(task_type: str, given: object = None) -> Done:
    run = run_of(task_type, given)
    done = execute(registry.get(task_type), run, context_of(run, Silence()), MAX_OUTPUT_BYTES)
    assert (done.task_id, done.attempt) == ("a-task", 3)
    return done


def failure_of(task_type: str, given: object = None) -> tuple[str, str]:
    done = executed(task_type, given)
    assert done.failure is not None
    assert done.output is NULL
    orjson.dumps([done.failure.message, done.failure.traceback])  # refuses what is no UTF-8
    assert "\x00" not in done.failure.message + (done.failure.traceback or "")
    return done.failure.error_class, done.failure.message


def test_success_is_compact_json_with_its_times() -> None:
    done = executed("thread.noop", {"number": 5})
    assert done.failure is None
    assert bytes(done.output) == b'{"number":5}'
    assert done.started_at > 1_600_000_000
    assert 0 < done.run_seconds < 5


def test_coroutine_shares_the_rules() -> None:
    def outcome(given: object) -> Done:
        run = run_of("async.noop", given)
        return asyncio.run(execute_async(registry.get("async.noop"), run, context_of(run, Silence()), 100))

    assert bytes(outcome({"number": 5}).output) == b'{"number":5}'
    failure = outcome({"number": "five"}).failure
    assert failure is not None
    assert failure.error_class == "invalid_input"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"number": "five"}, "input.number: 'five' is not accepted, expected a whole number"),
        (b"[1]", "input: [1] is not accepted"),
        (b'{"number":', "expected JSON, which this is not"),
    ],
)
def test_invalid_input_names_field_and_value(given: object, message: str) -> None:
    error_class, text = failure_of("thread.noop", given)
    assert error_class == "invalid_input"
    assert message in text
    assert "\n" not in text


def test_missing_input_field() -> None:
    assert failure_of("thread.sleep") == ("invalid_input", "input.seconds is required")


@pytest.mark.parametrize("case", ["none", "bad dict", "model", "changed"])
def test_output_that_is_no_output_model(case: str) -> None:
    error_class, message = failure_of("thread.wrong_output", {"case": case})
    assert error_class == "invalid_output"
    assert "output" in message


@pytest.mark.parametrize("action", ["ignore", "always"])
def test_handlers_warning_filters_do_not_change_what_is_accepted(action: Any) -> None:
    with warnings.catch_warnings():
        warnings.resetwarnings()
        warnings.simplefilter(action)
        for _ in range(3):
            assert failure_of("thread.wrong_output", {"case": "changed"})[0] == "invalid_output"
            warnings.simplefilter(action)
            assert bytes(executed("thread.noop", {"number": 5}).output) == b'{"number":5}'


def test_a_handlers_own_serialization_still_warns() -> None:
    executed("thread.noop")
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        executed("thread.noop")
        assert Number.model_construct(number="five").model_dump_json() == '{"number":"five"}'
    assert ["Pydantic serializer warnings" in str(one.message) for one in seen] == [True]


def test_dict_becomes_the_output_model() -> None:
    assert bytes(executed("thread.wrong_output", {"case": "dict"}).output) == b'{"real":2.5}'


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("nan", "NaN or an infinity at output.value"),
        ("nested infinity", "NaN or an infinity at output.value.a.1.b"),
        ("nul", "NUL"),
        ("surrogate", "surrogate"),
        ("huge integer", "64 bits"),
        ("object", "can't be written as JSON at output.value: "),
        ("nested object", "can't be written as JSON at output.value.a.1.b: "),
        ("bytes", "can't be written as JSON at output.value: "),
        ("cycle", "can't be written"),
        ("cycle beside an object", "can't be written as JSON: "),
        ("big", f"more than the limit of {MAX_OUTPUT_BYTES}"),
        ("deep 100", "nested deeper than 64"),
        ("deep 500", "can't be written"),
    ],
)
def test_unstorable_output(case: str, message: str) -> None:
    error_class, text = failure_of("thread.output", {"case": case})
    assert error_class == "unstorable"
    assert message in text


def test_nan_in_a_field_of_type_float() -> None:
    assert failure_of("thread.wrong_output", {"case": "nan"})[0] == "unstorable"


def test_null_alone_is_storable() -> None:
    assert bytes(executed("thread.output", {"case": "null"}).output) == b'{"value":null}'


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("permanent", ("permanent", "no use")),
        ("other", ("transient", "ValueError: bad luck")),
        ("sys.exit", ("crashed", "the handler tried to end its process: SystemExit: 3")),
        ("interrupt", ("crashed", "the handler tried to end its process: KeyboardInterrupt")),
        ("memory", ("resource_limit", "out of memory: MemoryError")),
    ],
)
def test_exception_becomes_its_class(case: str, expected: tuple[str, str]) -> None:
    assert failure_of("thread.die", {"case": case}) == expected


def test_texts_are_cut_and_hold_neither_passwords_nor_what_cannot_be_stored() -> None:
    done = executed("thread.die", {"case": "secret"})
    assert done.failure is not None
    assert done.failure.traceback is not None
    for text, limit in (
        (done.failure.message, MAX_MESSAGE_BYTES),
        (done.failure.traceback, MAX_TRACEBACK_BYTES),
    ):
        assert len(text.encode()) <= limit
        assert "hunter2" not in text
        assert "\x00" not in text
    assert "postgresql://me:***@host/db \\x00 \\ud800 xxx" in done.failure.message
    assert done.failure.message.endswith("x…")


def test_traceback_begins_in_the_handler() -> None:
    failure = executed("thread.die", {"case": "other"}).failure
    assert failure is not None
    lines = (failure.traceback or "").splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert f'File "{ends.__file__}"' in lines[1]
    assert "execution.py" not in (failure.traceback or "")
    assert lines[-1] == "ValueError: bad luck"


def test_long_traceback_keeps_its_end() -> None:
    failure = executed("thread.recurse").failure
    assert failure is not None
    assert failure.traceback is not None
    assert len(failure.traceback.encode()) <= MAX_TRACEBACK_BYTES
    assert failure.traceback.startswith("…")
    assert failure.traceback.rstrip().endswith("ValueError: the innermost")


def test_validation_problem_has_no_traceback_but_broken_model_code_has() -> None:
    invalid = executed("thread.noop", {"number": "five"}).failure
    assert invalid is not None
    assert invalid.traceback is None
    broken = executed("thread.fussy", {"text": "a"}).failure
    assert broken is not None
    assert (broken.error_class, broken.message) == ("transient", "RuntimeError: the validator is broken")
    assert "in check" in (broken.traceback or "")


def test_exception_without_a_text() -> None:
    error_class, message = failure_of("thread.mute_error")
    assert error_class == "transient"
    assert message == "MuteError: <text not available: RuntimeError>"


def test_stop_by_the_watchdog_passes_through() -> None:
    with pytest.raises(HandlerStopped):
        executed("thread.stopped")


def test_checkpoint_reaches_the_context() -> None:
    run = run_of("thread.noop", checkpoint='{"step":[1,2]}')
    context = context_of(run, Silence())
    assert context.last_checkpoint == {"step": [1, 2]}
    assert (context.task_id, context.task_type, context.attempt) == ("a-task", "thread.noop", 3)


@pytest.mark.parametrize("pid", [1, 0, -1, -5])
def test_groups_and_init_are_never_signalled(pid: int) -> None:
    with pytest.raises(ValueError, match="may not be signalled"):
        process_tree._signal(pid, 0)  # type: ignore[arg-type]
