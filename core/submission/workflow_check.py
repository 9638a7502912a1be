"""Checks a workflow completely before anything of it is stored (pure; time is an argument)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import msgspec
import uuid_utils

from taskyard.core.errors import SubmissionError, UnknownTaskType
from taskyard.core.i18n import msg
from taskyard.core.learning.prediction import Predict
from taskyard.core.payload.culprits import in_field, refused, required, together
from taskyard.core.payload.encode import check_text
from taskyard.core.payload.same_call import PREFIX, Call
from taskyard.core.submission.every_problem import every_problem, other_problems
from taskyard.core.submission.options import NODE_OPTIONS
from taskyard.core.submission.partial_inputs import template_problems
from taskyard.core.submission.reference_check import ReferenceCheck
from taskyard.core.submission.validate import Limits, check_creator, check_key, check_title, validate_submission
from taskyard.core.submission.workflow_types import KnownType, WorkflowTypes
from taskyard.core.workflows.checked import WORKFLOW, CheckedTask, CheckedWorkflow
from taskyard.core.workflows.definition import Definition, Node, read_definition
from taskyard.core.workflows.references import replaced

MAX_BYTES = 64 << 20  # of all inputs together
Value = TypeVar("Value")
_FIELDS = ("type", "input", *NODE_OPTIONS)


@dataclass(frozen=True, slots=True)
class WorkflowCall:
    """What a caller gives: see `Submitter.submit_workflow`. A handler's call names its task and boot."""

    name: Any
    tasks: Any
    kind: str = WORKFLOW
    title: Any = None
    idempotency_key: Any = None
    created_by: Any = ""
    parent_task_id: str | None = None
    creator_agent_id: str | None = None


def check_workflow(
    call: WorkflowCall, types: WorkflowTypes, limits: Limits, now: datetime, predict: Predict | None = None
) -> CheckedWorkflow:
    """Returns the workflow with the ids of its tasks; raises SubmissionError whose `parts` are all its problems.

    Fields are paths in the definition, such as `tasks.extract.input.rows`.
    """
    problems: list[SubmissionError] = []
    name = _checked(problems, lambda: _name(call.name))
    title = _checked(problems, lambda: None if call.title is None else check_title(call.title))
    creator = _checked(problems, lambda: check_creator(call.created_by))
    key = _checked(problems, lambda: _key(call, creator or ""))
    definition, found = read_definition(call.tasks)
    problems += found
    checking = _Nodes(definition, types, limits, now, creator or "", call.creator_agent_id, predict)
    checking.run()
    problems += checking.problems
    if problems:
        raise together(problems)
    size = sum(one.submission.size_bytes() for one in checking.tasks)
    if size > MAX_BYTES:
        raise refused("tasks", size, msg("inputs of at most {limit:,} bytes together", limit=MAX_BYTES))
    return CheckedWorkflow(
        id=str(uuid_utils.uuid7()),
        kind=call.kind,
        name=str(name),
        title=title,
        idempotency_key=key,
        content_hash=None if key is None else _content_hash(call.kind, str(name), title, definition, checking.tasks),
        created_by=creator or "",
        parent_task_id=call.parent_task_id,
        tasks=checking.tasks,
        shape=definition.shape(),
    )


