"""What a model expected: in our words, without pydantic's, and able to be said in other languages."""

from __future__ import annotations

import enum
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import (
    AnyUrl,
    AwareDatetime,
    BaseModel,
    Field,
    FutureDate,
    FutureDatetime,
    HttpUrl,
    NaiveDatetime,
    PastDate,
    PastDatetime,
    TypeAdapter,
    ValidationError,
    field_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from taskyard.core.errors import MISSING, SubmissionError
from taskyard.core.i18n import TranslatableText, msg
from taskyard.core.payload.encode import encode_input, input_problems
from taskyard.core.payload.pydantic_messages import TEMPLATES, model_expects, model_problems


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Inner(BaseModel):
    kind: Literal["inner"] = "inner"


class Other(BaseModel):
    kind: Literal["other"] = "other"


Numbers = Annotated[list[int], Field(min_length=2, max_length=3)]
One = Annotated[list[int], Field(min_length=1, max_length=1)]
Either = Annotated[Inner | Other, Field(discriminator="kind")]
REFUSED: tuple[tuple[str, Any, Any], ...] = (
    ("none_required", None, 1),
    ("greater_than", Annotated[int, Field(gt=3)], 3),
    ("greater_than", Annotated[float, Field(gt=0)], 0),
    ("greater_than", Annotated[float, Field(gt=0.5)], 0),
    ("greater_than_equal", Annotated[float, Field(ge=1)], 0),
    ("less_than", Annotated[int, Field(lt=3)], 3),
    ("less_than_equal", Annotated[float, Field(le=86_400)], 1e9),
    ("multiple_of", Annotated[int, Field(multiple_of=5)], 3),
    ("finite_number", Annotated[float, Field(allow_inf_nan=False)], float("inf")),
    ("too_short", Numbers, [1]),
    ("too_short", One, []),
    ("too_long", Numbers, [1, 2, 3, 4]),
    ("too_long", One, [1, 2]),
    ("string_type", str, 3),
    ("string_too_short", Annotated[str, Field(min_length=1)], ""),
    ("string_too_short", Annotated[str, Field(min_length=2)], ""),
    ("string_too_long", Annotated[str, Field(max_length=1)], "ab"),
    ("string_too_long", Annotated[str, Field(max_length=2)], "abc"),
    ("string_pattern_mismatch", Annotated[str, Field(pattern="^[ab]{2}$")], "b"),
    ("bytes_type", bytes, 3),
    ("bytes_too_short", Annotated[bytes, Field(min_length=2)], b""),
    ("bytes_too_long", Annotated[bytes, Field(max_length=1)], b"ab"),
    ("enum", Colour, "green"),
    ("literal_error", Literal["a", "b", "c"], "d"),
    ("model_type", Inner, 3),
    ("model_attributes_type", Either, 3),
    ("frozen_set_type", frozenset[int], 3),
    ("dict_type", dict[str, int], 3),
    ("list_type", list[int], 3),
    ("tuple_type", tuple[int, int], 3),
    ("set_type", set[int], 3),
    ("bool_type", bool, []),
    ("bool_parsing", bool, "maybe"),
    ("int_type", int, []),
    ("int_parsing", int, "x"),
    ("int_parsing_size", int, "1" * 5000),
    ("int_from_float", int, 1.5),
    ("float_type", float, []),
    ("float_parsing", float, "x"),
    ("decimal_type", Decimal, []),
    ("decimal_parsing", Decimal, "x"),
    ("date_type", date, []),
    ("date_from_datetime_parsing", date, "x"),
    ("date_from_datetime_inexact", date, "2030-01-31T12:00:00"),
    ("date_past", PastDate, "2100-01-01"),
    ("date_future", FutureDate, "2000-01-01"),
    ("time_type", time, []),
    ("time_parsing", time, "x"),
    ("datetime_type", datetime, []),
    ("datetime_from_date_parsing", datetime, "x"),
    ("datetime_parsing", datetime, float("nan")),
    ("datetime_past", PastDatetime, "2100-01-01T00:00:00"),
    ("datetime_future", FutureDatetime, "2000-01-01T00:00:00"),
    ("timezone_naive", NaiveDatetime, "2030-01-31T12:00:00Z"),
    ("timezone_aware", AwareDatetime, "2030-01-31T12:00:00"),
    ("time_delta_type", timedelta, []),
    ("time_delta_parsing", timedelta, "x"),
    ("url_type", AnyUrl, []),
    ("url_parsing", AnyUrl, "x"),
    ("url_scheme", HttpUrl, "ftp://host"),
    ("uuid_type", UUID, []),
    ("uuid_parsing", UUID, "x"),
    ("union_tag_invalid", Either, {"kind": "third"}),
    ("union_tag_not_found", Either, {}),
)


WORDS_OF_PYDANTIC = ("Input", "Value error", "should", "valid ", "instance of", "parse", "Field required", "dictionary")


def problem_of(kind: str, type_: Any, value: object) -> ErrorDetails:
    with pytest.raises(ValidationError) as raised:
        TypeAdapter(type_).validate_python(value)
    return next(detail for detail in raised.value.errors() if detail["type"] == kind)


@pytest.mark.parametrize(("kind", "type_", "value"), REFUSED, ids=lambda part: part if isinstance(part, str) else "")
def test_it_is_in_our_words(kind: str, type_: Any, value: object) -> None:
    text = model_expects(problem_of(kind, type_, value))

    assert isinstance(text, TranslatableText)
    assert text.template in TEMPLATES[kind]
    assert not [word for word in WORDS_OF_PYDANTIC if word in text]


@pytest.mark.parametrize(
    ("kind", "type_", "value", "expected"),
    [
        ("too_short", One, [], "at least 1 item"),
        ("too_short", Numbers, [1], "at least 2 items"),
        ("literal_error", Literal["a", "b", "c"], "d", "'a', 'b' or 'c'"),
        ("literal_error", Literal["inner"], "d", "'inner'"),
        ("model_type", Inner, [1], "an object"),
        ("int_parsing", int, "x", "a whole number"),
        ("multiple_of", Annotated[int, Field(multiple_of=5)], 3, "a multiple of 5"),
    ],
)
def test_it_is_said_in_full(kind: str, type_: Any, value: object, expected: str) -> None:
    detail = problem_of(kind, type_, value)
    assert model_expects(detail) == expected
    assert model_problems(detail) == f"expected {expected}"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ""),
        ({"number": 1, "other": 2}, "no field of this name"),
        ({"number": 0}, "greater than 0"),
    ],
)
def test_a_problem_of_an_input_can_be_said_in_other_languages(given: dict[str, int], expected: str) -> None:
    class Model(BaseModel, extra="forbid"):
        number: int = Field(gt=0)

    problems = input_problems(Model, given)

    assert [problem.expected for problem in problems] == [expected]
    assert isinstance(problems[0].text, TranslatableText)


