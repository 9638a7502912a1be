"""Reads the definition of a workflow: its tasks and groups by key, their edges and references (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import orjson
from pydantic import BaseModel

from taskyard.core.edges import Condition
from taskyard.core.errors import SubmissionError
from taskyard.core.i18n import TranslatableText, msg
from taskyard.core.payload.culprits import in_field, refused
from taskyard.core.workflows.graph import cycle_text, cycles_in
from taskyard.core.workflows.references import Found, Reference, references_in, with_empty_lists

MAX_TASKS = 10_000
MAX_EDGES = 100_000
MAX_SHOWN = 12  # keys that a message names
KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_KEY_TEXT = msg("a key of 1 to 64 letters, digits or _.-, beginning with a letter or digit")
_TASKS = msg("an object of tasks, or lists of tasks, by key")
_TASK = msg("a task: an object with type, input and options")
_CONDITIONS = ", ".join(Condition)


@dataclass(slots=True)
class Node:
    """A task of a workflow. `place` is where it is in the definition, `parents` what it waits for, by key.

    `is_readable`: nothing in its input looks like a reference and is none.
    """

    key: str
    place: str
    given: Mapping[str, Any]
    is_readable: bool = True
    references: list[Found] = field(default_factory=list)
    parents: dict[str, Condition] = field(default_factory=dict)


@dataclass(slots=True)
class Definition:
    """The tasks of a workflow by key, and the keys of the members of each group."""

    nodes: dict[str, Node] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    edges: int = 0

    def parents(self) -> dict[str, list[str]]:
        """Returns the keys of each task's parents, by its key."""
        return {key: list(node.parents) for key, node in self.nodes.items()}

    def referred(self, reference: Reference) -> list[str]:
        """Returns the keys of the tasks that a reference names."""
        return self.groups[reference.key] if reference.is_group else [reference.key]

    def shape(self) -> dict[str, str | list[str]]:
        """Returns the keys as they were given: a task's own, or the list of those of a group."""
        alone = {key: key for key in self.nodes if "/" not in key}
        return {**alone, **self.groups}


def member_key(group: str, at: int) -> str:
    """Returns the key of a group's task by its position from 0."""
    return f"{group}/{at}"


def read_definition(tasks: object) -> tuple[Definition, list[SubmissionError]]:
    """Returns the definition and everything that is wrong with its form, its edges and its references' names."""
    found, problems = Definition(), []
    if not isinstance(tasks, Mapping) or not tasks:
        return found, [refused("tasks", tasks, _TASKS)]
    count = sum(len(one) if isinstance(one, list | tuple) else 1 for one in tasks.values())
    if count > MAX_TASKS:
        return found, [refused("tasks", count, msg("at most {limit:,} tasks", limit=MAX_TASKS))]
    for key, given in tasks.items():
        if not isinstance(key, str) or not KEY.fullmatch(key):
            problems.append(refused("tasks", key, _KEY_TEXT))
        elif isinstance(given, list | tuple):
            found.groups[key] = [member_key(key, at) for at in range(len(given))]
            for at, one in enumerate(given):
                problems += _add(found, member_key(key, at), f"tasks.{key}.{at}", one)
        else:
            problems += _add(found, key, f"tasks.{key}", given)
    if not found.nodes and not problems:
        return found, [refused("tasks", tasks, msg("at least one task"))]
    for node in found.nodes.values():
        problems += _connect(found, node)
        if found.edges > MAX_EDGES:
            limit = msg("at most {limit:,} edges between tasks", limit=MAX_EDGES)
            return found, [*problems, refused("tasks", found.edges, limit)]
    if not problems:
        for cycle in islice(cycles_in(found.parents()), MAX_SHOWN):
            circle = msg("tasks that do not wait for each other in a circle: {keys}", keys=cycle_text(cycle))
            problems.append(refused(_place_of_edge(found, found.nodes[cycle[0]], cycle[1]), cycle[1], circle))
    return found, problems


def _place_of_edge(found: Definition, node: Node, parent: str) -> str:
    """Returns where a task says that it waits for another one: in `after`, or by a reference in its input."""
    if not any(parent in (_keys_of(found, key) or ()) for key in node.given.get("after") or ()):
        for one in node.references:
            if parent in found.referred(one.reference):
                return ".".join(map(str, (node.place, "input", *one.path)))
    return f"{node.place}.after"