class _Nodes:
    """Checks the tasks of a definition. `problems` are theirs, `tasks` those that have none."""

    def __init__(
        self,
        definition: Definition,
        types: WorkflowTypes,
        limits: Limits,
        now: datetime,
        creator: str,
        boot: str | None,
        predict: Predict | None,
    ) -> None:
        self.problems: list[SubmissionError] = []
        self.tasks: list[CheckedTask] = []
        self._definition = definition
        self._types = types
        self._limits = limits
        self._now = now
        self._predict = predict
        self._signed: dict[str, Any] = {"created_by": creator, "creator_agent_id": boot}
        self._known: dict[str, KnownType] = {}

    def run(self) -> None:
        """Checks each task by itself, then the references between them."""
        for key, node in self._definition.nodes.items():
            self.problems += (in_field(one, f"{node.place}.{one.field}") for one in self._check(key, node))
        references = ReferenceCheck(self._definition, self._known)
        for node in self._definition.nodes.values():
            if node.references:
                self.problems += references.problems_of(node)

    def _check(self, key: str, node: Node) -> Iterable[SubmissionError]:
        given = node.given
        found = [refused(name, given[name], _one_of_the_fields()) for name in given if name not in _FIELDS]
        options = {name: given[name] for name in given if name in _FIELDS and name not in ("after", "when")}
        type_ = options.pop("type", None)
        if not isinstance(type_, str):
            lacks = required("type", msg("the name of a task type")) if type_ is None else None
            found.append(lacks or refused("type", type_, msg("the name of a task type")))
            return [*found, *self._of_options(options)]
        try:
            self._known[key] = known = self._types.get(type_)
        except UnknownTaskType as error:
            return [*found, error, *self._of_options(options)]
        value = options.pop("input", None)
        if not node.is_readable:
            return [*found, *self._of_options(options)]
        if isinstance(value, dict | list):
            value = value if node.references else replaced(value, _never)
        registry = (self._types.for_templates if node.references else self._types.for_whole_inputs)(known)
        arguments = {"type": type_, "input": value, **options}
        try:
            submission = validate_submission(
                **arguments,
                **self._signed,
                registry=registry,
                limits=self._limits,
                now=self._now,
                predict=self._predict,
            )
        except SubmissionError:
            return [*found, *every_problem(arguments, registry, self._limits, self._now)]
        found += self._of_input(known, node, value)
        if node.references:  # of what is not there yet nothing is known
            submission = msgspec.structs.replace(submission, size=None, predicted=None)
        self.tasks.append(CheckedTask(key, submission, node.parents, bool(node.references)))
        return found

    def _of_options(self, options: Mapping[str, Any]) -> list[SubmissionError]:
        others = {name: value for name, value in options.items() if name != "input"}
        return other_problems(others, self._limits, self._now)

    def _of_input(self, known: KnownType, node: Node, value: object) -> list[SubmissionError]:
        if not node.references:
            return [] if known.published is None else known.published.check(value)
        return template_problems(known.task_type.input_model, known.published, value, node.references)


def _checked(problems: list[SubmissionError], check: Callable[[], Value]) -> Value | None:
    try:
        return check()
    except SubmissionError as error:
        problems.append(error)
        return None


def _name(value: object) -> str:
    if value is None:
        raise required("name", msg("the name of a workflow"))
    if isinstance(value, str) and not value.strip():
        raise refused("name", value, msg("a text that is not blank"))
    return check_text("name", value)


def _key(call: WorkflowCall, creator: str) -> str | None:
    return None if call.idempotency_key is None else check_key(call.idempotency_key, call.parent_task_id, creator)


def _one_of_the_fields() -> str:
    return msg("one of {names}", names=", ".join(_FIELDS))


def _never(*_: object) -> object:
    raise AssertionError("an input without references has one")


def _content_hash(kind: str, name: str, title: str | None, definition: Definition, tasks: Sequence[CheckedTask]) -> str:
    """Returns PREFIX and 32 hex digits, equal for equal calls in every process and version."""
    content = [kind, name, title, sorted(_content(definition.nodes[one.key].given, one) for one in tasks)]
    text = json.dumps(content, separators=(",", ":"))
    return PREFIX + hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _content(given: Mapping[str, Any], checked: CheckedTask) -> list[Any]:
    one = checked.submission
    call = Call(
        one.type,
        one.input_json,
        one.queue,
        one.title,
        one.priority,
        tuple(sorted(map(str, given.get("requires") or ()))),
        one.timeout_seconds if given.get("timeout_seconds") is not None else None,
        one.max_attempts if given.get("max_attempts") is not None else None,
        one.delay_seconds,
        one.run_at,
        None,
        (),
    )
    return [checked.key, call.content_hash, sorted(checked.parents.items())]
