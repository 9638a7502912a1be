"""Names what a run time is predicted from: all tasks, the type, its creator, and the size of the input (pure).

Each level is more specific than the one before, so that a prediction can start from the general and be corrected by
what is known of tasks like this one.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson

Keys = tuple[str, str, str, str]
Fields = tuple[tuple[str, ...], ...]  # of each field the names that it may have in an input

EVERYTHING = ""
TASKS = "task:"  # begins the creator of a task that a running task submitted: they are all one
MAX_SIZE_LENGTH = 64  # characters; a longer one is known by its hash
MAX_CREATOR_LENGTH = 64  # characters, likewise
_SEPARATOR = "\n"  # no type has one, and escaped in the other parts
NOTHING = "-"


@lru_cache(maxsize=20_000)
def keys_of(task_type: str, creator: str, size: str) -> Keys:
    """Returns the keys of a task, the most general one first."""
    by = TASKS if creator.startswith(TASKS) else _short(creator, MAX_CREATOR_LENGTH)
    return (
        EVERYTHING,
        task_type,
        _SEPARATOR.join((task_type, by)),
        _SEPARATOR.join((task_type, by, size)),
    )


def levels_of(task_type: str, creator: str, size: str | None) -> tuple[str, ...]:
    """Returns the keys of a task; without the last one if its size is not known."""
    keys = keys_of(task_type, creator, size or "")
    return keys if size is not None else keys[:3]


def parts_of(key: str) -> tuple[str, ...]:
    """Returns the type, creator and size that a key names: none for everything, or the first one, two or three."""
    return tuple(key.split(_SEPARATOR)) if key else ()


def levels_of_key(key: str) -> tuple[str, ...]:
    """Returns a key and those above it, the most general one first."""
    parts = parts_of(key)
    return (EVERYTHING, *(_SEPARATOR.join(parts[:count]) for count in range(1, len(parts) + 1)))


def size_of_bytes(length: int) -> str:
    """Returns the size of an input by its length in bytes: the number of its binary digits."""
    return str(length.bit_length())


def input_size(predict_by: Fields, input_json: str) -> str:
    """Returns the size of an input (a JSON object): by the fields that its type declares, else by its length."""
    if not predict_by:
        return size_of_bytes(len(input_json))
    return size_by(predict_by, orjson.loads(input_json))


def size_by(fields: Fields, values: Mapping[str, Any]) -> str:
    """Returns the size of an input by some of its fields: numbers and lengths by powers of two, others as they are."""
    return _short(",".join(_part(_value(names, values)) for names in fields), MAX_SIZE_LENGTH)


def _value(names: Sequence[str], values: Mapping[str, Any]) -> Any:
    return next((values[name] for name in names if name in values), None)


def _part(value: Any) -> str:
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return _power(value)
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping | Sequence):
        return _power(len(value))
    return str(value)


def _power(number: float) -> str:
    """Returns the power of two that a number is next to, with the sign of a negative one."""
    if number == 0 or not math.isfinite(number):
        return "0" if number == 0 else NOTHING
    return f"{'-' if number < 0 else ''}2^{round(math.log2(abs(number)))}"


def _short(text: str, limit: int) -> str:
    clean = text.replace(_SEPARATOR, " ")
    if len(clean) <= limit and clean == text:
        return text
    return "#" + hashlib.blake2b(text.encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()
