"""Closing the schema of an answer for fields that its model does not have."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from taskyard.core.questions.strict_schema import without_unknown_fields
from taskyard.core.task_types.validators import validator_of


class Inner(BaseModel):
    share: float = 1.0


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")

    name: str = ""


class Plan(BaseModel):
    version: str = "1"
    inner: Inner = Inner()
    many: list[Inner] = []
    by_name: dict[str, Inner] = {}
    either: Inner | int = 1
    open: Open = Open()
    properties: int = 0


def takes(schema: dict[str, Any], value: object) -> bool:
    validator = validator_of(schema, "test")
    assert validator is not None
    return bool(validator.is_valid(value))


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"version": "2", "inner": {"share": 0.5}, "many": [{"share": 1}], "by_name": {"any": {"share": 1}}},
        {"either": 3, "open": {"whatever": 1}, "properties": 1},
    ],
)
def test_what_the_model_has_is_taken(value: dict[str, Any]) -> None:
    assert takes(without_unknown_fields(Plan.model_json_schema()), value)


@pytest.mark.parametrize(
    "value",
    [
        {"versoin": "2"},
        {"inner": {"shaer": 1}},
        {"many": [{"share": 1, "x": 1}]},
        {"by_name": {"any": {"x": 1}}},
        {"either": {"x": 1}},
    ],
)
def test_what_it_does_not_have_is_refused(value: dict[str, Any]) -> None:
    assert takes(Plan.model_json_schema(), value)
    assert not takes(without_unknown_fields(Plan.model_json_schema()), value)


def test_objects_that_are_put_together_stay_open() -> None:
    schema = {"allOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}]}
    assert without_unknown_fields(schema) is schema
    assert takes(schema, {"a": 1, "b": 2})
