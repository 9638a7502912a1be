"""Defines a workflow that is checked completely and not stored yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from taskyard.core.edges import Condition
from taskyard.core.new_task import Submission

WORKFLOW, GROUP = "workflow", "group"
Shape = Mapping[str, str | list[str]]  # keys of tasks as they were given: a task's own, or those of a group


class Submitted(NamedTuple):
    """A stored workflow: its id, and the id of each task by its key; of a group, the ids in order."""

    id: str
    tasks: dict[str, str | list[str]]


@dataclass(frozen=True, slots=True)
class CheckedTask:
    """A task of a checked workflow: its key, the keys of its parents, and whether its input has references."""

    key: str
    submission: Submission
    parents: Mapping[str, Condition]
    is_template: bool


@dataclass(frozen=True, slots=True)
class CheckedWorkflow:
    """A workflow that is not stored yet. `shape` has the keys of its tasks as they were given."""

    id: str
    kind: str
    name: str
    title: str | None
    idempotency_key: str | None
    content_hash: str | None
    created_by: str
    parent_task_id: str | None
    tasks: Sequence[CheckedTask]
    shape: Mapping[str, str | list[str]]
    scheduled_for: datetime | None = None  # the fire time for which a schedule submits it

    def size(self) -> int:
        """Returns the bytes of all inputs."""
        return sum(one.submission.size_bytes() for one in self.tasks)

    def submitted(self, workflow_id: str, ids: Mapping[str, str]) -> Submitted:
        """Returns the ids of the stored tasks, by key, in the shape in which they were given."""
        return Submitted(
            workflow_id,
            {key: ids[one] if isinstance(one, str) else [ids[key] for key in one] for key, one in self.shape.items()},
        )
