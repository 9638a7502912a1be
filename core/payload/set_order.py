"""Writes the sets in a model's JSON in one fixed order (pure).

Python's order differs from process to process, and equal calls must look equal.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import is_dataclass
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, RootModel

from taskyard.core.payload.storable_json import MAX_DEPTH

_MAY_HOLD_SETS = frozenset({"set", "frozenset", "any"})  # kinds of pydantic's schemas


@lru_cache(maxsize=1024)
def may_hold_sets(model: type[BaseModel]) -> bool:
    """Returns True if a model, or a model inside it, has fields that may be sets."""
    unseen: list[Any] = [model.__pydantic_core_schema__]
    while unseen:
        part = unseen.pop()
        if isinstance(part, dict):
            if part.get("type") in _MAY_HOLD_SETS:
                return True
            unseen.extend(part.values())
        elif isinstance(part, list | tuple):
            unseen.extend(part)
    return False


def with_ordered_sets(instance: BaseModel, text: bytes) -> bytes:
    """Returns the JSON `text` of an instance, by field names; arrays from sets are sorted by their items' texts."""
    return _text(_ordered(instance, json.loads(text), 0)).encode()


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _ordered(value: object, written: Any, depth: int) -> Any:
    """Returns the written JSON with sets ordered; values that a serializer converted are left as they are."""
    if depth > MAX_DEPTH or not isinstance(written, dict | list):
        return written
    if isinstance(value, RootModel):
        return _ordered(value.root, written, depth + 1)
    if isinstance(written, dict):
        if isinstance(value, BaseModel) or is_dataclass(value):
            return {name: _ordered(getattr(value, name, None), item, depth + 1) for name, item in written.items()}
        if isinstance(value, Mapping) and len(value) == len(written):
            pairs = zip(written.items(), value.values(), strict=True)
            return {name: _ordered(inner, item, depth + 1) for (name, item), inner in pairs}
    elif isinstance(value, list | tuple | set | frozenset) and len(value) == len(written):
        items = [_ordered(inner, item, depth + 1) for inner, item in zip(value, written, strict=True)]
        return sorted(items, key=_text) if isinstance(value, set | frozenset) else items
    return written
