"""What a model expected: word by word what pydantic says, and able to be said in other languages."""

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

from taskyard.core.errors import SubmissionError
from taskyard.core.i18n import TranslatableText, msg
from taskyard.core.payload.encode import encode_input, input_problems
from taskyard.core.payload.pydantic_messages import OURS, PREFIX, TEMPLATES, model_expects, model_problems


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
    ("enum", Colour, "green"),
    ("literal_error", Literal["a", "b", "c"], "d"),
    ("model_type", Inner, 3),
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


@pytest.mark.parametrize(("kind", "type_", "value"), REFUSED, ids=lambda part: part if isinstance(part, str) else "")
def test_it_is_what_pydantic_says(kind: str, type_: Any, value: object) -> None:
    with pytest.raises(ValidationError) as raised:
        TypeAdapter(type_).validate_python(value)
    detail = next(detail for detail in raised.value.errors() if detail["type"] == kind)

    text = model_expects(detail)

    assert isinstance(text, TranslatableText)
    assert text == detail["msg"].removeprefix(PREFIX)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "a value: the field is required"),
        ({"number": 1, "other": 2}, "no field of this name"),
        ({"number": 0}, "greater than 0"),
    ],
)
def test_a_problem_of_an_input_can_be_said_in_other_languages(given: dict[str, int], expected: str) -> None:
    class Model(BaseModel, extra="forbid"):
        number: int = Field(gt=0)

    problems = input_problems(Model, given)

    assert [problem.expected for problem in problems] == [expected]
    assert isinstance(problems[0].expected, TranslatableText)


def test_several_problems_are_one_text() -> None:
    class Model(BaseModel):
        first: int
        second: int

    with pytest.raises(SubmissionError) as raised:
        encode_input(Model, {"first": "x"}, 1000)

    assert raised.value.expected == ("a valid integer, unable to parse string as an integer (and 1 more problems)")
    assert isinstance(raised.value.expected, TranslatableText)


def test_what_is_not_known_is_pydantics_text() -> None:
    class Model(BaseModel):
        data: bytes = Field(min_length=2)

    (problem,) = input_problems(Model, {"data": b"x"})

    assert problem.expected == "Data should have at least 2 bytes"
    assert not isinstance(problem.expected, TranslatableText)


def test_every_template_is_tried_here() -> None:
    of_json_only = {"date_parsing", "value_error"}
    assert {kind for kind, _type, _value in REFUSED} | OURS | of_json_only == TEMPLATES.keys()


def test_a_date_of_json_and_the_words_of_a_validator() -> None:
    class Model(BaseModel):
        day: date

        @field_validator("day")
        @classmethod
        def _never(cls, day: date) -> date:
            raise ValueError("not today")

    (problem,) = input_problems(Model, {"day": "2030-01-31"})
    assert problem.expected == "Value error, not today"
    assert isinstance(problem.expected, TranslatableText)
    with pytest.raises(ValidationError) as raised:
        TypeAdapter(date).validate_json('"x"', strict=True)
    detail = raised.value.errors()[0]
    assert model_expects(detail) == detail["msg"].removeprefix(PREFIX)


@pytest.mark.parametrize(("kind", "type_", "value"), REFUSED, ids=lambda part: part if isinstance(part, str) else "")
def test_a_whole_sentence_is_pydantics_too(kind: str, type_: Any, value: object) -> None:
    with pytest.raises(ValidationError) as raised:
        TypeAdapter(type_).validate_python(value)
    for detail in raised.value.errors():
        assert model_problems(detail) == detail["msg"]


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
