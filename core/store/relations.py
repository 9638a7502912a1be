"""Who belongs to a task: who submitted it, what it submitted, what it waits for and what waits for it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from core.database import Transaction, queries
from core.models import Task
from core.store.arrays import plain, quoted

MOST = 100  # of each kind

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Relative:
    """A task in few words."""

    id: str
    type: str
    title: str | None
    state: str

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> Self:
        return cls(*row)


@dataclass(frozen=True, slots=True)
class Relatives:
    """At most MOST of each kind; what a task waited for once is not kept, and `workflow_id` is the id of its root."""

    parents: tuple[Relative, ...]
    children: tuple[Relative, ...]
    awaited: tuple[Relative, ...]
    dependants: tuple[Relative, ...]
    workflow_id: str | None

    @property
    def is_alone(self) -> bool:
        """Whether there are none."""
        return not (self.parents or self.children or self.awaited or self.dependants or self.workflow_id)


def relatives(tx: Transaction, task: Task) -> Relatives:
    """The tasks that belong to one."""
    keys = [f"{task.id}/{ordinal}" for ordinal in range(1, MOST + 1)]
    children = _read(tx.rows(queries("relations")["children"], {"keys": quoted(keys)}))
    return Relatives(
        parents=_read(tx.rows(queries("relations")["named"], {"ids": plain(_parent_ids(task))})),
        children=children,
        awaited=_read(tx.rows(queries("relations")["awaited"], {"id": task.id, "limit": MOST})),
        dependants=_read(tx.rows(queries("relations")["dependants"], {"id": task.id, "limit": MOST})),
        workflow_id=task.workflow_id or (task.id if children else None),
    )


def _parent_ids(task: Task) -> list[str]:
    """The task that submitted it: its key names it, whoever it says it was submitted by."""
    parent, _, ordinal = (task.idempotency_key or "").partition("/")
    return [parent] if task.workflow_id and ordinal.isdecimal() and _UUID.fullmatch(parent) else []


def _read(rows: Sequence[Sequence[Any]]) -> tuple[Relative, ...]:
    return tuple(Relative.from_row(row) for row in rows)
