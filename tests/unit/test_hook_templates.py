"""Templates of hooks: placeholders become values of their own kind, and anything else stays as it is."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.errors import SubmissionError
from taskyard.core.webhooks.template import ROOTS, MissingValue, check_template, filled

KEYS = st.text("abcXYZ019_-", min_size=1, max_size=8)
NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
LEAVES = st.none() | st.booleans() | NUMBERS | st.text(max_size=20)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4))


def paths_of(value: Any, path: str) -> list[tuple[str, Any]]:
    """Every part of a value with its path."""
    found = [(path, value)]
    if isinstance(value, dict):
        for key, child in value.items():
            found += paths_of(child, f"{path}.{key}")
    if isinstance(value, list):
        for at, child in enumerate(value):
            found += paths_of(child, f"{path}.{at}")
    return found


@given(VALUES)
def test_every_part_is_found_and_keeps_its_kind(body: Any) -> None:
    for path, part in paths_of(body, "body"):
        template = check_template({"a": ["{{ " + path + " }}"], "b": "{{" + path + "}}"})
        assert orjson.dumps(filled(template, {"body": body})) == orjson.dumps({"a": [part], "b": part})


@given(VALUES)
def test_inside_a_text_a_value_is_text(body: Any) -> None:
    for path, part in paths_of(body, "body"):
        expected = part if isinstance(part, str) else orjson.dumps(part).decode()
        assert filled({"a": "<{{ " + path + " }}>"}, {"body": body}) == {"a": f"<{expected}>"}


# What PostgreSQL can hold: a template is stored.
PLAIN = VALUES.filter(lambda value: not any(text in repr(value) for text in ("{{", "\\x00")))


@given(st.dictionaries(KEYS, PLAIN, max_size=5))
def test_without_placeholders_nothing_changes(template: dict[str, Any]) -> None:
    assert filled(check_template(template), {"body": {}}) == template


@given(VALUES, VALUES)
def test_what_was_sent_is_no_template(body: Any, default: Any) -> None:
    """Braces in what a sender sends are text like any other."""
    sent = {"x": "{{ headers.secret }}", "y": body}
    values = {"body": sent, "headers": {"secret": "s"}}
    assert filled({"a": "{{ body.x }}", "b": "-{{ body.x }}"}, values) == {"a": sent["x"], "b": f"-{sent['x']}"}


@given(LEAVES)
def test_a_default_counts_only_where_nothing_is(default: Any) -> None:
    text = orjson.dumps(default).decode()
    if "}}" in text:
        return
    template = check_template({"a": "{{ body.none | default(" + text + ") }}", "b": "{{ body.null | default(1) }}"})
    assert filled(template, {"body": {"null": None}}) == {"a": default, "b": None}


@given(st.text(max_size=40))
def test_any_text_is_accepted_or_refused_by_its_place(text: str) -> None:
    template = {"a": {"b": [text]}}
    places = []
    try:
        check_template(template)
        filled(template, {root: {} for root in ROOTS})
    except SubmissionError as error:
        places.append(error.field == "template.a.b.0")
    except MissingValue as error:
        places.append(error.path in text)
    assert all(places)


def test_keys_of_any_characters_are_quoted() -> None:
    values = {"body": {"a.b c": {"ü": 1}}}
    assert filled(check_template({"x": '{{ body."a.b c"."ü" }}'}), values) == {"x": 1}


@pytest.mark.parametrize(
    "path", ["body.9", "body.-1", "body.x", "body.0.x", "body.00000000001x", "headers.none", "id.x"]
)
def test_what_is_not_there_is_named(path: str) -> None:
    with pytest.raises(MissingValue) as caught:
        filled({"a": "{{ " + path + " }}"}, {"body": [1], "headers": {}, "id": "x", "event": ""})
    assert caught.value.path == path


@pytest.mark.parametrize(
    "template",
    [
        None,
        [],
        "{{ body }}",
        {1: 2},
        {"a": float},
        {"a": "{{ x }}"},
        {"a": "{{ body | upper }}"},
        {"a": "{{}}"},
        {"a": "\x00"},
        {"\x00": 1},
        {"a": ["\ud800"]},
        {"\ud800": 1},
        {"a": 1 << 70},
        {"a": float("nan")},
    ],
)  # fmt: skip
def test_what_is_no_template(template: Any) -> None:
    with pytest.raises(SubmissionError):
        check_template(template)


def test_a_template_is_limited() -> None:
    deep: dict[str, Any] = {}
    for _ in range(30):
        deep = {"a": deep}
    with pytest.raises(SubmissionError, match="nesting"):
        check_template(deep)
    with pytest.raises(SubmissionError, match="bytes"):
        check_template({"a": "x" * 70_000})
    with pytest.raises(SubmissionError, match="placeholders"):
        check_template({"a": "{{ body }}" * 201})
