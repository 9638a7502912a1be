"""Makes a task's input of its template and its parents' outputs (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from taskyard.core.errors import SubmissionError
from taskyard.core.payload.culprits import field_of
from taskyard.core.payload.storable_json import refusal
from taskyard.core.workflows.references import Found, Path, Reference, references_in, replaced

Parents = Mapping[str | None, str]  # ids of tasks by their keys; None: one that no longer exists
Wanted = tuple[str, tuple[str, ...]]  # a task's id, and the tokens of a pointer into its output


class NoInput(Exception):
    """No input can be made; the text says why, on one line."""


@dataclass(slots=True)
class Making:
    """What one input is made of: the parts of outputs that each of its references names, by its place."""

    template: Any
    references: list[Found]
    wanted: dict[Path, list[Wanted]] = field(default_factory=dict)

    @classmethod
    def begin(cls, template: str, parents: Parents) -> Making:
        """Reads a template; raises NoInput if a parent that it refers to no longer exists."""
        value = orjson.loads(template)
        references, _ = references_in(value)  # checked when it was submitted
        made = cls(value, references)
        groups = _groups(parents)
        for place, reference in references:
            ids = groups.get(reference.key, []) if reference.is_group else _listed(parents.get(reference.key))
            if not ids or (reference.is_group and None in parents):
                raise NoInput(f"{_name(place)}: {reference} is of a task that no longer exists")
            made.wanted[place] = [(id_, reference.pointer) for id_ in ids]
        return made

    def check_sizes(self, sizes: Mapping[Wanted, int | None], limit_bytes: int) -> None:
        """Raises NoInput if a part does not exist, or they are too large together."""
        total = 0
        for place, reference in self.references:
            for wanted in self.wanted[place]:
                size = sizes[wanted]
                if size is None:
                    raise NoInput(f"{_name(place)}: {reference}: the output of task {wanted[0]} has no such part")
                total += size
                if total > limit_bytes:
                    raise NoInput(
                        f"{_name(place)}: with {reference} of task {wanted[0]} the input has more than "
                        f"the limit of {limit_bytes} bytes"
                    )

    def made(self, parts: Mapping[Wanted, str], limit_bytes: int) -> str:
        """Returns the input as JSON text; raises NoInput if it can't be stored."""

        def part(place: Path, reference: Reference) -> object:
            found = [orjson.Fragment(parts[wanted]) for wanted in self.wanted[place]]
            return found if reference.is_group else found[0]

        text = orjson.dumps(replaced(self.template, part)).decode()
        problem = refusal(text, limit_bytes)
        if problem is not None:
            raise NoInput(f"input: it {problem}; {self.account('input')}")
        return text

    def problem(self, error: SubmissionError) -> NoInput:
        """Returns the error of an input that does not fit its model, with the reference and the parent that gave it."""
        return NoInput(f"{error.text} ({self.account(error.field)})")

    def account(self, field: str) -> str:
        """Returns which references, of which tasks, gave a part of the input."""
        places = [one for one in self.references if _contains(_name(one.path), field)] or self.references
        place, reference = places[0]
        ids = [id_ for id_, _ in self.wanted[place]]
        tasks = f"task {ids[0]}" if len(ids) == 1 else f"{len(ids)} tasks, the first {ids[0]}"
        more = f", and {len(places) - 1} more references" if len(places) > 1 else ""
        return f"{_name(place)} is {reference}, of {tasks}{more}"


def _contains(place: str, field: str) -> bool:
    return field == place or field.startswith(f"{place}.")


def _name(path: Path) -> str:
    return field_of(["input", *path])


def _listed(id_: str | None) -> list[str]:
    return [] if id_ is None else [id_]


def _groups(parents: Parents) -> dict[str, Sequence[str]]:
    """Returns the ids of the tasks of each group in order."""
    members: dict[str, dict[int, str]] = {}
    for key, id_ in parents.items():
        group, _, at = (key or "").rpartition("/")
        if group:
            members.setdefault(group, {})[int(at)] = id_
    return {group: [found[at] for at in sorted(found)] for group, found in members.items()}
