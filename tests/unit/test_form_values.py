"""Forms of input models: every shipped type's, and any value in and out of them."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any, Literal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, JsonValue, RootModel

from taskyard.core.errors import SubmissionError
from taskyard.core.payload.encode import decode_input, encode_input, input_problems
from taskyard.core.submission.form_values import EXTRA, collect, fill, number_text, parse_number, presence
from taskyard.core.submission.input_schema import UNSET, FieldKind, FormField, form_fields, label_of
from taskyard.core.task_types.registry import TaskType
from tests.shipped import SHIPPED_TYPES

every_type = pytest.mark.parametrize("known", SHIPPED_TYPES, ids=lambda known: known.name)
LIMIT_BYTES = 1 << 20


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Inner(BaseModel):
    depth: float = Field(0.5, gt=0, lt=1)
    name: str


class Wide(BaseModel):
    """Something of every kind."""

    model_config = ConfigDict(extra="allow")
    path: str = Field(min_length=1, max_length=4096, title="Where")
    script: str = "a\nb"
    note: str | None = None
    count: int = Field(3, gt=0, le=10)
    huge: int = 0
    ratio: float | None = Field(0.25, ge=0, le=1)
    is_on: bool = True
    maybe: bool | None = None
    color: Color = Color.RED
    level: Literal[1, 2, "three"] = 1
    colors: list[Color] = Field(default_factory=list)
    args: list[Annotated[str, Field(max_length=10)]] = Field(default_factory=lambda: ["-v"])
    numbers: list[int] | None = None
    inner: Inner = Field(default_factory=lambda: Inner(name="x"))
    other: Inner | None = None
    given: Inner | None = Field(default_factory=lambda: Inner(name="y"))
    table: dict[str, int] = Field(default_factory=dict)
    cell: int | str | None = None
    anything: JsonValue = None


class Node(BaseModel):
    """A model that holds itself."""

    child: Node | None = None


class Odd(BaseModel):
    """What has no JSON schema and no JSON."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    made: object = Field(default_factory=object)
    number: complex = 1j


def by_path(model: type[BaseModel]) -> dict[str, FormField]:
    return {inner.path: inner for field in form_fields(model) or () for inner in field.each()}


def through(model: type[BaseModel], value: dict[str, Any]) -> dict[str, Any]:
    """What the form of a model makes of a value."""
    fields = form_fields(model) or ()
    made, problems = collect(fields, fill(fields, value))
    assert problems == []
    return made


def test_there_are_types_to_look_at() -> None:
    assert {"code.run", "diagnostic.sleep", "testing.pytest"} <= {known.name for known in SHIPPED_TYPES}


@every_type
def test_every_shipped_type_has_a_form_in_the_models_order(known: TaskType) -> None:
    fields = form_fields(known.input_model)
    assert fields is not None
    assert [field.name for field in fields] == list(known.input_model.model_fields)
    for field in fields:
        assert field.label
        assert field.description
        assert field.kind is not FieldKind.JSON or field.name in ("value", "rows", "files", "sources")


@every_type
def test_the_defaults_of_every_shipped_type_validate(known: TaskType) -> None:
    """An untouched form means what an empty input means."""
    empty, untouched = (
        {str(problem) for problem in input_problems(known.input_model, value)}
        for value in ({}, through(known.input_model, {}))
    )
    required = {name for name, info in known.input_model.model_fields.items() if info.is_required()}
    assert {problem.split(":")[0] for problem in untouched} == {problem.split(":")[0] for problem in empty}
    if not required and not empty:
        assert meant(known.input_model, through(known.input_model, {})) == meant(known.input_model, {})