def types_in(call: bytes) -> list[str]:
    """Returns the names of the types in the JSON of a call, as far as they are texts."""
    given = orjson.loads(call)
    tasks = given.get("tasks") if isinstance(given, dict) else None
    parts = tasks.values() if isinstance(tasks, dict) else tasks if isinstance(tasks, list) else ()
    members = [one for part in parts for one in (part if isinstance(part, list) else [part])]
    return sorted({one["type"] for one in members if isinstance(one, dict) and isinstance(one.get("type"), str)})


def _add(found: Definition, key: str, place: str, given: object) -> list[SubmissionError]:
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        return [refused(place, given, _TASK)]
    node = Node(key, place, given)
    found.nodes[key] = node
    if "input" not in given or isinstance(given["input"], BaseModel):
        return []
    node.references, problems = references_in(given["input"])
    node.is_readable = not problems
    return [in_field(problem, f"{place}.{problem.field}") for problem in problems]


def _connect(found: Definition, node: Node) -> Iterator[SubmissionError]:
    """Adds a task's edges; yields what is wrong with them."""
    given = node.given.get("after")
    after = [] if given is None else given
    when = node.given.get("when")
    condition = Condition.COMPLETED if when is None else when
    if not isinstance(after, list | tuple):
        yield refused(f"{node.place}.after", after, msg("a list of keys"))
        after = ()
    if not isinstance(condition, str) or condition not in set(Condition):
        yield refused(f"{node.place}.when", when, msg("one of {names}", names=_CONDITIONS))
        condition = Condition.COMPLETED
    elif when is not None and not after:
        yield refused(f"{node.place}.when", when, msg("none without `after`: it says how those tasks must end"))
    for at, key in enumerate(after):
        keys = _keys_of(found, key)
        if keys is None:
            yield refused(f"{node.place}.after.{at}", key, _known_keys(found))
        elif key in after[:at]:
            yield refused(f"{node.place}.after.{at}", key, msg("each key only once"))
        else:
            node.parents |= dict.fromkeys(keys, Condition(condition))
    for reference in node.references:
        yield from _refer(found, node, reference)
    if not node.parents and after and condition == Condition.FAILED:
        yield refused(f"{node.place}.when", when, msg("tasks to wait for: these groups are empty"))
    _fill_in_empty_groups(found, node)
    found.edges += len(node.parents)


def _fill_in_empty_groups(found: Definition, node: Node) -> None:
    """Puts the outputs of groups without tasks into the input: the empty list."""
    empty = [
        one.path for one in node.references if one.reference.is_group and found.groups.get(one.reference.key) == []
    ]
    if empty:
        node.references = [one for one in node.references if one.path not in empty]
        node.given = {**node.given, "input": with_empty_lists(node.given["input"], empty)}


def _refer(found: Definition, node: Node, one: Found) -> Iterator[SubmissionError]:
    """Adds the edges of a reference."""
    place = ".".join(map(str, (node.place, "input", *one.path)))
    key, is_group = one.reference.key, one.reference.is_group
    if is_group and key not in found.groups:
        is_task = key in found.nodes
        yield refused(place, key, msg("a group: use ref for a single task") if is_task else _known_keys(found))
    elif not is_group and key not in found.nodes:
        is_known = key in found.groups
        yield refused(place, key, msg("a single task: use ref_all for a group") if is_known else _known_keys(found))
    else:
        for parent in found.referred(one.reference):
            if node.parents.setdefault(parent, Condition.COMPLETED) is not Condition.COMPLETED:
                expected = msg("no reference to a task that `when` lets end otherwise than completed")
                yield refused(place, key, expected)
                return


def _keys_of(found: Definition, key: object) -> Sequence[str] | None:
    if not isinstance(key, str):
        return None
    return found.groups.get(key, [key] if key in found.nodes else None)


def _known_keys(found: Definition) -> TranslatableText:
    keys = [key for key in found.nodes if "/" not in key] + list(found.groups)
    shown = ", ".join(keys[:MAX_SHOWN]) + (", …" if len(keys) > MAX_SHOWN else "")
    return msg("a key of this workflow: {keys}", keys=shown)
