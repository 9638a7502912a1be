"""Says in our words what is wrong with a request that the framework or pydantic can't read (pure)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from taskyard.core.errors import SubmissionError
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import field_of, in_field, refused, required
from taskyard.core.payload.pydantic_messages import model_expects
from taskyard.core.payload.storable_json import MAX_DEPTH

BODY = "body"
ITEMS, ITEM = "submissions", "item"
_PLACE = re.compile(r"at line (\d+) column (\d+)$")
_OF_ITEM = re.compile(rf"{ITEMS}\.(\d+)(?:\.(.*))?", re.DOTALL)


def of_detail(detail: Mapping[str, Any], body: object = None) -> SubmissionError:
    """Returns one of a RequestValidationError's details as an error of ours; `body` is the text that is no JSON."""
    place = [*detail["loc"]]
    if detail["type"] == "json_invalid":
        return _of_json(detail, body)
    field = field_of(place[1:] if place[0] == BODY and len(place) > 1 else place)
    if detail["type"] == "missing":
        return required(field)
    given = detail.get("input")
    if field == BODY and isinstance(given, bytes):  # the framework reads no other kind of content
        return refused(field, given.decode(errors="replace"), msg("JSON, with the content type application/json"))
    return refused(field, given, model_expects(detail))  # type: ignore[arg-type]  # of the same keys


def item_of(error: SubmissionError) -> tuple[int | None, SubmissionError]:
    """Returns the number of the task that an error is about, from 1, and the error as that of this task alone.

    Of an error about anything else than a task of a list, the number is None.
    """
    found = _OF_ITEM.fullmatch(error.field)
    if found is None:
        return None, error
    alone = in_field(error, found[2] or ITEM)
    alone.parts = tuple(item_of(part)[1] for part in error.parts)
    return int(found[1]) + 1, alone


def of_cause(cause: BaseException | None) -> SubmissionError | None:
    """Returns what is wrong with a body which the framework gave up; None if that is not known."""
    if isinstance(cause, RecursionError):
        return required(BODY, _levels())
    return required(BODY, msg("text in UTF-8")) if isinstance(cause, UnicodeDecodeError) else None


def _of_json(detail: Mapping[str, Any], body: object) -> SubmissionError:
    reason = str(detail["ctx"]["error"])
    if "recursion" in reason:
        return required(BODY, _levels())
    found = _PLACE.search(reason)
    if found is not None:
        line, column = int(found[1]), int(found[2])
    else:
        where = json.JSONDecodeError("", body if isinstance(body, str) else "", int(detail["loc"][-1]))
        line, column = where.lineno, where.colno
    return required(
        BODY, msg("valid JSON, which it is not from line {line}, column {column}", line=line, column=column)
    )


def _levels() -> str:
    return msg("at most {limit} levels of nesting", limit=MAX_DEPTH)
