"""Converts submitted values between Python, their model and the stored JSON text (pure).

The given value itself is stored, after the handler's model has read it as a check: defaults are applied where the
handler runs. Finding the part of a value that can't be stored is slow, and is done only after storing is known to be
impossible.
"""

from __future__ import annotations

from contextlib import suppress

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from taskyard.core.errors import SubmissionError
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import (
    NOT_JSON,
    Brief,
    culprit_in,
    field_of,
    once,
    refused,
    required,
    unfit_of,
    writable,
)
from taskyard.core.payload.exact_json import (
    first_difference,
    keeps_back,
    may_be_infinite,
    model_json,
    plain_json,
    written_json,
)
from taskyard.core.payload.pydantic_messages import model_expects
from taskyard.core.payload.storable_json import refusal

_MAX_MESSAGE_LENGTH = 300
MAX_PARTS = 50  # of the problems of an input that an error lists
MAX_TEXT_LENGTH = 200  # characters of names, keys and what filters look for


def encode_input(model: type[BaseModel], given: object, limit_bytes: int) -> str:
    """Returns the compact JSON of `given` (a dict, a model instance, or None for {}), checked against its model.

    A dict of plain JSON values keeps its names or aliases, order and number formats; tuples become lists. For
    anything else the model writes what was given to it. Raises SubmissionError, which names the first part that does
    not fit the model, would read back differently, or can't be stored within `limit_bytes`.
    """
    given = {} if given is None else given
    # asked for its type first: pydantic's isinstance is a tenth of a check
    is_instance = type(given) is not dict and isinstance(given, BaseModel)
    text = None if is_instance or keeps_back(model) else plain_json(given)
    is_plain, instance = text is not None, None
    if text is None:
        if (culprit := culprit_in("input", given, fits=once)) is not None:
            raise culprit
        instance = _validated(model, given)
        try:
            text = model_json(instance)
        except Exception as error:  # pydantic's, or that of a serializer in the model
            raise _unwritable("input", given, error) from error
    _check_text("input", given, text, limit_bytes, is_read=is_plain)
    read = _read(model, given, text)
    if may_be_infinite(text) and (culprit := culprit_in("input", read)) is not None:
        raise culprit
    if type(read) is type(instance):
        _check_same(instance, read)
    return text.decode()


def input_problems(model: type[BaseModel], given: object) -> list[SubmissionError]:
    """Returns every mismatch between `given` and the model, each with its field; empty if it fits.

    `encode_input` also checks that it can be stored.
    """
    return [problem for _, problem in located_problems(model, given)]


def located_problems(model: type[BaseModel], given: object) -> list[tuple[tuple[int | str, ...], SubmissionError]]:
    """Returns the same with the place of each as pydantic names it, which includes the names of alternatives."""
    try:
        model.model_validate(given, by_alias=True, by_name=True)
    except ValidationError as error:
        return [(detail["loc"], _problem(detail)) for detail in error.errors(include_url=False)]
    except Exception as error:  # a validator in the model may raise anything
        return [((), _uncheckable(model, given, error))]
    return []


def json_problem(model: type[BaseModel], text: str) -> SubmissionError | None:
    """Returns the first mismatch between the JSON of an input and the model, as a handler would read it; or None."""
    try:
        decode_input(model, text)
    except ValidationError as error:
        return _first_problem(error)
    except Exception as error:  # a validator in the model may raise anything
        return _uncheckable(model, text, error)
    return None


def decode_input(model: type[BaseModel], text: str | bytes) -> BaseModel:
    """Returns the instance that `encode_input` stored as `text`, with defaults; raises pydantic.ValidationError."""
    return model.model_validate_json(text, by_alias=True, by_name=True)


def encode_json(field: str, value: object, limit_bytes: int) -> bytes:
    """Returns the compact JSON of any value that reads back unchanged, except that tuples become lists.

    `field` is the value's name in an error. Raises SubmissionError, which names the first part without a JSON form.
    """
    text = plain_json(value)
    is_plain = text is not None
    if text is None:
        text = written_json(value)
        if (culprit := culprit_in(field, value, is_plain=True)) is not None or text is None:
            raise culprit or refused(field, value, NOT_JSON)
    _check_text(field, value, text, limit_bytes, is_read=is_plain)
    return text


