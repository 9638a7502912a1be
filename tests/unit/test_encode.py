"""Inputs against their models, and the part that an error names."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import uuid
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, SecretStr

from taskyard.core.errors import SubmissionError
from taskyard.core.payload.encode import decode_input, encode_input, encode_json
from taskyard.core.payload.exact_json import plain_json
from tests.unit import sets
from tests.unit.validation_support import MODELS, Anything, Numbers, Row, Rows, Small, Strict, submit

LIMIT = 4096
cyclic: list[Any] = []
cyclic.append(cyclic)


@dataclass
class Point:
    x: float


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def refusal_of(type_name: str, given: Any) -> SubmissionError:
    with pytest.raises(SubmissionError) as caught:
        submit(type_name, given)
    text = str(caught.value)
    assert text.isprintable()
    assert len(text) < 900
    return caught.value


@pytest.mark.parametrize(
    ("type_name", "given", "field", "expected"),
    [
        ("demo.rows", {"rows": [{"name": "a"}] * 3 + [{"name": 5}]}, "input.rows.3.name", "text"),
        ("demo.rows", {}, "input.rows", ""),
        ("demo.rows", {"rows": [{}, {}]}, "input.rows.0.name", "a value (and 1 more problem)"),
        ("demo.rows", [], "input", "an object"),
        ("demo.small", Row(name="x"), "input", "an object"),
        ("demo.small", {"text": "x" * 101}, "input.text", "at most 100 characters"),
        ("demo.small", {"text": "\ud800"}, "input.text", "surrogate"),
        ("demo.small", {"text": "a\x00b"}, "input.text", "without NUL"),
        ("demo.small", {"text": "x", "limit": math.nan}, "input.limit", "a finite number"),
        ("demo.small", {"text": "x", "limit": "-inf"}, "input.limit", "a finite number"),
        ("demo.small", {"text": "x", "count": 2**64}, "input.count", "64 bits"),
        ("demo.small", {"text": "x", "count": -(10**5000)}, "input.count", "64 bits"),
        ("demo.strict", {"other": 1}, "input.other", "no field of this name"),
        ("demo.strict", {"a\nb": 1}, "input.'a\\nb'", "no field of this name"),
        ("demo.numbers", [1.0, math.inf], "input.1", "a finite number"),
        ("demo.raising", {"value": 0}, "input", "ZeroDivisionError"),
        ("demo.any", {"value": math.nan}, "input.value", "a finite number"),
        ("demo.any", {"value": {"a": [1, {"b": -math.inf}]}}, "input.value.a.1.b", "a finite number"),
        ("demo.any", {"value": {"a": None, "b": Point(math.nan)}}, "input.value.b.x", "a finite number"),
        ("demo.any", {"value": (1, {"k\x00": 1})}, "input.value.1", "a key that is text without NUL"),
        ("demo.any", {"value": ["ok", "\udfff"]}, "input.value.1", "surrogate"),
        ("demo.any", {"value": b"a\x00"}, "input.value", "without NUL"),
        ("demo.any", {"value": b"\xff"}, "input.value", "a JSON value"),
        ("demo.any", {"value": [2**64]}, "input.value.0", "64 bits"),
        ("demo.any", {"value": [-(2**63) - 1]}, "input.value.0", "64 bits"),
        ("demo.any", {"value": nested(64)}, "input.value" + ".0" * 63, "64 levels"),
        ("demo.any", {"value": nested(100_000)}, "input.value" + ".0" * 63, "64 levels"),
        ("demo.any", {"value": cyclic}, "input.value" + ".0" * 63, "64 levels"),
        ("demo.any", {"value": object()}, "input.value", "a JSON value"),
        ("demo.any", {"value": "x" * 5000}, "input", "5012 bytes of JSON, more than the limit of 4096"),
        ("demo.any", {"value": "ä" * 2100}, "input", "4212 bytes of JSON, more than the limit of 4096"),
    ],
)
def test_error_names_the_part(type_name: str, given: Any, field: str, expected: str) -> None:
    error = refusal_of(type_name, given)
    assert error.field == field
    assert expected in error.expected
    assert str(error).startswith((f"{field}: ", f"{field} is required"))


def test_error_shows_the_value_shortened() -> None:
    assert "'xxxxx" in str(refusal_of("demo.small", {"text": "x" * 101}))
    assert refusal_of("demo.small", {"text": "x", "count": "y"}).value == "y"


@pytest.mark.parametrize("depth", [1, 63])
def test_nesting_up_to_the_limit(depth: int) -> None:
    assert json.loads(submit("demo.any", {"value": nested(depth)}).input_json) == {"value": nested(depth)}


def test_none_is_an_empty_dict() -> None:
    assert submit("demo.any", None).input_json == "{}"
    assert submit("demo.any", {}).input_json == "{}"


@pytest.mark.parametrize("given", [{"the-number": 5}, {"number": 5}, Strict(**{"the-number": 5})])
def test_aliases_and_computed_fields_read_back(given: Any) -> None:
    text = encode_input(Strict, given, LIMIT)
    assert text in ('{"number":5}', '{"the-number":5}')
    assert decode_input(Strict, text).number == 5  # type: ignore[attr-defined]


def test_an_instance_is_accepted() -> None:
    assert submit("demo.rows", Rows(rows=[Row(name="ä")])).input_json == '{"rows":[{"name":"ä"}]}'
    assert submit("demo.numbers", Numbers([1.5])).input_json == "[1.5]"


def test_an_instance_that_was_changed_is_checked_again() -> None:
    changed = Small(text="x")
    changed.count = "many"  # type: ignore[assignment]
    assert refusal_of("demo.small", changed).field == "input.count"
    assert (
        refusal_of("demo.rows", Rows.model_construct(rows=[Row.model_construct(name=7)])).field == "input.rows.0.name"
    )


def test_encode_json_names_the_part() -> None:
    assert encode_json("body", {"a": [1, None, "ä"]}, LIMIT) == '{"a":[1,null,"ä"]}'.encode()
    for value, field in [
        ({"a": math.nan}, "body.a"),
        ([object()], "body.0"),
        ({"a": {1: 2}}, "body.a"),
        (2**70, "body"),
    ]:
        with pytest.raises(SubmissionError) as caught:
            encode_json("body", value, LIMIT)
        assert caught.value.field == field
    with pytest.raises(SubmissionError, match=r"body: .* more than the limit of 3"):
        encode_json("body", "abcd", 3)


@given(st.sampled_from(sorted(MODELS)), st.data())
def test_stored_or_refused_but_nothing_else(type_name: str, data: st.DataObject) -> None:
    leaf = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary(max_size=5)
    keys = st.sampled_from(["value", "text", "rows", "name", "count", "limit", "the-number"]) | st.text(st.characters())
    value = data.draw(
        st.recursive(leaf, lambda inner: st.lists(inner) | st.dictionaries(keys, inner) | st.tuples(inner, inner))
    )
    try:
        text = submit(type_name, value).input_json
    except SubmissionError:
        return
    again = decode_input(MODELS[type_name], text)
    if type(value) is dict and plain_json(value) is not None:
        assert text == orjson.dumps(value).decode()
        assert repr(again) == repr(
            MODELS[type_name].model_validate_json(orjson.dumps(value), by_alias=True, by_name=True)
        )
    assert "\\u0000" not in text.replace("\\\\", "")


class Factory(BaseModel):
    made: str = Field(default_factory=lambda: uuid.uuid4().hex)
    rows: list[int] = Field(default_factory=list)
    count: int = 3


class Holder(BaseModel):
    one: Factory
    secret: SecretStr | None = None
    aside: str = Field("", exclude=True)


def test_defaults_are_left_to_where_it_runs() -> None:
    assert encode_input(Small, {"text": "x"}, LIMIT) == '{"text":"x"}'
    assert encode_input(Small, Small(text="x"), LIMIT) == '{"text":"x"}'
    assert encode_input(Small, {"text": "x", "count": 3}, LIMIT) == '{"text":"x","count":3}'
    assert encode_input(Small, Small(text="x", count=3), LIMIT) == '{"text":"x","count":3}'
    assert encode_input(Rows, {"rows": [Row(name="a")]}, LIMIT) == '{"rows":[{"name":"a"}]}'


def test_what_was_made_for_an_instance_is_its_own() -> None:
    made = Factory()
    assert encode_input(Factory, made, LIMIT) == f'{{"made":"{made.made}"}}'
    assert encode_input(Factory, {}, LIMIT) == "{}"
    inner = Factory(rows=[])
    assert encode_input(Holder, Holder(one=inner), LIMIT) == f'{{"one":{{"made":"{inner.made}","rows":[]}}}}'


def test_sets_are_written_in_one_order_by_every_process() -> None:
    program = (
        "from tests.unit.sets import Sets, given; from taskyard.core.payload.encode import encode_input; "
        "print(encode_input(Sets, given(), 10_000))"
    )
    texts = set()
    for seed in "123":
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=environment)
        texts.add(done.stdout)
    (text,) = texts
    assert decode_input(sets.Sets, text) == sets.given()
    assert json.loads(text)["tags"] == sorted(sets.given().tags)
    assert json.loads(text)["order"] == ["z", "a", "m"]


def test_what_a_model_keeps_back_is_not_stored() -> None:
    assert encode_input(Holder, {"one": {"made": "x"}, "aside": "me"}, LIMIT) == '{"one":{"made":"x"}}'
    with pytest.raises(SubmissionError, match=r"input\.secret: .* expected a value that JSON preserves") as caught:
        encode_input(Holder, {"one": {}, "secret": "hunter2"}, LIMIT)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [1e16, 1e20, 1e22, 1.5e300, 5e-324, -0.0, 0.0, 1.0, 2**63, 2**64 - 1, -(2**63), 0.1, 1e-7],
)
def test_a_number_keeps_its_shape(value: float) -> None:
    text = encode_input(Anything, {"value": [value]}, LIMIT)
    (again,) = decode_input(Anything, text).value  # type: ignore[attr-defined]
    assert (repr(again), type(again)) == (repr(value), type(value))


def test_keys_keep_their_order_and_their_names() -> None:
    value = {"zz": 1, "a": {"": 2, " ": 3, "\t": 4}, "é": 5, "e": 6, "\u2028": 7, "b": []}
    text = encode_input(Anything, {"value": value}, LIMIT)
    again = decode_input(Anything, text).value  # type: ignore[attr-defined]
    assert list(again.items()) == list(value.items())
    assert list(again["a"]) == ["", " ", "\t"]


@pytest.mark.parametrize(
    ("value", "field", "back"),
    [
        ({1, 2}, "input.value", "list"),
        ({"a": [datetime(2026, 1, 1)]}, "input.value.a.0", "2026-01-01"),
        ({1: "a"}, "input.value", "'1'"),
        (Decimal("1.10"), "input.value", "1.10"),
    ],
)
def test_what_would_come_back_as_something_else_is_refused(value: Any, field: str, back: str) -> None:
    error = refusal_of("demo.any", {"value": value})
    assert error.field == field
    assert "a value that JSON preserves" in error.expected


def test_a_value_and_its_null_are_told_apart() -> None:
    assert encode_input(Anything, {"value": "null"}, LIMIT) == '{"value":"null"}'
    assert encode_input(Anything, {"value": [None]}, LIMIT) == '{"value":[null]}'
