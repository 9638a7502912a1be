"""Submissions of one call that differ in their input alone get what each of them would get by itself."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from taskyard.core.errors import SubmissionError, UnknownTaskType
from taskyard.core.learning.prediction import Predicted
from taskyard.core.new_task import Submission
from taskyard.core.states import Priority
from taskyard.core.submission import alike
from taskyard.core.submission.alike import AlikeCheck
from taskyard.core.submission.validate import validate_submission
from taskyard.core.task_types.registry import Registry
from tests.unit.validation_support import NOW, limits, registry


class Checks:
    """The check of a submission by itself, counted, and one of a call's submissions."""

    def __init__(self) -> None:
        self.types = Registry(dict(registry.types))
        self.whole = 0
        self.alike = AlikeCheck(self.check, self.types, limits.input_limit_bytes, predict)

    def check(self, name: Any, given: Any, options: Mapping[str, Any]) -> Submission:
        self.whole += 1
        return validate_submission(name, given, **options, registry=self.types, limits=limits, now=NOW, predict=predict)

    def pair(self, name: Any, given: Any, options: Mapping[str, Any]) -> tuple[Submission | str, Submission]:
        """Returns what both make of one."""
        return self.alike(name, given, options), self.check(name, given, options)


def predict(queue: str, task_type: str, creator: str, size: str, priority: int) -> Predicted:
    return Predicted(len(queue), len(task_type), len(creator), float(size), float(priority))


@pytest.mark.parametrize("options", [{}, {"queue": "reports", "priority": "high", "created_by": "Zoë"}])
def test_the_second_is_made_by_the_first(options: dict[str, Any]) -> None:
    checks = Checks()
    for text in ("a", "b" * 90, "c"):
        made, checked = checks.pair("demo.tagged", {"text": text}, dict(options))
        assert isinstance(made, Submission)
        assert msgspec.structs.replace(made, id=checked.id) == checked
        assert uuid.UUID(made.id).version == 7
    assert checks.whole == 3 + 1


@pytest.mark.parametrize(
    "options",
    [
        {"title": "T"},
        {"idempotency_key": "k"},
        {"delay_seconds": 5.0},
        {"max_attempts": 2},
        {"requires": ["gpu"]},
        {"priority": Priority.HIGH},
        {"queue": "reports", "timeout_seconds": 1},
    ],
)
def test_others_are_checked_by_themselves(options: dict[str, Any]) -> None:
    checks = Checks()
    for _ in range(2):
        made, checked = checks.pair("demo.tagged", {"text": "a"}, options)
        assert isinstance(made, Submission)
        assert msgspec.structs.replace(made, id=checked.id) == checked
    assert checks.whole == 4


def test_what_differs_is_told_apart() -> None:
    checks = Checks()
    given = [{}, {"queue": "a"}, {"queue": "b"}, {"created_by": "a"}, {"queue": "a"}, {}]
    made = [checks.alike("demo.tagged", {"text": "a"}, options) for options in given]
    assert [(one.queue, one.created_by) for one in made if isinstance(one, Submission)] == [
        ("default", ""), ("a", ""), ("b", ""), ("default", "a"), ("a", ""), ("default", ""),
    ]  # fmt: skip
    assert checks.whole == 4


def test_an_invalid_one_is_refused_each_time() -> None:
    checks = Checks()
    checks.alike("demo.tagged", {"text": "a"}, {})
    for name, given, options, error in [
        ("demo.tagged", {"text": 1}, {}, r"^input\.text: 1"),
        ("demo.tagged", {"text": "a"}, {"priority": "now"}, r"^priority: 'now'"),
        ("demo.tagged", {"text": "a"}, {"queue": "A"}, r"^queue: 'A'"),
        (["demo.tagged"], {"text": "a"}, {}, r"^type: \["),
    ]:
        for _ in range(2):
            with pytest.raises(SubmissionError, match=error):
                checks.alike(name, given, options)


def test_a_type_that_changed_is_read_anew() -> None:
    checks = Checks()
    checks.alike("demo.tagged", {"text": "a"}, {})
    checks.types.types["demo.tagged"] = replace(checks.types.types["demo.tagged"], timeout_seconds=77.0)
    made = [checks.alike("demo.tagged", {"text": "a"}, {}) for _ in range(2)]
    assert [one.timeout_seconds for one in made if isinstance(one, Submission)] == [77.0, 77.0]
    assert checks.whole == 2
    del checks.types.types["demo.tagged"]
    with pytest.raises(UnknownTaskType):
        checks.alike("demo.tagged", {"text": "a"}, {})


def test_only_so_many_kinds_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "MAX_KINDS", 1)
    checks = Checks()
    for queue in ("a", "b", "a", "b"):
        made = checks.alike("demo.tagged", {"text": "a"}, {"queue": queue})
        assert isinstance(made, Submission)
        assert made.queue == queue
    assert checks.whole == 3