def test_a_value_that_nobody_gave_is_not_shown() -> None:
    class Model(BaseModel):
        first: int

    (problem,) = input_problems(Model, {})

    assert str(problem) == "input.first is required"
    assert problem.value is MISSING


def test_several_problems_are_one_text() -> None:
    class Model(BaseModel):
        first: int
        second: int

    with pytest.raises(SubmissionError) as raised:
        encode_input(Model, {"first": "x"}, 1000)

    assert raised.value.expected == "a whole number (and 1 more problem)"
    assert isinstance(raised.value.expected, TranslatableText)


def test_what_is_not_known_is_said_by_what_refused_it() -> None:
    class Model(BaseModel):
        text: Annotated[str, Field(strict=True)]

        @field_validator("text")
        @classmethod
        def _never(cls, text: str) -> str:
            raise PydanticCustomError("of_ours", "not today")

    (problem,) = input_problems(Model, {"text": "x"})

    assert problem.expected == "a value that passes its check: not today"


def test_every_template_is_tried_here() -> None:
    of_json_only = {"json_invalid", "date_parsing", "missing", "extra_forbidden", "string_unicode"}
    assert {kind for kind, _type, _value in REFUSED} | of_json_only == TEMPLATES.keys()


def test_a_date_of_json_and_the_words_of_a_validator() -> None:
    class Model(BaseModel):
        day: date

        @field_validator("day")
        @classmethod
        def _never(cls, day: date) -> date:
            raise ValueError("not today")

    (problem,) = input_problems(Model, {"day": "2030-01-31"})
    assert problem.expected == "a value that passes its check: not today"
    assert isinstance(problem.expected, TranslatableText)
    with pytest.raises(ValidationError) as raised:
        TypeAdapter(date).validate_json('"x"', strict=True)
    detail = raised.value.errors()[0]
    assert model_expects(detail) == "a date such as 2030-01-31"


def test_a_validator_of_ours_is_said_in_its_own_words() -> None:
    class Model(BaseModel):
        day: int

        @field_validator("day")
        @classmethod
        def _never(cls, day: int) -> int:
            raise ValueError(msg("not on day {day}", day=day))

    with pytest.raises(ValidationError) as raised:
        Model(day=3)

    text = model_problems(raised.value.errors()[0])
    assert text == "not on day 3"
    assert isinstance(text, TranslatableText)
