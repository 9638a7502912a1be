"""What users hand in, between their Python values, their model and the stored JSON text (pure).

What is stored is what was given, checked by reading it as the handler's model will: defaults are
applied where it runs. Finding out which part of a value can't be stored is slow and happens only
once it is known that some part can't.
"""

from __future__ import annotations

import math
import reprlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import is_dataclass

from pydantic import BaseModel, RootModel, ValidationError
from pydantic_core import ErrorDetails

from core.errors import SubmissionError
from core.expectations import PREFIX, model_expects
from core.given import first_difference, keeps_back, may_be_infinite, model_json, plain_json, written_json
from core.jsontext import MAX_DEPTH, MAX_INTEGER, MIN_INTEGER, refusal
from core.texts import said

_FIELD_LIMIT = 200
_MESSAGE_LIMIT = 300
TEXT_LIMIT = 200  # characters of names, keys and what filters look for
_SEQUENCES = (list, tuple, set, frozenset, deque)
_FINITE = said("a finite number")
_NO_NUL = said("text without NUL characters, which PostgreSQL can't store")
_NO_HALVES = said("text without halves of surrogate pairs")
_TEXT = said("text")
_NOT_JSON = said("a value that JSON has: text, number, true, false, null, a list or an object with texts as keys")
_PLAIN = (str, int, float, type(None))


def encode_input(model: type[BaseModel], given: object, limit_bytes: int) -> str:
    """The compact JSON of `given` (a dict, an instance, or None for {}), which its model reads.

    A dict of JSON's own values is kept as it is: names or aliases, order, shapes of numbers; tuples
    become lists. Of anything else the model writes what was given to it. Raises SubmissionError,
    which names the first part that does not fit the model, that would come back as something else,
    or that can't be stored within `limit_bytes`.
    """
    given = {} if given is None else given
    text = None if isinstance(given, BaseModel) or keeps_back(model) else plain_json(given)
    instance = None
    if text is None:
        if (culprit := _culprit("input", given, fits=_once)) is not None:
            raise culprit
        instance = _validated(model, given)
        try:
            text = model_json(instance)
        except Exception as error:  # pydantic's, or that of a serializer in the model
            raise _unwritable("input", given, error) from error
    _check_text("input", given, text, limit_bytes)
    read = _read(model, given, text)
    if may_be_infinite(text) and (culprit := _culprit("input", read)) is not None:
        raise culprit
    if type(read) is type(instance):
        _check_same(instance, read)
    return text.decode()


def input_problems(model: type[BaseModel], given: object) -> list[SubmissionError]:
    """Everything about `given` that does not fit the model, each with its field; empty if it fits.

    Whether it can be stored, too, only `encode_input` says.
    """
    try:
        model.model_validate(given, by_alias=True, by_name=True)
    except ValidationError as error:
        return [_problem(detail) for detail in error.errors(include_url=False)]
    except Exception as error:  # a validator in the model may raise anything
        return [_uncheckable(model, given, error)]
    return []


def decode_input(model: type[BaseModel], text: str | bytes) -> BaseModel:
    """The instance that `encode_input` stored as `text`, with defaults; raises pydantic.ValidationError."""
    return model.model_validate_json(text, by_alias=True, by_name=True)


def encode_json(field: str, value: object, limit_bytes: int) -> bytes:
    """The compact JSON of any value that reads back as the same, but for tuples, which become lists.

    `field` is what the value is called in an error. Raises SubmissionError, which names the first part that has none.
    """
    text = plain_json(value)
    if text is None:
        text = written_json(value)
        if (culprit := _culprit(field, value, is_plain=True)) is not None or text is None:
            raise culprit or refused(field, value, _NOT_JSON)
    _check_text(field, value, text, limit_bytes)
    return text


def refused(field: str, value: object, expected: str) -> SubmissionError:
    """A SubmissionError that shows `value` on one short line, whatever it is."""
    error = SubmissionError(field, value if isinstance(value, str) else _Brief(value), expected)
    error.value = value
    return error


def check_text(field: str, value: object, limit: int = TEXT_LIMIT) -> str:
    """A text of 1 to `limit` characters that PostgreSQL takes; raises SubmissionError naming the field."""
    text = exact(value) if isinstance(value, str) else None
    if text is None or not 1 <= len(text) <= limit:
        raise refused(field, value, said("a text of 1 to {limit} characters", limit=limit))
    unfit = _unfit(text)
    if unfit is not None:
        raise refused(field, value, unfit)
    return text


def exact(text: str) -> str:
    """The text itself of a value of a class derived from `str`, such as an enum, which may format otherwise."""
    return str.__str__(text)


def _unwritable(field: str, value: object, error: Exception) -> SubmissionError:
    return _culprit(field, value) or refused(
        field, value, said("values that JSON can hold: {reason}", reason=_one_line(error))
    )


def _check_text(field: str, value: object, text: bytes, limit_bytes: int) -> None:
    problem = refusal(text, limit_bytes)
    # A NaN or an infinity was written as null; a text without null holds none.
    if problem is None and b"null" not in text:
        return
    culprit = _culprit(field, value)
    if culprit is not None:
        raise culprit
    if problem is not None:
        raise refused(field, value, said("JSON that can be stored: this {problem}", problem=problem))


