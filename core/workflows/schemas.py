"""Compares JSON Schemas of outputs and inputs, and refuses only what can never fit (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

Schema = Any  # a mapping, or True or False
MAX_DEPTH = 20  # of schemas inside of schemas that are compared: deeper ones may fit
MAX_BRANCHES = 50
_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
# What models read as their own: "12" for a number, 1 for a boolean, seconds for a time.
_ACCEPTED: Mapping[str, frozenset[str]] = {
    "object": frozenset({"object"}),
    "array": frozenset({"array"}),
    "string": frozenset({"string"}),
    "number": frozenset({"number", "integer", "string", "boolean"}),
    "integer": frozenset({"integer", "number", "string", "boolean"}),
    "boolean": frozenset({"boolean", "integer", "number", "string"}),
    "null": frozenset({"null"}),
}
_OF_FORMATTED_TEXT = frozenset({"string", "number", "integer"})


class Place(NamedTuple):
    """A schema in the document whose `$defs` it refers to."""

    schema: Schema
    root: Schema


class Absent(NamedTuple):
    """Why no value of a schema has a part: the token that is missing, and the names that there are instead."""

    token: str
    names: tuple[str, ...]


def whole(schema: Schema) -> Place:
    """Returns a document as a place in itself."""
    return Place(schema, schema)


def part_of(place: Place, pointer: Sequence[str]) -> list[Place] | Absent:
    """Returns the schemas that a part of a value may have; none are left if nothing is known of it.

    An object without `additionalProperties` has the properties that its schema lists, and no others.
    """
    places = list(_branches(place))
    for token in pointer:
        found: list[Place] = []
        absent: Absent | None = None
        for one in places:
            parts = _children(one, token)
            if isinstance(parts, Absent):
                absent = absent or parts
            elif parts is None:
                return []
            else:
                found += parts
        if not found:
            return absent or Absent(token, ())
        places = [branch for one in found for branch in _branches(one)]
        if len(places) > MAX_BRANCHES:
            return []
    return places


def may_fit(given: Place, wanted: Place, depth: int = 0) -> bool:
    """Returns False only if no value of one schema is accepted by the other."""
    if depth > MAX_DEPTH:
        return True
    gives, wants = list(_branches(given)), list(_branches(wanted))
    if len(gives) * len(wants) > MAX_BRANCHES**2:
        return True
    return any(_one_may_fit(one, other, depth) for one in gives for other in wants)


def types_of(places: Sequence[Place]) -> list[str]:
    """Returns the names of the JSON types of schemas, for people."""
    found = {name for one in places for branch in _branches(one) for name in _types(branch.schema)}
    return [name for name in _TYPES if name in found and not (name == "integer" and "number" in found)]


def names_of(places: Sequence[Place]) -> list[str]:
    """Returns the names that objects of schemas have."""
    schemas = [branch.schema for one in places for branch in _branches(one) if isinstance(branch.schema, Mapping)]
    return list(dict.fromkeys(name for schema in schemas for name in schema.get("properties") or ()))


def required_of(places: Sequence[Place]) -> list[str]:
    """Returns the names that objects of schemas must have, and their types."""
    found: dict[str, str] = {}
    for branch in (branch for one in places for branch in _branches(one) if isinstance(branch.schema, Mapping)):
        for name in branch.schema.get("required") or ():
            part = (branch.schema.get("properties") or {}).get(name, True)
            found[name] = f"{name} ({' | '.join(types_of([Place(part, branch.root)]))})"
    return list(found.values())


def item_of(wanted: Place) -> list[Place] | None:
    """Returns what the items of a list may be; None if a list is not accepted."""
    found: list[Place] = []
    for branch in _branches(wanted):
        schema = branch.schema
        if schema is True or "array" in _types(schema):
            items = schema.get("items", True) if isinstance(schema, Mapping) and "prefixItems" not in schema else True
            found.append(Place(items, branch.root))
    return found or None


def _branches(place: Place, depth: int = 0) -> Iterator[Place]:
    """Yields the alternatives of a schema. Of `allOf`, `not` and the like nothing is known: any value may fit."""
    schema, root = place
    if not isinstance(schema, Mapping) or depth > MAX_DEPTH:
        if schema is not False:
            yield Place(True, root)
        return
    if "$ref" in schema:
        target = _target(schema["$ref"], root)
        yield from _branches(Place(True if target is None else target, root), depth + 1)
        return
    for keyword in ("anyOf", "oneOf"):
        if isinstance(schema.get(keyword), list):
            for part in schema[keyword]:
                yield from _branches(Place(part, root), depth + 1)
            return
    if isinstance(schema.get("allOf"), list):
        alone = schema["allOf"][0] if len(schema["allOf"]) == 1 and "type" not in schema else True
        yield from _branches(Place(alone, root), depth + 1)
        return
    yield place


def _target(reference: object, root: Schema) -> Schema | None:
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return None
    found = root
    for token in reference[2:].split("/"):
        if not isinstance(found, Mapping):
            return None
        found = found.get(token.replace("~1", "/").replace("~0", "~"))
    return found


def _types(schema: Schema) -> frozenset[str]:
    if not isinstance(schema, Mapping):
        return frozenset(_TYPES)
    given, values = schema.get("type"), _values(schema)
    if given is None:
        return frozenset(_TYPES) if values is None else frozenset(map(_type_of, values))
    return frozenset([given] if isinstance(given, str) else given)


def _type_of(value: object) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else "boolean"
    if isinstance(value, int | float):
        return "integer" if isinstance(value, int) else "number"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"


def _values(schema: Schema) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    return schema["enum"] if isinstance(schema.get("enum"), list) else None


def _children(place: Place, token: str) -> list[Place] | Absent | None:
    """Returns the schemas of a part by its name or index; None if nothing is known of it."""
    schema, root = place
    types = _types(schema)
    if schema is True:
        return None
    found: list[Place] = []
    absent = Absent(token, ())
    if "object" in types:
        if ("properties" not in schema and "additionalProperties" not in schema) or "patternProperties" in schema:
            return None
        properties = schema.get("properties") or {}
        rest = schema.get("additionalProperties", False)
        if token in properties:
            found.append(Place(properties[token], root))
        elif rest is not False:
            found.append(Place(rest, root))
        else:
            absent = Absent(token, tuple(properties))
    if "array" in types and token.isascii() and token.isdigit():
        first = schema.get("prefixItems") or []
        at = int(token) if len(token) < 10 else 10**10
        if at < len(first):
            found.append(Place(first[at], root))
        elif (not first or schema.get("items", True) is not False) and at < schema.get("maxItems", 10**10):
            found.append(Place(schema.get("items", True), root))
    return found or absent


def _one_may_fit(given: Place, wanted: Place, depth: int) -> bool:
    one, other = given.schema, wanted.schema
    if one is True or other is True:
        return True
    accepted: set[str] = set()
    for name in _types(other):
        accepted |= _OF_FORMATTED_TEXT if name == "string" and "format" in other else _ACCEPTED.get(name, frozenset())
    common = _types(one) & accepted
    if not common:
        return False
    gives, wants = _values(one), _values(other)
    if gives is not None and wants is not None and common <= {"string"}:
        known = {orjson.dumps(value) for value in wants}
        return any(orjson.dumps(value) in known for value in gives)
    return common != {"object"} or _object_may_fit(given, wanted, depth)


def _object_may_fit(given: Place, wanted: Place, depth: int) -> bool:
    one, other = given.schema, wanted.schema
    if "properties" not in one or "patternProperties" in one or "patternProperties" in other:
        return True
    has, wants = one["properties"], other.get("properties") or {}
    required, given_always = other.get("required") or [], one.get("required") or []
    if one.get("additionalProperties", False) is False and any(name not in has for name in required):
        return False
    if other.get("additionalProperties", True) is False and any(name not in wants for name in given_always):
        return False
    return all(
        may_fit(Place(has[name], given.root), Place(wants[name], wanted.root), depth + 1)
        for name in given_always
        if name in has and name in wants
    )
