"""What a type declares for predictions and second attempts, as the API and `taskyard types` say it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from taskyard.api.models.types import TaskTypeSummary
from taskyard.core.task_types.registry import TaskType, registry
from taskyard.worker.cli import admin
from taskyard.worker.cli.local import site as local
from taskyard.worker.cli.remote import site as remote

NOTHING = {"idempotent": False, "predict_by": []}
BOTH = {"idempotent": True, "predict_by": ["value", "title"]}


def echo(**changes: Any) -> TaskType:
    return replace(registry.load().get("diagnostic.echo"), **changes)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, NOTHING),
        ({"idempotent": True, "predict_by": (("value", "Value"), ("title",))}, BOTH),
    ],
)
def test_the_api_and_both_ways_of_the_command_say_it(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    known = echo(**changes)
    answer = TaskTypeSummary.of(known, None).model_dump()
    for told in (answer, local._summary(known), remote._type(answer)):
        assert {name: told[name] for name in expected} == expected
    assert local._summary(known) == remote._type(answer)


def test_an_api_of_an_older_release_says_nothing_of_it() -> None:
    answer = TaskTypeSummary.of(echo(), None).model_dump(exclude=set(NOTHING))
    assert remote._type(answer).items() >= NOTHING.items()


def test_the_list_has_it_below_the_description() -> None:
    told = local._summary(echo(idempotent=True, predict_by=(("value",),), requires=frozenset({"gpu"})))
    assert str(admin._wide_type(told)[-1]).endswith("\nidempotent, predicted by: value")
    assert str(admin._narrow_type(told)[-1]).endswith("\ntags: gpu\nidempotent, predicted by: value")
    assert "predicted" not in str(admin._wide_type(local._summary(echo()))[-1])
