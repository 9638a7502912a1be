"""Says defaults of request bodies in words: generated clients take a field with a default for one that is there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

_PREFIX = "#/components/schemas/"


def say_defaults(document: dict[str, Any]) -> None:
    """Moves the defaults of schemas that only requests use into their descriptions; changes the document."""
    schemas = document["components"]["schemas"]
    operations = [one for methods in document["paths"].values() for one in methods.values()]
    sent = _reached(schemas, [one.get("requestBody") for one in operations])
    answered = _reached(schemas, [one["responses"] for one in operations])
    for name in sent - answered:
        for field in schemas[name].get("properties", {}).values():
            if "default" in field:
                default = field.pop("default")
                if default is not None:
                    said = f"default: {json.dumps(default)}"
                    field["description"] = f"{field['description']}; {said}" if "description" in field else said


def _reached(schemas: dict[str, Any], parts: list[Any]) -> set[str]:
    """Returns the names of the schemas that parts of the document use, by way of others too."""
    found: set[str] = set()
    left = [name for part in parts for name in _names(part)]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += _names(schemas[name])
    return found


def _names(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        reference = part.get("$ref")
        if isinstance(reference, str):
            yield reference.removeprefix(_PREFIX)
        for value in part.values():
            yield from _names(value)
    elif isinstance(part, list):
        for value in part:
            yield from _names(value)
