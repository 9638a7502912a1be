"""Reads due templates of inputs and the outputs that they refer to, and stores what is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from taskyard.core.models import Waiting
from taskyard.core.postgres.arrays import plain, quoted
from taskyard.core.postgres.database import Transaction, queries

SLICE = 200  # templates in one transaction
SLICE_BYTES = 2 << 20  # of what a slice's templates and their parents' outputs take in storage


class DueInput(NamedTuple):
    """A template of a locked task that waits for nothing else; `template` is JSON text."""

    id: str
    type: str
    template: str


class DueSlice(NamedTuple):
    """A slice of due templates; with `is_full` there may be more."""

    inputs: list[DueInput]
    is_full: bool


class Template(NamedTuple):
    """A template as JSON text, and whether the input was made of it."""

    template: str
    is_made: bool


class Part(NamedTuple):
    """A part of a task's output: the tokens of its JSON pointer."""

    task_id: str
    pointer: tuple[str, ...]


def due(tx: Transaction, limit: int = SLICE, limit_bytes: int = SLICE_BYTES) -> DueSlice:
    """Returns a slice of due templates, and locks their tasks; forgets those whose tasks do not wait for them."""
    rows = tx.rows(queries("workflow_inputs")["due"], {"limit": limit, "bytes": limit_bytes})
    useless = [row[0] for row in rows if not row[2]]
    if useless:
        tx.rows(queries("workflow_inputs")["forget"], {"ids": plain(useless)})
    inputs = [DueInput(id_, type_, template) for id_, _, waits, type_, template in rows if waits]
    return DueSlice(inputs, any(row[1] for row in rows))


def template(tx: Transaction, task_id: str) -> Template | None:
    """Returns the template of a task's input; None if it was submitted as it is."""
    rows = tx.rows(queries("workflow_inputs")["template"], {"id": task_id})
    return Template(*rows[0]) if rows else None


def parents(tx: Transaction, ids: Sequence[str]) -> dict[str, dict[str | None, str]]:
    """Returns the ids of these tasks' parents by their keys; the key None stands for one that no longer exists."""
    found: dict[str, dict[str | None, str]] = {id_: {} for id_ in ids}
    for child, parent, key, exists in tx.rows(queries("workflow_inputs")["parents"], {"ids": plain(ids)}):
        if key is not None or not exists:
            found[child][key] = parent
    return found


def sizes(tx: Transaction, wanted: Sequence[Part]) -> list[int | None]:
    """Returns the bytes of parts of outputs as JSON; None: there is no such part."""
    return [row[0] for row in tx.rows(queries("workflow_inputs")["sizes"], _columns(wanted))]


def parts(tx: Transaction, wanted: Sequence[Part]) -> list[str]:
    """Returns parts of outputs that exist, as JSON text."""
    return [row[0] for row in tx.rows(queries("workflow_inputs")["parts"], _columns(wanted))]


def store(tx: Transaction, made: Sequence[tuple[str, str]]) -> list[Waiting]:
    """Stores inputs (id, JSON text); returns the tasks, which wait for an agent now."""
    ids, inputs = zip(*made, strict=True)
    rows = tx.rows(queries("workflow_inputs")["store"], {"ids": plain(ids), "inputs": quoted(inputs)})
    return [Waiting.from_row(row) for row in rows]


def fail(tx: Transaction, failures: Sequence[tuple[str, str]]) -> list[str]:
    """Fails tasks with errors (id, JSON text); returns their ids."""
    ids, errors = zip(*failures, strict=True)
    return [
        row[0] for row in tx.rows(queries("workflow_inputs")["fail"], {"ids": plain(ids), "errors": quoted(errors)})
    ]


def _columns(wanted: Sequence[Part]) -> dict[str, str]:
    return {"ids": plain(one.task_id for one in wanted), "paths": quoted(quoted(one.pointer) for one in wanted)}
