"""Folds a graph of many tasks into few shapes, by the first of several rules that leaves few enough (pure).

Every rule goes by what never changes (types, groups, edges), so that a drawing stays as it is while its tasks run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

MAX_IN_LAYER = 60  # shapes: more in one column can't be taken in
MIN_STACK = 6  # equal siblings that are one shape, even if there were room for all
ROUNDS = 8


class Folding(StrEnum):
    """What is folded: each value leaves fewer shapes than the one before."""

    SIBLINGS = "siblings"  # many tasks of one type and group with the same parents and the same children
    ALIKE = "alike"  # those of one type and group whose parents and children are folded in the same way
    CROWDS = "crowds"  # those of one type, or all, of a layer in which there are too many
    TYPES = "types"  # those of one type in the same layer
    LAYERS = "layers"  # those of one type, or all, in several layers


@dataclass(frozen=True, slots=True)
class Tasks:
    """The tasks of a graph by their positions: type, group ("" without one), layer, parents and children of each."""

    types: Sequence[str]
    groups: Sequence[str]
    layers: Sequence[int]
    parents: Sequence[Sequence[int]]
    children: Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class Folded:
    """The positions of the tasks of each shape, in their order, and the column of each shape."""

    by: Folding
    shapes: Sequence[Sequence[int]]
    columns: Sequence[int]


def folded(tasks: Tasks, most: int) -> Folded:
    """Returns the finest folding of at most `most` shapes."""
    for by, labels, width in _foldings(tasks, most):
        members: dict[Hashable, list[int]] = {}
        for at, label in enumerate(labels):
            members.setdefault(label, []).append(at)
        shapes = list(members.values())
        columns = [tasks.layers[shape[0]] // width for shape in shapes]
        if len(shapes) <= most and max(Counter(columns).values(), default=0) <= MAX_IN_LAYER:
            return Folded(by, shapes, columns)
    raise AssertionError("all layers fit into one")


def _foldings(tasks: Tasks, most: int) -> Iterator[tuple[Folding, Sequence[Hashable], int]]:
    """Yields foldings from the finest on: a label for each task, and the layers in a column."""
    siblings = _siblings(tasks)
    for least in (MIN_STACK, 2):
        yield Folding.SIBLINGS, _large(siblings, least), 1
    yield Folding.ALIKE, _alike(tasks, most), 1
    yield Folding.CROWDS, _without_crowds(_large(siblings, MIN_STACK), tasks, 1), 1
    yield Folding.TYPES, _without_crowds(list(zip(tasks.layers, tasks.types, strict=True)), tasks, 1), 1
    depth = max(tasks.layers) + 1
    widths = [2**power for power in range(depth.bit_length() + 1)]
    for width in widths[1:]:
        labels = [(layer // width, type_) for layer, type_ in zip(tasks.layers, tasks.types, strict=True)]
        yield Folding.LAYERS, _without_crowds(labels, tasks, width), width
    for width in widths:
        yield Folding.LAYERS, [layer // width for layer in tasks.layers], width


def _without_crowds(labels: Sequence[Hashable], tasks: Tasks, width: int) -> Sequence[Hashable]:
    """Returns the labels with one for each type, or for all, of a column of more than MAX_IN_LAYER shapes."""
    columns = [layer // width for layer in tasks.layers]
    shapes: dict[int, set[Hashable]] = {}
    types: dict[int, set[str]] = {}
    for column, label, type_ in zip(columns, labels, tasks.types, strict=True):
        shapes.setdefault(column, set()).add(label)
        types.setdefault(column, set()).add(type_)
    crowded = {column for column, found in shapes.items() if len(found) > MAX_IN_LAYER}
    if not crowded:
        return labels
    return [
        label if column not in crowded else ("of", column, type_ if len(types[column]) <= MAX_IN_LAYER else None)
        for column, label, type_ in zip(columns, labels, tasks.types, strict=True)
    ]


def _siblings(tasks: Tasks) -> list[int]:
    parents, children = map(frozenset, tasks.parents), map(frozenset, tasks.children)
    return _numbered(list(zip(tasks.types, tasks.groups, parents, children, strict=True)))


def _large(labels: Sequence[int], least: int) -> Sequence[Hashable]:
    """Returns labels that are shared by at least so many tasks; the others have one of their own."""
    counts: dict[int, int] = {}
    for label in labels:
        counts[label] = counts.get(label, 0) + 1
    return [label if counts[label] >= least else (at,) for at, label in enumerate(labels)]


def _alike(tasks: Tasks, most: int) -> Sequence[int]:
    """Returns the finest labels, at most `most` if there are, of tasks whose neighbours have the same labels."""
    labels = _numbered(list(zip(tasks.layers, tasks.types, tasks.groups, strict=True)))
    count = len(set(labels))
    for _round in range(ROUNDS):
        finer = _numbered(
            [
                (label, frozenset(labels[one] for one in before), frozenset(labels[one] for one in behind))
                for label, before, behind in zip(labels, tasks.parents, tasks.children, strict=True)
            ]
        )
        more = len(set(finer))
        if more > most or more == count:
            break
        labels, count = finer, more
    return labels


def _numbered(keys: Sequence[Hashable]) -> list[int]:
    """Returns a number for each key, the same for equal ones: their hashes are computed once."""
    numbers: dict[Hashable, int] = {}
    return [numbers.setdefault(key, len(numbers)) for key in keys]
