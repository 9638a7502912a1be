"""Any Python value, seeded: what a caller may hand to an operation, likely ones, odd ones and hostile ones."""

from __future__ import annotations

import math
import random
import uuid
from collections import OrderedDict, UserDict, defaultdict, deque, namedtuple
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from fractions import Fraction
from typing import Any, NoReturn

import numpy
from pydantic import BaseModel


class Colour(Enum):
    RED = "red"


class Old(str, Enum):  # noqa: UP042 (formatted as Old.HIGH, not as high)
    HIGH = "high"
    DEFAULT = "default"
    ECHO = "demo.echo"


class Name(StrEnum):
    LOW = "low"


class Number(IntEnum):
    ONE = 1


class Model(BaseModel):
    value: Any = 1
    list_: list[Any] = []


@dataclass
class Data:
    value: Any = None


class Sneaky(str):
    """A text that says otherwise when it is asked."""

    def __str__(self) -> str:
        return "sneaky"

    def __format__(self, spec: str) -> str:
        return "sneaky"


class Hostile:
    """Raises at whatever is asked of it."""

    def _raise(self, *_: object) -> NoReturn:
        raise RuntimeError("hostile\nin two lines")

    __repr__ = __str__ = __eq__ = __hash__ = __bool__ = __len__ = __iter__ = __getitem__ = __format__ = _raise  # type: ignore[assignment]
    __lt__ = __int__ = __float__ = __index__ = _raise


class HostileDict(dict):  # type: ignore[type-arg]
    """A dict that can't be looked at."""

    def _raise(self, *_: object) -> NoReturn:
        raise ValueError("hostile")

    __repr__ = items = keys = get = __eq__ = __iter__ = __getitem__ = _raise  # type: ignore[assignment]


class HostileText(str):
    def _raise(self, *_: object) -> NoReturn:
        raise ValueError("hostile")

    __eq__ = __hash__ = __repr__ = __str__ = __len__ = replace = encode = strip = lower = _raise  # type: ignore[assignment]


Pair = namedtuple("Pair", "a b")


def endless() -> Iterator[str]:
    while True:
        yield "tag"


def breaking() -> Iterator[str]:
    yield "tag"
    raise RuntimeError("it breaks\nin two lines")


def _cyclic() -> list[Any]:
    cycle: list[Any] = [1]
    cycle.append(cycle)
    return cycle


def _deep(levels: int) -> Any:
    value: Any = 0
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


ATOMS: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 3, 100, 2**31, -(2**63), 2**63, 2**64 - 1, 2**64, 10**400, 0.0, -0.0, 0.5, 1.0,
    1e16,
    1e20, 1e300, 5e-324, math.nan, math.inf, -math.inf, "", " ", "a", "high", "default", "demo.echo", "é", "漢字", "🙂",
    "a\x00b", "\ud800", "\udcff", "\u2028", "\ufeff", "\r\n", "\t", "\\", '"', "'", "%s", "{}", "{x!r}", "x" * 200,
    "x" * 201, "x" * 5_000, b"", b"a", b"\xff\x00", bytearray(b"x"), memoryview(b"x"), Decimal("1.5"), Decimal("NaN"),
    Fraction(1, 3), 1j, uuid.UUID(int=0), uuid.UUID("0199c0de-0000-7000-8000-000000000001"),
    "0199c0de-0000-7000-8000-000000000001",
    datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC), datetime.min, datetime.max.replace(tzinfo=UTC),
    date(2026, 1, 1),
    "2026-01-01T00:00:00+00:00", "2026-01-01", "9999-12-31T23:59:59+14:00", timedelta(seconds=5), timedelta.max,
    range(3),
    (), [], {}, set(), {"a"}, frozenset({1}), deque([1]), OrderedDict(z=1, a=2), defaultdict(list, a=[1]),
    UserDict(a=1),
    {1: 2}, {None: 1}, {("a",): 1}, {"": 1}, {"a\x00": 1}, {"\ud800": 1}, [math.nan], {"a": {"b": [math.inf]}},
    Pair(1, 2), Data(), Model(), Model(value=object()), Colour.RED, Old.HIGH, Old.DEFAULT, Old.ECHO, Name.LOW,
    Number.ONE,
    Sneaky("high"), Sneaky("default"), Sneaky("x"), object(), object, len, Hostile(), HostileDict(a=1),
    HostileText("high"),
    NotImplemented, ..., Exception("x"), numpy.float64(1.5), numpy.int64(3), numpy.array([1, 2]),
    numpy.float64("nan"),
)  # fmt: skip
PLAIN: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**63, 2**64 - 1, -(2**63), 0.0, -0.0, 1.0, 1e16, 1e20, 1.5e300, 5e-324, "", "x",
    "é🙂", '\\u0000"', "a\nb\t", "\x7f\x1b",
)  # fmt: skip
MADE = (endless, breaking, _cyclic, lambda: _deep(63), lambda: _deep(65), lambda: _deep(300), lambda: _deep(5_000),
        lambda: (n for n in "ab"), lambda: map(str, [1]), lambda: "x" * (1 << 20), lambda: [0] * 600_000)  # fmt: skip
RARELY = 0.02  # what is made anew, and is large


def odd(chance: random.Random, depth: int = 0) -> Any:
    """Any value, sometimes with others in it."""
    draw = chance.random()
    if draw < RARELY:
        return chance.choice(MADE)()
    if draw < 0.3 and depth < 4:
        inside = [odd(chance, depth + 1) for _ in range(chance.randrange(4))]
        if chance.random() < 0.5:
            return chance.choice([list, tuple, deque])(inside)
        return {chance.choice(["z", "a", "é", "", "input", "n"]) + str(at): one for at, one in enumerate(inside)}
    return chance.choice(ATOMS)


def plain(chance: random.Random, depth: int = 0) -> Any:
    """A value that JSON has and that can be stored."""
    if depth < 4 and chance.random() < 0.4:
        inside = [plain(chance, depth + 1) for _ in range(chance.randrange(4))]
        if chance.random() < 0.5:
            return inside
        return {chance.choice(["z", "a", "é", "", "\u2028", "b.c"]) + str(at): one for at, one in enumerate(inside)}
    return chance.choice([*PLAIN, chance.randrange(1 << 40), chance.random()])
