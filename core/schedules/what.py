"""Defines what a schedule submits, a task or a workflow, and checks what is said of it (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeAlias

import orjson
from pydantic import BaseModel

from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused, required
from taskyard.core.payload.exact_json import model_json
from taskyard.core.schedules.fire_time import FireTime, asks_for_it

DEFAULT_QUEUE = "default"
# Options of a submission that a schedule's tasks may have.
TASK_OPTIONS = ("title", "queue", "priority", "timeout_seconds", "max_attempts", "requires")
_TASK_FIELDS = ("kind", "type", "input", "options")
_WORKFLOW_FIELDS = ("kind", "name", "title", "tasks")
_WHAT = msg("what to submit: a task's type, with its input and options, or a workflow's name and tasks")
_TYPE = msg("the name of a task type")


class Kind(StrEnum):
    """What a schedule submits."""

    TASK = "task"
    WORKFLOW = "workflow"


@dataclass(frozen=True, slots=True)
class What:
    """The task that is submitted at each fire time. `options` are of TASK_OPTIONS."""

    type: str
    input: Any
    options: Mapping[str, Any]

    kind = Kind.TASK

    @property
    def queue(self) -> str:
        return str(self.options.get("queue") or DEFAULT_QUEUE)

    @property
    def label(self) -> str:
        """Returns what lists call it."""
        return self.type

    def kinds(self) -> set[tuple[str, str]]:
        """Returns the queues and types of its tasks."""
        return {(self.queue, self.type)}

    def filled(self, fire_time: FireTime) -> What:
        """Returns it with the fire time where its input asks for it; raises SubmissionError."""
        return replace(self, input=fire_time.filled(self.input, "input")) if asks_for_it(self.input) else self

    def without_inputs(self) -> What:
        """Returns it for those who may not see inputs."""
        return replace(self, input=None)

    def as_json(self) -> dict[str, Any]:
        """Returns it as stored."""
        return {"kind": self.kind.value, "type": self.type, "input": self.input, "options": dict(self.options)}


@dataclass(frozen=True, slots=True)
class WorkflowWhat:
    """The workflow that is submitted at each fire time. `tasks` is its definition: tasks, or lists of them, by key."""

    name: str
    title: str | None
    tasks: Mapping[str, Any]

    kind = Kind.WORKFLOW

    @property
    def label(self) -> str:
        """Returns what lists call it."""
        return self.name

    def kinds(self) -> set[tuple[str, str]]:
        """Returns the queues and types of its tasks, as far as they are texts."""
        found = {(one.get("queue") or DEFAULT_QUEUE, one.get("type")) for one in self.members()}
        return {(queue, type_) for queue, type_ in found if isinstance(queue, str) and isinstance(type_, str)}

    def members(self) -> Iterator[Mapping[str, Any]]:
        """Yields its tasks, as far as they are objects."""
        for given in self.tasks.values():
            yield from (one for one in (given if isinstance(given, list) else [given]) if isinstance(one, Mapping))

    def filled(self, fire_time: FireTime) -> WorkflowWhat:
        """Returns it with the fire time where inputs ask for it; raises SubmissionError."""
        return replace(self, tasks=fire_time.filled_tasks(self.tasks))

    def without_inputs(self) -> WorkflowWhat:
        """Returns it for those who may not see inputs."""
        return replace(self, tasks={key: _mapped(given, _without_input) for key, given in self.tasks.items()})

    def as_json(self) -> dict[str, Any]:
        """Returns it as stored, and as a file of `workflow submit` has it, besides its kind."""
        return {"kind": self.kind.value, "name": self.name, "title": self.title, "tasks": dict(self.tasks)}


AnyWhat: TypeAlias = What | WorkflowWhat


def check_what(value: object) -> AnyWhat:
    """Returns what a schedule submits; whoever knows the task types checks the tasks. Raises SubmissionError."""
    if isinstance(value, What | WorkflowWhat):
        return value
    if not isinstance(value, Mapping):
        raise refused("what", value, _WHAT)
    given = {name: part for name, part in value.items() if part is not None}
    kind = given.get("kind", Kind.WORKFLOW if "tasks" in given and "type" not in given else Kind.TASK)
    if not isinstance(kind, str) or kind not in set(Kind):
        raise refused("what.kind", kind, msg("one of {names}", names=", ".join(Kind)))
    known = _WORKFLOW_FIELDS if kind == Kind.WORKFLOW else _TASK_FIELDS
    for name in given:
        if name not in known and not (name == "options" and not given[name]):
            raise refused("what", name, msg("one of {names}", names=", ".join(known)))
    return _workflow(given) if kind == Kind.WORKFLOW else _task(given)


def _task(given: Mapping[str, Any]) -> What:
    type_, options = given.get("type"), given.get("options", {})
    if type_ is None:
        raise required("what.type", _TYPE)
    if not isinstance(type_, str):
        raise refused("what.type", type_, _TYPE)
    if not isinstance(options, Mapping):
        raise refused("what.options", options, msg("options of a submission by name"))
    for name in options:
        if name not in TASK_OPTIONS:
            raise refused("what.options", name, msg("one of {names}", names=", ".join(TASK_OPTIONS)))
    return What(type_, given.get("input"), {str(name): one for name, one in options.items() if one is not None})


def _workflow(given: Mapping[str, Any]) -> WorkflowWhat:
    name, title, tasks = (given.get(field) for field in ("name", "title", "tasks"))
    if name is None:
        raise required("what.name", msg("the name of a workflow"))
    if not isinstance(name, str):
        raise refused("what.name", name, msg("the name of a workflow"))
    if title is not None and not isinstance(title, str):
        raise refused("what.title", title, msg("a text"))
    if not isinstance(tasks, Mapping) or not tasks:
        raise refused("what.tasks", tasks, msg("an object of tasks, or lists of tasks, by key"))
    return WorkflowWhat(name, title, {key: _mapped(one, _plain) for key, one in tasks.items()})


def _mapped(given: object, change: Any) -> Any:
    return [change(one) for one in given] if isinstance(given, list | tuple) else change(given)


def _plain(task: object) -> object:
    """Returns a task with its input as JSON has it; what else is wrong with it is found where types are known."""
    if isinstance(task, Mapping) and isinstance(task.get("input"), BaseModel):
        return {**task, "input": orjson.loads(model_json(task["input"]))}
    return task


def _without_input(task: object) -> object:
    return {name: part for name, part in task.items() if name != "input"} if isinstance(task, Mapping) else task