def test_each_kind_of_field_is_told_apart() -> None:
    fields = by_path(Wide)
    kinds = {path: field.kind for path, field in fields.items()}
    assert kinds == {
        "path": FieldKind.TEXT,
        "script": FieldKind.LONG_TEXT,
        "note": FieldKind.TEXT,
        "count": FieldKind.INTEGER,
        "huge": FieldKind.INTEGER,
        "ratio": FieldKind.NUMBER,
        "is_on": FieldKind.BOOLEAN,
        "maybe": FieldKind.BOOLEAN,
        "color": FieldKind.CHOICE,
        "level": FieldKind.CHOICE,
        "colors": FieldKind.CHOICES,
        "args": FieldKind.LINES,
        "numbers": FieldKind.LINES,
        "inner": FieldKind.GROUP,
        "inner.depth": FieldKind.NUMBER,
        "inner.name": FieldKind.TEXT,
        "other": FieldKind.GROUP,
        "other.depth": FieldKind.NUMBER,
        "other.name": FieldKind.TEXT,
        "given": FieldKind.GROUP,
        "given.depth": FieldKind.NUMBER,
        "given.name": FieldKind.TEXT,
        "table": FieldKind.JSON,
        "cell": FieldKind.JSON,
        "anything": FieldKind.JSON,
    }
    assert [path for path, field in fields.items() if field.is_required] == [
        "path",
        "inner.name",
        "other.name",
        "given.name",
    ]
    assert fields["path"].label == "Where"
    assert fields["numbers"].item is FieldKind.INTEGER
    assert fields["level"].choices == (1, 2, "three")
    assert fields["color"].default == "red"
    assert fields["args"].default == ["-v"]
    assert fields["path"].default is UNSET


def test_limits_are_those_that_the_model_checks() -> None:
    fields = by_path(Wide)
    assert (fields["count"].minimum, fields["count"].maximum) == (1, 10)
    assert (fields["ratio"].minimum, fields["ratio"].maximum, fields["ratio"].is_minimum_open) == (0, 1, False)
    depth = fields["inner.depth"]
    assert (depth.minimum, depth.is_minimum_open, depth.maximum, depth.is_maximum_open) == (0, True, 1, True)
    assert (fields["path"].least_length, fields["path"].most_length) == (1, 4096)


def test_a_model_that_holds_itself_ends_in_json() -> None:
    assert by_path(Node)["child"].kind is FieldKind.JSON
    assert through(Node, {"child": {"child": None}}) == {"child": {"child": None}}


def test_what_no_form_can_show_is_json() -> None:
    assert {path: field.kind for path, field in by_path(Odd).items()} == {
        "made": FieldKind.JSON,
        "number": FieldKind.TEXT,
    }
    assert form_fields(RootModel[list[int]]) is None


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("script", "Script"),
        ("timeout_seconds", "Timeout (seconds)"),
        ("max_rows", "Max rows"),
        ("seconds", "Seconds"),
        ("cpu_seconds", "CPU (seconds)"),
        ("memory_limit_mebibytes", "Memory limit (mebibytes)"),
    ],
)
def test_labels(name: str, label: str) -> None:
    assert label_of(name) == label


TEXTS = st.text(max_size=20) | st.sampled_from(["", " ", "a\nb", "a\r\nb", "\n", "-v"])
INNER = st.fixed_dictionaries({"name": TEXTS}, optional={"depth": st.floats(0.01, 0.99)})
VALUES = st.fixed_dictionaries(
    {"path": TEXTS.filter(bool)},
    optional={
        "script": TEXTS,
        "note": st.none() | TEXTS,
        "count": st.integers(1, 10),
        "huge": st.integers(-(1 << 63), (1 << 63) - 1),
        "ratio": st.none() | st.floats(0, 1),
        "is_on": st.booleans(),
        "maybe": st.none() | st.booleans(),
        "color": st.sampled_from(["red", "blue"]),
        "level": st.sampled_from([1, 2, "three"]),
        "colors": st.lists(st.sampled_from(["red", "blue"]), max_size=3),
        "args": st.lists(TEXTS.filter(lambda text: len(text) <= 10), max_size=3),
        "numbers": st.none() | st.lists(st.integers(-(1 << 62), 1 << 62), max_size=3),
        "inner": INNER,
        "other": st.none() | INNER,
        "given": st.none() | INNER,
        "table": st.dictionaries(TEXTS, st.integers(-5, 5), max_size=2),
        "cell": st.none() | st.integers(-5, 5) | TEXTS,
        "anything": st.recursive(st.none() | st.booleans() | TEXTS, lambda x: st.lists(x, max_size=2), max_leaves=4),
        "unknown_to_the_model": st.integers(-5, 5),
    },
)


