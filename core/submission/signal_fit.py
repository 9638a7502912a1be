"""Checks the data of a signal by the JSON Schema of what waits for it (pure)."""

from __future__ import annotations

from typing import Any

import jsonschema_rs

from taskyard.core.payload.culprits import field_of
from taskyard.core.task_types.validators import validator_of

MAX_REASON_LENGTH = 300  # characters


def misfit(schema: dict[str, Any], data: Any) -> str | None:
    """Returns why data do not fit a schema, in one line; None if they do, or if the schema can't be used."""
    found = first_misfit(schema, data)
    return None if found is None else f"{found[0]}: {found[1]}"[:MAX_REASON_LENGTH]


def first_misfit(schema: dict[str, Any], data: Any) -> tuple[str, str, Any] | None:
    """Returns the place, the reason and the value of the first part that does not fit."""
    validator = validator_of(schema, "a signal")
    try:
        error = None if validator is None else next(validator.iter_errors(data), None)
    except jsonschema_rs.ValidationError as refused:
        error = refused
    if error is None:
        return None
    return field_of(["data", *error.instance_path]), " ".join(error.message.split()), error.instance
