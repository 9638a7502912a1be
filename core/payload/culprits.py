"""Finds the first part of a value that can't be stored, and makes the error that shows it on one line (pure)."""

from __future__ import annotations

import math
import reprlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import is_dataclass
from datetime import date
from typing import Any, TypeAlias

from pydantic import BaseModel, RootModel
from pydantic_core import to_json

from taskyard.core.errors import MISSING, SubmissionError
from taskyard.core.i18n import msg
from taskyard.core.payload.exact_json import written_json
from taskyard.core.payload.printable_text import visible
from taskyard.core.payload.storable_json import MAX_DEPTH, MAX_INTEGER, MIN_INTEGER

MAX_TOGETHER = 200  # problems that one error lists
_MAX_FIELD_LENGTH = 200
_SEQUENCES = (list, tuple, set, frozenset, deque)
_FINITE = msg("a finite number")
_NO_NUL = msg("text without NUL characters, which PostgreSQL can't store")
_NO_HALVES = msg("text without lone surrogates")
_TEXT = msg("text")
NOT_JSON = msg("a JSON value: text, number, true, false, null, a list or an object with texts as keys")
_PLAIN = (str, int, float, type(None))


# Where a part is, linked from its end: ((("input",), "rows"), 3).
Path: TypeAlias = tuple[Any, ...]


def refused(field: str, value: object, expected: str) -> SubmissionError:
    """Returns a SubmissionError that shows `value` on one short line, whatever it is."""
    is_shown = isinstance(value, str) or value is MISSING
    error = SubmissionError(field, value if is_shown else Brief(value), expected)
    error.value = value
    return error


def in_field(error: SubmissionError, field: str) -> SubmissionError:
    """Returns the same error, of its class, about a field elsewhere, such as `submissions.3.type`."""
    found = copy(error)
    found.field, found.args = field, refused(field, error.value, error.expected).args
    before = field.removesuffix(error.field)
    found.parts = tuple(in_field(part, before + part.field) for part in error.parts)
    return found


def together(problems: Sequence[SubmissionError]) -> SubmissionError:
    """Returns an error that is the first problem, with all of them as its parts if there are several."""
    first = in_field(problems[0], problems[0].field)
    first.parts = tuple(problems[:MAX_TOGETHER]) if len(problems) > 1 else problems[0].parts
    return first


def positioned(error: SubmissionError, position: int) -> SubmissionError:
    """Returns the error of one of many submissions, of which an empty field is the whole."""
    return in_field(error, f"submissions.{position}.{error.field}" if error.field else f"submissions.{position}")


def required(field: str, expected: str = "") -> SubmissionError:
    """Returns the error of a field that was not given; `expected` says what belongs there."""
    return SubmissionError(field, MISSING, expected)


class Brief:
    """Has a short printable repr, also for deep, cyclic, huge or misbehaving values."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __repr__(self) -> str:
        try:
            text = self._value.isoformat() if isinstance(self._value, date) else reprlib.repr(self._value)
        except Exception:  # e.g. an integer of more digits than Python prints
            text = f"<{type(self._value).__name__} that can't be shown>"
        return visible(" ".join(text.split()))


def culprit_in(
    field: str, root: object, *, is_plain: bool = False, fits: Callable[[object], str | None] | None = None
) -> SubmissionError | None:
    """Returns the first part of `root`, depth first, that can't be stored; walks without recursion.

    With `is_plain` no model is present that accepts more values than JSON. `fits` is called instead of `unfit_of`.
    """
    unfit = fits or unfit_of
    unvisited: list[tuple[Path, object, int]] = [((field,), root, 1)]
    while unvisited:
        path, value, depth = unvisited.pop()
        while isinstance(value, RootModel):
            value = value.root
        children = _children(value)
        if children is None or (is_plain and not isinstance(value, dict | list | tuple)):
            is_known = not is_plain or (isinstance(value, _PLAIN) and written_json(value) is not None)
            expected = unfit(value) or (None if is_known else NOT_JSON)
        elif depth > MAX_DEPTH:
            expected = msg("at most {limit} levels of nesting", limit=MAX_DEPTH)
        else:
            found = list(children)
            for key, _child in found:
                if is_plain and isinstance(value, dict) and not isinstance(key, str):
                    return refused(field_of(parts_of(path)), key, msg("a key that is {expected}", expected=_TEXT))
                if isinstance(key, str) and (expected := unfit(key)):
                    return refused(field_of(parts_of(path)), key, msg("a key that is {expected}", expected=expected))
            unvisited.extend(((path, key), child, depth + 1) for key, child in reversed(found))
            continue
        if expected is not None:
            return refused(field_of(parts_of(path)), value, expected)
    return None


def _children(value: object) -> Iterable[tuple[object, object]] | None:
    """Returns the keys and values inside a container, or None if `value` is not one."""
    if isinstance(value, dict):
        return dict.items(value)  # a caller's class may raise anything
    if isinstance(value, BaseModel):
        return [*value.__dict__.items(), *(value.__pydantic_extra__ or {}).items()]
    if isinstance(value, _SEQUENCES):
        return enumerate(value)
    if is_dataclass(value) and not isinstance(value, type):
        return [(name, getattr(value, name, None)) for name in value.__dataclass_fields__]
    return None


def unfit_of(value: object) -> str | None:
    """Returns what a single value should have been to be stored, or None if it can be."""
    if isinstance(value, str):
        if "\x00" in value:
            return _NO_NUL
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            return _NO_HALVES
    elif isinstance(value, float):
        return None if math.isfinite(value) else _FINITE
    elif isinstance(value, int):
        return None if MIN_INTEGER <= value <= MAX_INTEGER else msg("an integer of at most 64 bits")
    elif isinstance(value, bytes) and b"\x00" in value:
        return _NO_NUL
    return None


def writable(value: object) -> str | None:
    """Returns what was expected instead of a value that only a custom serializer could write."""
    try:
        to_json(value)
    except Exception:  # pydantic's error, or that of a caller's class
        return NOT_JSON
    return None


def once(value: object) -> str | None:
    """Returns what was expected instead of a value that can be read only once and may have no end."""
    return msg("a list, since this can be read only once") if isinstance(value, Iterator) else None


def parts_of(path: Path) -> list[object]:
    """Returns ("input", "rows", 3) for the linked path ((("input",), "rows"), 3)."""
    parts: list[object] = []
    while len(path) == 2:
        path, key = path
        parts.append(key)
    return [*path, *reversed(parts)]


def field_of(parts: Iterable[object]) -> str:
    """Returns `input.rows.3.name` for ("input", "rows", 3, "name"), printable and not too long."""
    texts = [part if isinstance(part, str) and part.isprintable() else repr(Brief(part)) for part in parts]
    field = ".".join(texts)
    return field if len(field) <= _MAX_FIELD_LENGTH else f"{field[:_MAX_FIELD_LENGTH]}…"
