"""Checks values by the JSON Schemas of task types."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import jsonschema_rs
from pydantic import AnyUrl, TypeAdapter, ValidationError

from taskyard.core.i18n import TranslatableText, msg
from taskyard.core.task_types.format_examples import FORMAT_EXAMPLES

log = logging.getLogger(__name__)


def _takes(type_: Any) -> Callable[[str], bool]:
    """Returns whether pydantic reads a text as this type: a handler's model decides no otherwise."""
    read = TypeAdapter(type_).validate_python

    def takes(text: str) -> bool:
        try:
            read(text)
        except ValidationError:
            return False
        return True

    return takes


def _any(text: str) -> bool:
    return True


# By the names that pydantic writes into schemas. What it writes for types of other libraries is left to the model.
_FORMATS = dict.fromkeys(
    ("email", "hostname", "idn-email", "idn-hostname", "iri", "iri-reference", "json-pointer", "regex",
     "relative-json-pointer", "uri-reference", "uri-template"), _any
) | {
    "date": _takes(date),
    "date-time": _takes(datetime),
    "time": _takes(time),
    "duration": _takes(timedelta),
    "uri": _takes(AnyUrl),
    "uuid": _takes(UUID),
    "ipv4": _takes(ipaddress.IPv4Address),
    "ipv6": _takes(ipaddress.IPv6Address),
}  # fmt: skip


def validator_of(schema: dict[str, Any], type_: str) -> Any | None:
    """Returns the check of values of a type by a schema; None, and a line in the log, if it can't be used.

    Some that pydantic writes can't, such as patterns that only Python knows. Nothing outside of the schema is read.
    Formats such as date-time are checked, as pydantic reads them.
    """
    try:
        return jsonschema_rs.validator_for(schema, retriever=_refuse, validate_formats=True, formats=_FORMATS)
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        log.warning("the schema of task type %s can't be used: %s", type_, " ".join(str(error).split()))
        return None


def expected_by(error: Any) -> TranslatableText:
    """Returns what was expected instead of a value that a validator of `validator_of` found wrong."""
    error = _of_value(error)
    is_format = isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Format)
    if is_format and (example := FORMAT_EXAMPLES.get(error.kind.format)):
        return msg("a {format} such as {example}", format=error.kind.format, example=example)
    return msg("what its JSON Schema says: {reason}", reason=" ".join(error.message.split()))


def _of_value(error: Any) -> Any:
    """Returns the error of a value that may also be null, as far as there is one only."""
    if not isinstance(error.kind, jsonschema_rs.ValidationErrorKind.AnyOf):
        return error
    kinds = jsonschema_rs.ValidationErrorKind
    others = [one for one in error.kind.context if not any(isinstance(inner.kind, kinds.Type) for inner in one)]
    return others[0][0] if len(others) == 1 and len(others[0]) == 1 else error


def _refuse(uri: str) -> Any:
    raise ValueError(f"{uri} is outside of the schema")