class _Brief:
    """Has a short printable repr, also for deep, cyclic, huge or misbehaving values."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __repr__(self) -> str:
        try:
            text = reprlib.repr(self._value)
        except Exception:  # e.g. an integer of more digits than Python prints
            text = f"<{type(self._value).__name__} that can't be shown>"
        return " ".join(text.encode("ascii", "backslashreplace").decode().split())


def _validated(model: type[BaseModel], given: object) -> BaseModel:
    try:
        return model.model_validate(given, by_alias=True, by_name=True)
    except ValidationError as error:
        raise _first_problem(error) from None
    except Exception as error:  # a validator in the model may raise anything
        raise _uncheckable(model, given, error) from error


def _read(model: type[BaseModel], given: object, text: bytes) -> BaseModel:
    """What a handler will read; its problems are told as those of the value that was given, if that has any."""
    try:
        return decode_input(model, text)
    except ValidationError as error:
        _validated(model, given)
        raise _first_problem(error) from None
    except Exception as error:  # a validator in the model may raise anything
        _validated(model, given)
        raise _uncheckable(model, given, error) from error


def _check_same(instance: BaseModel, read: BaseModel) -> None:
    """Refuses what JSON has no value for and the model does not know: a set where anything may be comes back a list."""
    before, after = instance.model_dump(round_trip=True), read.model_dump(round_trip=True)
    if before == after:
        return
    path, given, got = first_difference(before, after)
    raise refused(
        _field(["input", *path]),
        given,
        said("a value that JSON keeps: this comes back as {other}", other=repr(_Brief(got))),
    )


def _uncheckable(model: type[BaseModel], given: object, error: Exception) -> SubmissionError:
    return refused(
        "input",
        given,
        said("a value that {model} can check: {reason}", model=model.__name__, reason=_one_line(error)),
    )


def _first_problem(error: ValidationError) -> SubmissionError:
    details = error.errors(include_url=False)
    return _problem(details[0], len(details) - 1)


def _problem(detail: ErrorDetails, others: int = 0) -> SubmissionError:
    value = None if detail["type"] == "missing" else detail["input"]
    text = model_expects(detail) or detail["msg"].removeprefix(PREFIX)
    line = _one_line(text)
    expected = text if text == line else line
    if others:
        expected = said("{problem} (and {count} more problems)", problem=expected, count=others)
    return refused(_field(["input", *detail["loc"]]), value, expected)


def _culprit(
    field: str, root: object, *, is_plain: bool = False, fits: Callable[[object], str | None] | None = None
) -> SubmissionError | None:
    """The first part of `root`, depth first, that can't be stored; walks without recursion.

    With `is_plain` no model is there that knows more values than JSON. `fits` is asked instead of `_unfit`.
    """
    unfit = fits or _unfit
    unvisited: list[tuple[tuple, object, int]] = [((field,), root, 1)]
    while unvisited:
        path, value, depth = unvisited.pop()
        while isinstance(value, RootModel):
            value = value.root
        children = _children(value)
        if children is None or (is_plain and not isinstance(value, dict | list | tuple)):
            is_known = not is_plain or (isinstance(value, _PLAIN) and written_json(value) is not None)
            expected = unfit(value) or (None if is_known else _NOT_JSON)
        elif depth > MAX_DEPTH:
            expected = said("at most {limit} levels of nesting", limit=MAX_DEPTH)
        else:
            found = list(children)
            for key, _child in found:
                if is_plain and isinstance(value, dict) and not isinstance(key, str):
                    return refused(_field(_parts(path)), key, said("a key that is {expected}", expected=_TEXT))
                if isinstance(key, str) and (expected := unfit(key)):
                    return refused(_field(_parts(path)), key, said("a key that is {expected}", expected=expected))
            unvisited.extend(((path, key), child, depth + 1) for key, child in reversed(found))
            continue
        if expected is not None:
            return refused(_field(_parts(path)), value, expected)
    return None


def _children(value: object) -> Iterable[tuple[object, object]] | None:
    """The keys and values inside a container, or None if `value` is not one."""
    if isinstance(value, dict):
        return dict.items(value)  # whatever a class of the caller's makes of it
    if isinstance(value, BaseModel):
        return [*value.__dict__.items(), *(value.__pydantic_extra__ or {}).items()]
    if isinstance(value, _SEQUENCES):
        return enumerate(value)
    if is_dataclass(value) and not isinstance(value, type):
        return [(name, getattr(value, name, None)) for name in value.__dataclass_fields__]
    return None


def _unfit(value: object) -> str | None:
    """What a single value should have been to be stored, or None if it can be."""
    if isinstance(value, str):
        if "\x00" in value:
            return _NO_NUL
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            return _NO_HALVES
    elif isinstance(value, float):
        return None if math.isfinite(value) else _FINITE
    elif isinstance(value, int):
        return None if MIN_INTEGER <= value <= MAX_INTEGER else said("an integer of at most 64 bits")
    elif isinstance(value, bytes) and b"\x00" in value:
        return _NO_NUL
    return None


def _once(value: object) -> str | None:
    """What should have been there instead of what can be read only once, and may have no end."""
    return said("a list, which can be read twice") if isinstance(value, Iterator) else None


def _parts(path: tuple) -> list[object]:
    """("input", "rows", 3) for the linked path ((("input",), "rows"), 3)."""
    parts: list[object] = []
    while len(path) == 2:
        path, key = path
        parts.append(key)
    return [*path, *reversed(parts)]


def _field(parts: Iterable[object]) -> str:
    """`input.rows.3.name` for ("input", "rows", 3, "name"), printable and not too long."""
    texts = [part if isinstance(part, str) and part.isprintable() else repr(_Brief(part)) for part in parts]
    field = ".".join(texts)
    return field if len(field) <= _FIELD_LIMIT else f"{field[:_FIELD_LIMIT]}…"


def _one_line(message: object) -> str:
    text = f"{type(message).__name__}: {message}" if isinstance(message, Exception) else str(message)
    text = " ".join(text.encode("utf-8", "backslashreplace").decode().split())
    return text if len(text) <= _MESSAGE_LIMIT else f"{text[:_MESSAGE_LIMIT]}…"
