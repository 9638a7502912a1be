"""Converts between a JSON value and the state of a form's widgets (pure).

`fill` never loses anything: a value that a widget can't show exactly is put into the form as JSON, and `collect`
restores the same value from it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from taskyard.core.errors import SubmissionError
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.payload.json_literals import read_json
from taskyard.core.submission.input_schema import UNSET, FieldKind, FormField

EXTRA = "*"  # the path of values that the model has no field for
MAX_DIGITS = 400  # of a number; no float has more before its point
LIMIT_BYTES = 64 << 20  # the largest that any installation accepts: its own limit is checked at the end
LEFT_OUT: Final = UNSET
_WHOLE = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


@dataclass(slots=True)
class FormState:
    """A form's state: the widget's value by path, and the paths that are given as JSON text instead."""

    states: dict[str, Any] = field(default_factory=dict)
    raw: set[str] = field(default_factory=set)


class _Unfit(Exception):
    """Raised if a widget can't show a value."""


def fill(fields: Sequence[FormField], value: Mapping[str, Any]) -> FormState:
    """Returns a form that holds `value`, with the model's defaults for what is missing."""
    form = FormState()
    for one in fields:
        _fill(one, value.get(one.name, LEFT_OUT), form)
    extra = {key: kept for key, kept in value.items() if key not in {one.name for one in fields}}
    if extra:
        form.states[EXTRA] = written(extra)
        form.raw.add(EXTRA)
    return form


def collect(fields: Sequence[FormField], form: FormState) -> tuple[dict[str, Any], list[SubmissionError]]:
    """Returns the form's value, and problems of JSON texts and numbers in it; fields with problems are left out."""
    problems: list[SubmissionError] = []
    value: dict[str, Any] = {}
    for one in fields:
        found = _collect(one, form, problems)
        if found is not LEFT_OUT:
            value[one.name] = found
    if EXTRA in form.raw:
        extra = _parsed_or_noted("", str(form.states.get(EXTRA, "")), problems)
        if isinstance(extra, dict):
            value = {**extra, **value}
        elif extra is not LEFT_OUT:
            problems.append(refused("input", extra, msg("an object of further fields")))
    return value, problems


def is_optional_group(one: FormField) -> bool:
    """Returns True if a nested model may be left out, so that the form asks for its presence."""
    return one.kind is FieldKind.GROUP and (one.is_nullable or (not one.is_required and one.default is UNSET))


def is_toggle(one: FormField) -> bool:
    """Returns True if a boolean has no third, unset state."""
    return one.kind is FieldKind.BOOLEAN and not one.is_nullable and isinstance(one.default, bool)


def presence(path: str) -> str:
    """Returns the path under which a form stores whether a nested model is given."""
    return f"{path}?"


def parse_json(name: str, text: str) -> Any:
    """Returns the value of a JSON text that can be stored; raises SubmissionError."""
    return read_json(name, text, LIMIT_BYTES)


def parse_number(name: str, text: str, *, is_whole: bool = False) -> float:
    """Returns the number of a text that a viewer typed, an `int` if `is_whole`; raises SubmissionError.

    Fields for numbers are texts, because a browser's own send nothing for what they show but do not take: -5 below
    a minimum, 1e, or more digits than they can hold.
    """
    typed = text.strip()
    if is_whole:
        if len(typed) <= MAX_DIGITS and _WHOLE.fullmatch(typed):
            return int(typed)
        raise refused(name, text, msg("a whole number"))
    number = float(typed) if len(typed) <= MAX_DIGITS and _NUMBER.fullmatch(typed) else math.nan
    if not math.isfinite(number):
        raise refused(name, text, msg("a number, with a point before decimals"))
    return number


def number_text(number: float) -> str:
    """Returns a number as `parse_number` reads it, without digits that say nothing."""
    short = f"{number:g}"
    return short if float(short) == number and len(short) <= len(str(number)) else str(number)


