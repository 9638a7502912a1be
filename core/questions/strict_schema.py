"""Makes the JSON Schema of an answer refuse fields that its model does not have (pure).

A model leaves unknown fields out without a word, so that a name mistyped by a person would give the default instead.
"""

from __future__ import annotations

from typing import Any

_OF_FIELDS = ("properties", "$defs", "definitions", "patternProperties")
_OF_VALUES = frozenset({"const", "default", "enum", "examples"})
_MORE = ("oneOf", "anyOf", "$ref", "patternProperties", "additionalProperties", "unevaluatedProperties", "if")


def without_unknown_fields(schema: dict[str, Any]) -> dict[str, Any]:
    """Returns the schema with every object that lists its fields closed for others.

    An object that says itself what else it takes stays, and so does a schema whose objects are put together (allOf).
    """
    return schema if _has(schema, "allOf") else _closed_object(schema)


def _has(value: Any, key: str) -> bool:
    if isinstance(value, dict):
        return key in value or any(_has(one, key) for one in value.values())
    return isinstance(value, list) and any(_has(one, key) for one in value)


def _closed_object(schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _OF_VALUES:
            found[key] = value
        elif key in _OF_FIELDS and isinstance(value, dict):
            found[key] = {name: _closed(one) for name, one in value.items()}
        else:
            found[key] = _closed(value)
    if isinstance(schema.get("properties"), dict) and not any(key in schema for key in _MORE):
        found["additionalProperties"] = False
    return found


def _closed(value: Any) -> Any:
    if isinstance(value, dict):
        return _closed_object(value)
    return [_closed(one) for one in value] if isinstance(value, list) else value