def check_text(field: str, value: object, limit: int = MAX_TEXT_LENGTH) -> str:
    """Returns a text of 1 to `limit` characters that PostgreSQL accepts; raises SubmissionError naming the field."""
    text = exact(value) if isinstance(value, str) else None
    if text is None or not 1 <= len(text) <= limit:
        raise refused(field, value, msg("a text of 1 to {limit} characters", limit=limit))
    unfit = unfit_of(text)
    if unfit is not None:
        raise refused(field, value, unfit)
    return text


def exact(text: str) -> str:
    """Returns the plain text of a `str` subclass, such as an enum, which may format differently."""
    return str.__str__(text)


def _unwritable(field: str, value: object, error: Exception) -> SubmissionError:
    return (
        culprit_in(field, value)
        or culprit_in(field, value, fits=writable)
        or refused(field, value, msg("values that JSON can hold: {reason}", reason=_one_line(error)))
    )


def _check_text(field: str, value: object, text: bytes, limit_bytes: int, *, is_read: bool) -> None:
    problem = refusal(text, limit_bytes, is_read=is_read)
    # A NaN or an infinity was written as null; a text without null has none.
    if problem is None and text.find(b"null") < 0:
        return
    culprit = culprit_in(field, value)
    if culprit is not None:
        raise culprit
    if problem is not None:
        raise refused(field, value, msg("JSON that can be stored: this {problem}", problem=problem))


def _validated(model: type[BaseModel], given: object) -> BaseModel:
    try:
        return model.model_validate(given, by_alias=True, by_name=True)
    except ValidationError as error:
        raise _first_problem(error) from None
    except Exception as error:  # a validator in the model may raise anything
        raise _uncheckable(model, given, error) from error


def _read(model: type[BaseModel], given: object, text: bytes) -> BaseModel:
    """Returns what the handler will read; reports its problems for the given value if that has any."""
    try:
        return decode_input(model, text)
    except ValidationError as error:
        _validated(model, given)
        raise _first_problem(error) from None
    except Exception as error:  # a validator in the model may raise anything
        _validated(model, given)
        raise _uncheckable(model, given, error) from error


def _check_same(instance: BaseModel, read: BaseModel) -> None:
    """Refuses values that JSON and the model can't represent: a set in a field of any type reads back as a list."""
    before, after = _parts(instance), _parts(read)
    with suppress(Exception):  # a caller's class may raise anything when it is compared
        if before == after:
            return
    path, given, got = first_difference(before, after)
    raise refused(
        field_of(["input", *path]),
        given,
        msg("a value that JSON preserves: this reads back as {other}", other=repr(Brief(got))),
    )


def _parts(instance: BaseModel) -> dict[str, object]:
    try:
        return instance.model_dump(round_trip=True)
    except Exception:  # a serializer's own, or that of a set of models, which would become dicts
        return dict(instance)


def _uncheckable(model: type[BaseModel], given: object, error: Exception) -> SubmissionError:
    return refused(
        "input",
        given,
        msg("a value that {model} can check: {reason}", model=model.__name__, reason=_one_line(error)),
    )


def _first_problem(error: ValidationError) -> SubmissionError:
    details = error.errors(include_url=False)
    first = _problem(details[0], len(details) - 1)
    if len(details) > 1:
        first.parts = tuple(map(_problem, details[:MAX_PARTS]))
    return first


def _problem(detail: ErrorDetails, others: int = 0) -> SubmissionError:
    field = field_of(["input", *detail["loc"]])
    is_missing = detail["type"] == "missing"
    if is_missing and not others:
        return required(field)
    text = model_expects(detail)
    line = _one_line(text)
    expected: str = text if text == line else line
    if others == 1:
        expected = msg("{problem} (and 1 more problem)", problem=expected)
    elif others:
        expected = msg("{problem} (and {count} more problems)", problem=expected, count=others)
    return required(field, expected) if is_missing else refused(field, detail["input"], expected)


def _one_line(message: object) -> str:
    text = f"{type(message).__name__}: {message}" if isinstance(message, Exception) else str(message)
    words = " ".join(text.split())
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in words)
    return text if len(text) <= _MAX_MESSAGE_LENGTH else f"{text[:_MAX_MESSAGE_LENGTH]}…"
