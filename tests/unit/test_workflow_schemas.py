"""Outputs and inputs are compared by their schemas, and only what can never fit is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, RootModel, TypeAdapter, ValidationError
from pydantic import create_model as made

from taskyard.core.task_types.schemas import input_schema, output_schema
from taskyard.core.workflows.schemas import Absent, Place, may_fit, part_of, types_of, whole


class Row(BaseModel):
    number: int
    text: str | None = None


class Rows(BaseModel):
    rows: list[Row]
    first: Row | None = None
    pair: tuple[int, str] = (1, "")
    by_name: dict[str, Row] = {}
    anything: Any = None
    more: dict[str, Any] = {}


class Tree(BaseModel):
    name: str
    parts: list[Tree] = []


@pytest.mark.parametrize(
    ("pointer", "types"),
    [
        ((), ["object"]),
        (("rows",), ["array"]),
        (("rows", "7"), ["object"]),
        (("rows", "7", "number"), ["integer"]),
        (("rows", "7", "text"), ["string", "null"]),
        (("first", "number"), ["integer"]),
        (("pair", "1"), ["string"]),
        (("by_name", "x", "text"), ["string", "null"]),
    ],
)
def test_a_part_has_the_types_of_its_schema(pointer: tuple[str, ...], types: list[str]) -> None:
    found = part_of(whole(output_schema(Rows)), pointer)
    assert not isinstance(found, Absent)
    assert types_of(found) == types


@pytest.mark.parametrize("pointer", [("anything", "x", "0"), ("more", "x", "0")])
def test_nothing_is_known_inside_of_anything(pointer: tuple[str, ...]) -> None:
    found = part_of(whole(output_schema(Rows)), pointer)
    assert found == [] or [one.schema for one in found] == [True]


@pytest.mark.parametrize(
    ("pointer", "token", "names"),
    [
        (("rwos",), "rwos", tuple(Rows.model_fields)),
        (("rows", "7", "nmber"), "nmber", ("number", "text")),
        (("rows", "first"), "first", ()),
        (("pair", "2"), "2", ()),
        (("rows", "0", "number", "x"), "x", ()),
    ],
)
def test_a_part_that_there_is_not_is_named(pointer: tuple[str, ...], token: str, names: tuple[str, ...]) -> None:
    assert part_of(whole(output_schema(Rows)), pointer) == Absent(token, names)


def test_schemas_that_contain_themselves_are_read() -> None:
    tree = whole(output_schema(Tree))
    found = part_of(tree, ("parts", "0", "parts", "1", "name"))
    assert not isinstance(found, Absent)
    assert types_of(found) == ["string"]
    assert may_fit(tree, whole(input_schema(Tree)))


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    number: int


class Renamed(BaseModel):
    number: int = Field(alias="NUMBER")


@pytest.mark.parametrize(
    ("gives", "takes", "fits"),
    [
        (Row, Row, True),
        (Rows, Row, False),
        (Row, Closed, True),
        (Rows, Closed, False),
        (Row, RootModel[dict[str, Any]], True),
        (Row, RootModel[list[int]], False),
        (RootModel[list[Row]], RootModel[list[int]], True),  # the list may be empty
        (RootModel[str], RootModel[int], True),  # "12" is read as 12
        (RootModel[int], RootModel[str], False),
        (RootModel[bool], RootModel[float], True),
        (RootModel[None], RootModel[int], False),
        (RootModel[int | None], RootModel[int], True),
    ],
    ids=repr,
)
def test_only_what_can_never_fit_is_refused(gives: type[BaseModel], takes: type[BaseModel], fits: bool) -> None:
    assert may_fit(whole(output_schema(gives)), whole(input_schema(takes))) is fits


_LEAVES = st.sampled_from([int, float, str, bool, type(None)])
_TYPES: st.SearchStrategy[Any] = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        inner.map(lambda one: list[one]),  # type: ignore[valid-type]
        inner.map(lambda one: dict[str, one]),  # type: ignore[valid-type]
        st.tuples(inner, inner).map(lambda two: two[0] | two[1] if two[0] != two[1] else two[0]),
        st.dictionaries(st.sampled_from("abc"), inner, max_size=2).map(
            lambda fields: made("Made", **{name: (one, ...) for name, one in fields.items()})
        ),
    ),
    max_leaves=4,
)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "1", "x", "true"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=500)
@given(_TYPES, _TYPES, _VALUES)
def test_what_both_accept_is_not_refused(gives: Any, takes: Any, value: Any) -> None:
    """The oracle is pydantic: a value that one type writes, and the other one reads."""
    one, other = TypeAdapter(gives), TypeAdapter(takes)
    try:
        written = one.dump_json(one.validate_python(value))
        other.validate_json(written)
    except ValidationError:
        return
    given_schema, wanted = one.json_schema(mode="serialization"), other.json_schema()
    assert may_fit(Place(given_schema, given_schema), Place(wanted, wanted))
