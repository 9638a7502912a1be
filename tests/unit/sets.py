"""A model that holds sets wherever a model can."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, RootModel


class Label(BaseModel):
    """May be in a set."""

    model_config = ConfigDict(frozen=True)
    name: str
    words: frozenset[str] = frozenset()


class Words(RootModel[set[str]]):
    """Is a set."""


@dataclass
class Box:
    """Holds one."""

    words: set[str]


class Sets(BaseModel):
    """Holds them all."""

    tags: set[str]
    order: list[str]
    nested: dict[str, list[frozenset[str]]]
    labels: set[Label]
    root: Words
    box: Box
    pairs: frozenset[tuple[str, int]]
    value: float
    text: str


def given() -> Sets:
    """An instance, the same in every process."""
    words: Any = {"one", "two", "three", "four", "é", "\u2028"}
    return Sets(
        tags=words,
        order=["z", "a", "m"],
        nested={"b": [frozenset(words)], "a": []},
        labels={Label(name=word, words=frozenset(words)) for word in words},
        root=Words(words),
        box=Box(words),
        pairs=frozenset((word, 1) for word in words),
        value=1e22,
        text='ü\t"',
    )