def written(value: Any) -> str:
    """Returns a JSON value as text for users to read and edit."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def _fill(one: FormField, value: Any, form: FormState) -> None:
    if one.kind is FieldKind.GROUP:
        _fill_group(one, value, form)
        return
    given = one.default if value is LEFT_OUT else value
    try:
        form.states[one.path] = _state(one, given)
    except (_Unfit, OverflowError):
        form.raw.add(one.path)
        form.states[one.path] = written(given)


def _fill_group(one: FormField, value: Any, form: FormState) -> None:
    given = one.default if value is LEFT_OUT else value
    is_absent = given is LEFT_OUT or (given is None and one.is_nullable)
    names = {inner.name for inner in one.fields}
    if not is_absent and (not isinstance(given, Mapping) or not names.issuperset(given)):
        form.raw.add(one.path)
        form.states[one.path] = written(given)
        return
    if is_optional_group(one):
        form.states[presence(one.path)] = not is_absent
    for inner in one.fields:
        _fill(inner, LEFT_OUT if is_absent else given.get(inner.name, LEFT_OUT), form)


def _state(one: FormField, value: Any) -> Any:
    """Returns the widget state that stands for `value`; raises _Unfit."""
    if value is LEFT_OUT or (
        value is None and (one.is_nullable or (one.kind is FieldKind.JSON and one.default is None))
    ):
        if value is None and _blank(one) is LEFT_OUT and one.default is not None:
            raise _Unfit
        return _blank_state(one)
    state = _shown(one, value)
    if not _is_same(one, _value(one, state), value):
        raise _Unfit
    return state


def _blank_state(one: FormField) -> Any:
    if one.kind is FieldKind.CHOICES:
        return []
    return None if one.kind in (FieldKind.CHOICE, FieldKind.BOOLEAN) else ""


def _shown(one: FormField, value: Any) -> Any:
    if one.kind is FieldKind.JSON:
        return written(value)
    if one.kind in (FieldKind.TEXT, FieldKind.LONG_TEXT):
        return _text(one, value)
    if one.kind in (FieldKind.INTEGER, FieldKind.NUMBER):
        return _number(one, value)
    if one.kind is FieldKind.LINES:
        if not isinstance(value, list):
            raise _Unfit
        texts = [item if isinstance(item, str) else written(item) for item in value]
        if any("\r" in text for text in texts):
            raise _Unfit
        return "\n".join(texts)
    if one.kind is FieldKind.CHOICE and value not in one.choices:
        raise _Unfit
    if one.kind is FieldKind.CHOICES and not _is_selection(value, one.choices):
        raise _Unfit
    if one.kind is FieldKind.BOOLEAN and not isinstance(value, bool):
        raise _Unfit
    return value


def _text(one: FormField, value: Any) -> str:
    if not isinstance(value, str) or (one.most_length is not None and len(value) > one.most_length):
        raise _Unfit
    # A browser uses one kind of line end for all, and none in a one-line text.
    if "\r" in value or (one.kind is FieldKind.TEXT and "\n" in value):
        raise _Unfit
    return value


def _number(one: FormField, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Unfit
    if one.kind is FieldKind.INTEGER and isinstance(value, float):
        raise _Unfit
    return str(value) if isinstance(value, int) else number_text(value)


def _is_selection(value: Any, choices: Sequence[Any]) -> bool:
    return (
        isinstance(value, list)
        and all(item in choices for item in value)
        and len(value) == len({str(item) for item in value})
    )


def _collect(one: FormField, form: FormState, problems: list[SubmissionError]) -> Any:
    if one.path in form.raw:
        return _parsed_or_noted(one.path, str(form.states.get(one.path, "")), problems)
    if one.kind is FieldKind.GROUP:
        if is_optional_group(one) and not form.states.get(presence(one.path)):
            return _blank(one)
        inner = {field.name: _collect(field, form, problems) for field in one.fields}
        return {name: value for name, value in inner.items() if value is not LEFT_OUT}
    try:
        return _value(one, form.states.get(one.path))
    except SubmissionError as error:
        problems.append(error)
        return LEFT_OUT


def _parsed_or_noted(path: str, text: str, problems: list[SubmissionError]) -> Any:
    try:
        return parse_json(f"input.{path}" if path else "input", text) if text.strip() else LEFT_OUT
    except SubmissionError as error:
        problems.append(error)
        return LEFT_OUT


def _value(one: FormField, state: Any) -> Any:
    """Returns the value of a widget's state; raises SubmissionError for invalid JSON, and for what is no number."""
    # where white space is ignored
    is_spaced = one.kind in (FieldKind.JSON, FieldKind.LINES, FieldKind.INTEGER, FieldKind.NUMBER)
    if state is None or (isinstance(state, str) and (state.strip() if is_spaced else state) == ""):
        return _blank(one)
    if one.kind is FieldKind.JSON:
        return parse_json(f"input.{one.path}", state)
    if one.kind is FieldKind.LINES:
        return [_item(one.item, line) for line in state.split("\n") if line.strip()]
    if one.kind is FieldKind.CHOICES:
        return list(state) if state or not one.is_nullable else _blank(one)
    if one.kind in (FieldKind.INTEGER, FieldKind.NUMBER):
        return parse_number(f"input.{one.path}", str(state), is_whole=one.kind is FieldKind.INTEGER)
    return state


def _blank(one: FormField) -> Any:
    """Returns the meaning of an empty field."""
    if one.is_nullable:
        return LEFT_OUT if one.default is None or (one.default is UNSET and not one.is_required) else None
    if one.kind in (FieldKind.TEXT, FieldKind.LONG_TEXT) and isinstance(one.default, str):
        return ""
    return [] if one.kind in (FieldKind.LINES, FieldKind.CHOICES) else LEFT_OUT


def _item(kind: FieldKind, line: str) -> Any:
    """Returns the value of a line. A text that is no number stays text, which the model refuses with its place."""
    if kind is FieldKind.TEXT:
        return line
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return line
    return value if isinstance(value, int | float) else line


def _is_same(one: FormField, made: Any, value: Any) -> bool:
    if made is LEFT_OUT:
        return value is None and one.default is None
    if one.kind is FieldKind.NUMBER and not isinstance(value, bool):
        return bool(made == value)
    return json.dumps(made) == json.dumps(value)  # orjson takes no integer above 64 bits
