"""Tells what a JSON schema accepts from what it says to people."""

from __future__ import annotations

from typing import Any

WORDS = ("title", "description", "examples", "$comment")
BY_NAME = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")  # keys are no keywords there
VALUES = ("default", "const", "enum")  # no schemas, whatever they look like


def without_words(schema: Any) -> Any:
    """Returns a JSON schema without the keywords that accept and refuse nothing."""
    if isinstance(schema, list):
        return [without_words(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {keyword: _part(keyword, value) for keyword, value in schema.items() if keyword not in WORDS}


def _part(keyword: str, value: Any) -> Any:
    if keyword in VALUES:
        return value
    if keyword in BY_NAME and isinstance(value, dict):
        return {name: without_words(part) for name, part in value.items()}
    return without_words(value)
