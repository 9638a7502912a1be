"""Writes callers' values as the JSON of exactly those values: no defaults, order and numbers unchanged (pure)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any

import orjson
from pydantic import BaseModel, Secret, SecretBytes, SecretStr
from pydantic_core import PydanticUndefined

from taskyard.core.payload.set_order import may_hold_sets, with_ordered_sets

# Values that orjson would write as a text of its own choice are left to the model, or refused.
_STRICTLY = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
_LEAVES = (str, int, float, type(None))
_SECRETS = (Secret, SecretBytes, SecretStr)
_INFINITE = re.compile(rb'"\s*[+-]?(?:inf|nan)', re.IGNORECASE)
_SMALL_N, _LARGE_N = b"nN"


def plain_json(value: object) -> bytes | None:
    """Returns the compact JSON of a value made only of JSON types and tuples; None for anything else.

    NaN and infinities are written as null.
    """
    text = written_json(value)
    return text if text is not None and _comes_back(value, text) else None


def written_json(value: object) -> bytes | None:
    """Returns the same for subclasses of these types, and for types that orjson writes differently (UUID, Enum)."""
    try:
        return orjson.dumps(value, option=_STRICTLY)
    except (orjson.JSONEncodeError, RecursionError):
        return None


def _comes_back(value: object, text: bytes) -> bool:
    """Returns True if the JSON text of a value reads back unchanged, apart from tuples and NaN.

    Each part is compared only if the quick comparison fails.
    """
    try:
        if orjson.loads(text) == value:
            return True
    except Exception:  # the caller's classes may raise anything when they are compared
        pass
    unseen: list[object] = [value]
    while unseen:
        part = unseen.pop()
        if isinstance(part, dict):
            unseen.extend(part.values())
        elif isinstance(part, list | tuple):
            unseen.extend(part)
        elif not isinstance(part, _LEAVES):
            return False
    return True


def model_json(instance: BaseModel) -> bytes:
    """Returns the JSON of what was given to a model: field names, and no defaults that the model added.

    Sets are written in one order, whichever process writes them. Values of default factories that differ each time
    (an id, a time) were made once for this instance and are kept. Raises whatever a serializer of the model raises.
    """
    _keep_made(instance)
    text = instance.model_dump_json(by_alias=False, round_trip=True, exclude_unset=True, warnings=False).encode()
    return with_ordered_sets(instance, text) if may_hold_sets(type(instance)) else text


def may_be_infinite(text: bytes) -> bool:
    """Returns True if JSON holds a text that a model may read as a non-finite number ("nan", "-Infinity")."""
    return (_SMALL_N in text or _LARGE_N in text) and _INFINITE.search(text) is not None


@lru_cache(maxsize=1024)
def keeps_back(model: type[BaseModel]) -> bool:
    """Returns True if a model excludes fields from its JSON, or has secrets: these must not be stored as given."""
    unseen: list[Any] = [model.__pydantic_core_schema__]
    while unseen:
        part = unseen.pop()
        if isinstance(part, dict):
            if part.get("serialization_exclude") or part.get("serialization_exclude_if"):
                return True
            unseen.extend(part.values())
        elif isinstance(part, list | tuple):
            unseen.extend(part)
        elif isinstance(part, type) and issubclass(part, _SECRETS):
            return True
    return False


def first_difference(given: object, read: object, path: tuple[object, ...] = ()) -> tuple[tuple[object, ...], Any, Any]:
    """Returns the path and both values where a value and its read-back copy first differ."""
    if isinstance(given, Mapping) and isinstance(read, Mapping) and list(given) == list(read):
        for key, value in given.items():
            if _differs(value, read[key]):
                return first_difference(value, read[key], (*path, key))
    if isinstance(given, list) and isinstance(read, list) and len(given) == len(read):
        for at, (one, other) in enumerate(zip(given, read, strict=True)):
            if _differs(one, other):
                return first_difference(one, other, (*path, at))
    return path, given, read


def _differs(one: object, other: object) -> bool:
    with suppress(Exception):  # a caller's class may raise anything when it is compared
        return type(one) is not type(other) or bool(one != other)
    return True


def _keep_made(instance: BaseModel) -> None:
    """Counts values of varying default factories as given, in an instance and nested ones."""
    unseen: list[object] = [instance]
    seen: set[int] = set()
    while unseen:
        part = unseen.pop()
        if id(part) in seen:
            continue  # it contains itself
        seen.add(id(part))
        if isinstance(part, BaseModel):
            for name, field in type(part).model_fields.items():
                if name not in part.model_fields_set and field.default_factory is not None:
                    made = field.get_default(call_default_factory=True, validated_data=part.__dict__)
                    if made is not PydanticUndefined and made != getattr(part, name, made):
                        part.model_fields_set.add(name)
            unseen.extend(part.__dict__.values())
        elif isinstance(part, Mapping):
            unseen.extend(part.values())
        elif isinstance(part, list | tuple | set | frozenset):
            unseen.extend(part)
