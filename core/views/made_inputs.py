"""Says what a task's input is made of: its template, and the tasks that its references name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from taskyard.core.payload.culprits import field_of
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import workflow_inputs
from taskyard.core.workflows.references import Reference, references_in


class Source(NamedTuple):
    """A reference and its place in the input (`input.rows.0`); `task_id` is the task that it names, None of a group."""

    place: str
    reference: Reference
    task_id: str | None


@dataclass(frozen=True, slots=True)
class MadeInput:
    """The template of an input, what it refers to, and whether the input was made of it."""

    template: Any
    sources: Sequence[Source]
    is_made: bool


def made_input_of(tx: Transaction, task_id: str) -> MadeInput | None:
    """Returns what a task's input is made of; None if it was submitted as it is. Raises Unavailable."""
    found = workflow_inputs.template(tx, task_id)
    if found is None:
        return None
    template, is_made = orjson.loads(found.template), found.is_made
    references, _problems = references_in(template)  # checked when it was submitted
    parents = workflow_inputs.parents(tx, [task_id])[task_id]
    sources = [
        Source(field_of(["input", *path]), reference, None if reference.is_group else parents.get(reference.key))
        for path, reference in references
    ]
    return MadeInput(template, sources, is_made)
