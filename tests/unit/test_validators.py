"""Formats in JSON Schemas are those that pydantic reads."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from ipaddress import IPv4Address
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AnyUrl, BaseModel, Json, SecretStr, TypeAdapter, ValidationError

from taskyard.core.task_types.validators import expected_by, validator_of

TYPES = (date, datetime, time, timedelta, UUID, AnyUrl, IPv4Address)


def takes(type_: Any, value: object) -> bool:
    validator = validator_of(TypeAdapter(type_).json_schema(), "test")
    assert validator is not None
    return bool(validator.is_valid(value))


@pytest.mark.parametrize(
    ("type_", "text", "is_taken"),
    [
        (date, "2026-02-28", True),
        (date, "2026-02-30", False),
        (date, "tomorrow", False),
        (datetime, "2026-02-28T12:00:00Z", True),
        (datetime, "2026-02-28 12:00", True),  # no time zone: RFC 3339 refuses it, pydantic does not
        (datetime, "2026-13-45", False),
        (time, "12:30", True),
        (timedelta, "PT5M", True),
        (timedelta, "soon", False),
        (UUID, "0199c0de-0000-7000-8000-000000000001", True),
        (UUID, "1", False),
        (AnyUrl, "not a link", False),
        (IPv4Address, "10.0.0.256", False),
        (SecretStr, "anything", True),
        (Json[int], "1", True),
    ],
)
def test_formats(type_: Any, text: str, is_taken: bool) -> None:
    assert takes(type_, text) is is_taken


@given(st.sampled_from(TYPES), st.text(max_size=30) | st.datetimes().map(str) | st.dates().map(str))
def test_the_schema_refuses_nothing_that_the_model_takes(type_: Any, text: str) -> None:
    try:
        TypeAdapter(type_).validate_json(TypeAdapter(str).dump_json(text))
    except (ValidationError, ValueError):
        return
    assert takes(type_, text)


def test_the_model_alone_judges_other_formats() -> None:
    class Mail(BaseModel):
        to: str

    schema = Mail.model_json_schema()
    schema["properties"]["to"]["format"] = "email"
    validator = validator_of(schema, "test")
    assert validator is not None
    assert validator.is_valid({"to": "Ann <ann@例子.中国>"})


@pytest.mark.parametrize("is_nullable", [False, True])
def test_what_was_expected_of_a_format_is_an_example(is_nullable: bool) -> None:
    at: dict[str, Any] = {"type": "string", "format": "time"}
    schema = {"type": "object", "properties": {"at": {"anyOf": [at, {"type": "null"}]} if is_nullable else at}}
    validator = validator_of(schema, "x")
    assert validator is not None
    assert [str(expected_by(one)) for one in validator.iter_errors({"at": "noon"})] == ["a time such as 09:30"]
    [other] = validator.iter_errors({"at": 1})
    assert str(expected_by(other)).startswith("what its JSON Schema says: ")
