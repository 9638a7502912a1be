"""Checks values by the JSON Schemas of task types."""

from __future__ import annotations

import logging
from typing import Any

import jsonschema_rs

log = logging.getLogger(__name__)


def validator_of(schema: dict[str, Any], type_: str) -> Any | None:
    """Returns the check of values of a type by a schema; None, and a line in the log, if it can't be used.

    Some that pydantic writes can't, such as patterns that only Python knows. Nothing outside of the schema is read.
    """
    try:
        return jsonschema_rs.validator_for(schema, retriever=_refuse)
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        log.warning("the schema of task type %s can't be used: %s", type_, " ".join(str(error).split()))
        return None


def _refuse(uri: str) -> Any:
    raise ValueError(f"{uri} is outside of the schema")
