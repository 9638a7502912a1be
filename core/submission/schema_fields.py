"""Reads from a JSON Schema which fields a form needs, where the model itself is not here (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from taskyard.core.submission.input_schema import (
    MAX_GROUP_DEPTH,
    UNSET,
    FormField,
    described_field,
    label_of,
    resolved,
    without_null,
)


def schema_fields(schema: Mapping[str, Any]) -> tuple[FormField, ...] | None:
    """Returns the fields of an object's schema in order; None if it can only be given as one JSON value."""
    definitions = schema.get("$defs", {})
    own = resolved(schema, definitions)
    if own.get("type") != "object" or not isinstance(own.get("properties", {}), Mapping):
        return None
    return _fields_of(own, definitions, (), ())


def _fields_of(
    schema: Mapping[str, Any], definitions: Mapping[str, Any], path: tuple[str, ...], outer: tuple[int, ...]
) -> tuple[FormField, ...]:
    required = schema.get("required", ())
    return tuple(
        _field(name, one, definitions, path, outer, name in required)
        for name, one in schema.get("properties", {}).items()
        if isinstance(one, Mapping)
    )


def _field(
    name: str,
    schema: Mapping[str, Any],
    definitions: Mapping[str, Any],
    path: tuple[str, ...],
    outer: tuple[int, ...],
    is_required: bool,
) -> FormField:
    here = (*path, name)
    whole = resolved(schema, definitions)
    plain, _is_nullable = without_null(whole, definitions)
    inner = plain.get("properties")
    is_group = bool(inner) and id(inner) not in outer and len(outer) < MAX_GROUP_DEPTH
    fields = _fields_of(plain, definitions, here, (*outer, id(inner))) if is_group else None
    title = str(schema.get("title") or "")
    return described_field(
        here,
        schema,
        definitions,
        fields,
        # a title that pydantic made of the name says less than ours
        label=title if title and title != name.replace("_", " ").title() else label_of(name),
        description=str(schema.get("description") or ""),
        is_required=is_required,
        default=UNSET if is_required else whole.get("default", UNSET),
    )
