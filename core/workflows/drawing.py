"""Draws a graph of tasks as text: a line for each task or group, in layers (pure)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len, set_cell_size

from taskyard.core.edges import Condition
from taskyard.core.workflows.graph import layers

WIDTH = 80  # columns
MAX_PARENTS = 3  # that a line names


@dataclass(frozen=True, slots=True)
class DrawnTask:
    """A task of a graph: its key, type, the conditions of its parents by their keys, and its state if it has one."""

    key: str
    type: str
    parents: Mapping[str, Condition]
    state: str | None = None


@dataclass(slots=True)
class _Line:
    """Equal tasks: those of a group that are in one layer."""

    name: str
    type: str
    count: int = 0
    parents: dict[str, None] = field(default_factory=dict)
    states: Counter[str] = field(default_factory=Counter)

    @property
    def label(self) -> str:
        return self.name if self.count == 1 else f"{self.name} ×{self.count:,}"


def drawn(tasks: Iterable[DrawnTask], width: int = WIDTH) -> list[str]:
    """Returns the lines of a graph: its layers from the top, each task or group with what it starts after."""
    by_key = {one.key: one for one in tasks}
    found = layers({key: [one for one in task.parents if one in by_key] for key, task in by_key.items()})
    rows = [(number, line) for number, keys in enumerate(found, 1) for line in _lines(by_key, keys)]
    if not rows:
        return []
    names = min(max(cell_len(line.label) for _, line in rows), width // 3)
    types = min(max(cell_len(line.type) for _, line in rows), width // 3)
    digits = len(str(rows[-1][0]))
    drawn_rows, last = [], 0
    for number, line in rows:
        head = f"{number if number != last else '':>{digits}} {'┬' if number != last else '│'}"
        text = f"{head} {_fitted(line.label, names)}  {_fitted(line.type, types)}  {_tail(line)}"
        drawn_rows.append(_cut(text.rstrip(), width))
        last = number
    return drawn_rows


def _lines(by_key: Mapping[str, DrawnTask], keys: Sequence[str]) -> list[_Line]:
    found: dict[tuple[str, str], _Line] = {}
    for key in keys:
        task = by_key[key]
        name = _group(key)
        line = found.setdefault((name, task.type), _Line(name, task.type))
        line.count += 1
        for parent, condition in task.parents.items():
            suffix = "" if condition is Condition.COMPLETED else f" ({condition.value})"
            line.parents[_group(parent) + suffix] = None
        if task.state is not None:
            line.states[task.state] += 1
    for (name, _), line in found.items():
        if line.count == 1:  # alone: a task, or the only member of its group
            line.name = next(key for key in keys if _group(key) == name and by_key[key].type == line.type)
    return list(found.values())


def _group(key: str) -> str:
    return key.partition("/")[0]


def _tail(line: _Line) -> str:
    parts = []
    if line.states:
        states = line.states.most_common()
        parts.append(states[0][0] if line.count == 1 else ", ".join(f"{count:,} {state}" for state, count in states))
    if line.parents:
        names = list(line.parents)
        more = f", +{len(names) - MAX_PARENTS}" if len(names) > MAX_PARENTS else ""
        parts.append("← " + ", ".join(names[:MAX_PARENTS]) + more)
    return "  ".join(parts)


def _cut(text: str, width: int) -> str:
    """Returns a text in so many columns of a terminal, where some characters take two."""
    return text if cell_len(text) <= width else set_cell_size(text, width - 1).rstrip() + "…"


def _fitted(text: str, width: int) -> str:
    """Returns a text that takes exactly so many columns."""
    return set_cell_size(_cut(text, width), width)
