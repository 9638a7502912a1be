"""Fields of forms, read from a JSON Schema alone, are those that the model itself gives."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest
from pydantic import BaseModel, Field

from taskyard.core.submission.input_schema import UNSET, FieldKind, FormField, form_fields
from taskyard.core.submission.schema_fields import schema_fields
from taskyard.core.task_types.registry import registry


class Address(BaseModel):
    city: str = Field(max_length=40)
    lines: list[str] = []


class Order(BaseModel):
    name: str = Field(title="Name of the order", min_length=1, max_length=20)
    notes: str = Field("", max_length=5000)
    count: int = Field(1, gt=0, le=9)
    share: float | None = Field(None, ge=0, lt=1)
    urgency: Literal["low", "high"] = "low"
    tags: list[Literal["a", "b"]] = Field(["a"], max_length=2)
    is_gift: bool = False
    to: Address
    other: Address | None = None
    anything: dict[str, int] = Field({}, description="Counts")


def without_defaults_of_factories(fields: tuple[FormField, ...] | None) -> tuple[FormField, ...]:
    return tuple(
        replace(
            one,
            default=UNSET if one.kind is FieldKind.LINES else one.default,
            fields=without_defaults_of_factories(one.fields),
        )
        for one in fields or ()
    )


@pytest.mark.parametrize(
    "model", [Order, *(one.input_model for _name, one in sorted(registry.load().types.items()) if one.is_shipped)]
)
def test_they_are_those_of_the_model(model: type[BaseModel]) -> None:
    found = schema_fields(model.model_json_schema())
    assert without_defaults_of_factories(found) == without_defaults_of_factories(form_fields(model))


@pytest.mark.parametrize("schema", [{}, {"type": "array"}, {"type": "string"}, {"type": "object", "properties": 7}])
def test_what_is_no_object_is_edited_as_json(schema: dict[str, object]) -> None:
    assert schema_fields(schema) is None


class Tree(BaseModel):
    value: int
    left: Tree | None = None


def test_a_schema_that_holds_itself_ends() -> None:
    fields = schema_fields(Tree.model_json_schema())
    assert fields is not None
    assert fields[1].kind in (FieldKind.GROUP, FieldKind.JSON)