def meant(model: type[BaseModel], given: Any) -> BaseModel:
    """What a handler reads of what is stored of an input."""
    return decode_input(model, encode_input(model, given, LIMIT_BYTES))


def storable(value: Any) -> bool:
    return "\\u0000" not in orjson.dumps(value).decode()


@given(VALUES.filter(storable))
def test_a_form_means_the_value_that_was_put_into_it(value: dict[str, Any]) -> None:
    assert meant(Wide, through(Wide, value)) == meant(Wide, value)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
).filter(storable)


@given(st.dictionaries(st.sampled_from([*Wide.model_fields, "more"]), JSON, max_size=6))
def test_what_does_not_fit_the_model_is_not_lost(value: dict[str, Any]) -> None:
    value = {name: inner for name, inner in value.items() if inner is not None}
    made = through(Wide, value)
    for name, inner in value.items():
        kept = made.get(name)
        if isinstance(inner, dict) and isinstance(kept, dict):
            assert inner.items() <= kept.items()  # a nested model's defaults are filled in
        else:
            assert kept == inner
            assert isinstance(kept, bool) == isinstance(inner, bool)


def test_an_empty_field_is_left_out_or_null_or_empty_as_the_model_has_it() -> None:
    fields = form_fields(Wide) or ()
    form = fill(fields, {})
    for path in ("path", "script", "note", "args", "numbers", "cell", "table"):
        form.states[path] = ""
    form.states |= {"ratio": None, "count": None, "color": None, presence("given"): False}
    value, problems = collect(fields, form)
    assert problems == []
    assert not {"path", "note", "count", "color", "numbers", "cell", "other", "table"} & set(value)
    assert (value["script"], value["args"], value["ratio"], value["given"]) == ("", [], None, None)


def test_bad_json_is_told_with_its_field() -> None:
    fields = form_fields(Wide) or ()
    form = fill(fields, {"path": "x", "more": 1})
    form.states["cell"] = "{'a': 1}"
    form.states[EXTRA] = "[1]"
    value, problems = collect(fields, form)
    assert [problem.field for problem in problems] == ["input.cell", "input"]
    assert all(isinstance(problem, SubmissionError) for problem in problems)
    assert "JSON" in str(problems[0])
    assert "cell" not in value


@pytest.mark.parametrize("text", ["-", "1e", "1,5", "1.5", "0x10", "1_000", "nan", "١", "9" * 500])
def test_what_is_no_whole_number_is_refused_as_it_was_typed(text: str) -> None:
    fields = form_fields(Wide) or ()
    form = fill(fields, {"path": "x"})
    form.states["count"] = text
    value, [problem] = collect(fields, form)
    assert (problem.field, problem.value) == ("input.count", text)
    assert "count" not in value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_read_as_the_text_that_shows_it(number: float) -> None:
    assert parse_number("x", number_text(number)) == number


@pytest.mark.parametrize("text", ["1e", "1e500", "inf", "1,5", ".", "--5", "1 000"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(SubmissionError, match="a number, with a point"):
        parse_number("x", text)


def test_a_number_outside_its_limits_is_the_models_to_refuse() -> None:
    fields = form_fields(Wide) or ()
    form = fill(fields, {"path": "x"})
    form.states |= {"count": " -5 ", "huge": str(1 << 62)}
    value, problems = collect(fields, form)
    assert problems == []
    assert (value["count"], value["huge"]) == (-5, 1 << 62)
    assert [problem.field for problem in input_problems(Wide, value)] == ["input.count"]


def test_lines_are_items_and_what_is_no_number_is_refused_with_its_place() -> None:
    fields = form_fields(Wide) or ()
    form = fill(fields, {"path": "x"})
    form.states["numbers"] = "1\n\n 2 \nthree\n"
    form.states["args"] = "-k\n a b \n"
    value, _problems = collect(fields, form)
    assert value["numbers"] == [1, 2, "three"]
    assert value["args"] == ["-k", " a b "]
    assert [problem.field for problem in input_problems(Wide, value)] == ["input.numbers.2"]


def test_every_problem_of_an_input_is_told() -> None:
    problems = input_problems(Wide, {"count": 11, "ratio": "x"})
    assert [problem.field for problem in problems] == ["input.path", "input.count", "input.ratio"]
