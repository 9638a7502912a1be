"""Checks references by the schemas of what parents give and children take (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from taskyard.core.errors import SubmissionError
from taskyard.core.i18n import TranslatableText, msg
from taskyard.core.payload.culprits import refused
from taskyard.core.submission.workflow_types import KnownType
from taskyard.core.workflows.definition import MAX_SHOWN, Definition, Node
from taskyard.core.workflows.making import pointer_text
from taskyard.core.workflows.references import Found, Reference
from taskyard.core.workflows.schemas import (
    Absent,
    Place,
    item_of,
    may_fit,
    names_of,
    part_of,
    required_of,
    types_of,
    whole,
)

Wanted = tuple[str, tuple[str, ...]]  # a type, and a place in its input


class ReferenceCheck:
    """The references of one definition. What is found for equal types and places is kept."""

    def __init__(self, definition: Definition, known: Mapping[str, KnownType]) -> None:
        """`known` are the types of tasks by their keys; those of unknown types are not checked."""
        self._definition = definition
        self._known = known
        self._places: dict[Wanted, list[Place]] = {}
        self._fits: dict[tuple[int, int], bool] = {}
        self._answers: dict[tuple[Wanted, str, tuple[str, ...], bool], TranslatableText | None] = {}

    def problems_of(self, node: Node) -> Iterator[SubmissionError]:
        """Yields the references of a task that no output can satisfy."""
        child = self._known.get(node.key)
        if child is None:
            return
        for found in node.references:
            for expected in self._expected(child, found):
                place = ".".join(map(str, (node.place, "input", *found.path)))
                yield refused(place, str(found.reference), expected)
                break

    def _expected(self, child: KnownType, found: Found) -> Iterator[TranslatableText]:
        reference = found.reference
        wanted = child.task_type.name, tuple(map(str, found.path))
        if reference.key not in self._definition.groups and reference.key not in self._definition.nodes:
            return
        for key in self._definition.referred(reference) if self._is_right_kind(reference) else ():
            parent = self._known.get(key)
            if parent is None:
                continue
            question = wanted, parent.task_type.name, reference.pointer, reference.is_group
            if question not in self._answers:
                self._answers[question] = self._answer(child, wanted, parent, reference)
            expected = self._answers[question]
            if expected is not None:
                yield expected

    def _is_right_kind(self, reference: Reference) -> bool:
        return reference.is_group == (reference.key in self._definition.groups)

    def _answer(
        self, child: KnownType, wanted: Wanted, parent: KnownType, reference: Reference
    ) -> TranslatableText | None:
        """Returns what was expected instead of a reference; None if its outputs may fit."""
        parts = part_of(whole(parent.outputs()), reference.pointer)
        if isinstance(parts, Absent):
            return _absent(parts, parent, reference)
        places = self._accepted(child, wanted)
        if not places:
            return None
        if reference.is_group:
            items = [item for place in places for item in item_of(place) or ()]
            if not items:
                return msg("a place that takes a list: here it is {types}", types=_listed(types_of(places)))
            places = items
        if not parts or any(self._may_fit(one, place) for one in parts for place in places):
            return None
        if types_of(parts) == types_of(places) == ["object"]:
            return msg(
                "an object with {wanted}: the output of {type} has {names} there",
                wanted=_listed(required_of(places)),
                type=parent.task_type.name,
                names=_listed(names_of(parts)),
            )
        return msg(
            "{types}: the output of {type} is {given} there",
            types=_listed(types_of(places)),
            type=parent.task_type.name,
            given=_listed(types_of(parts)),
        )

    def _may_fit(self, given: Place, wanted: Place) -> bool:
        question = id(given.schema), id(wanted.schema)  # of schemas that are kept with their types
        if question not in self._fits:
            self._fits[question] = may_fit(given, wanted)
        return self._fits[question]

    def _accepted(self, child: KnownType, wanted: Wanted) -> list[Place]:
        """Returns what a place of the input may be; empty if nothing is known of it."""
        if wanted not in self._places:
            found: list[Place] = []
            for schema in child.inputs():
                parts = part_of(whole(schema), wanted[1])
                if not isinstance(parts, Absent):
                    found = [*found, *parts] if parts else []
                    if not parts:
                        break
            self._places[wanted] = found
        return self._places[wanted]


def _absent(absent: Absent, parent: KnownType, reference: Reference) -> TranslatableText:
    names, type_ = absent.names, parent.task_type.name
    if not names:
        return msg("a part that the output of {type} has: it has no {token!r} there", type=type_, token=absent.token)
    shown = _listed(names)
    where = pointer_text(reference.pointer[: reference.pointer.index(absent.token)])
    if where:
        return msg(
            "a part that the output of {type} has: at {place} it has {names}", type=type_, place=where, names=shown
        )
    return msg("a part that the output of {type} has: it has {names}", type=type_, names=shown)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:MAX_SHOWN]) + (", …" if len(names) > MAX_SHOWN else "") or "-"
