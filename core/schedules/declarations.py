"""Reads schedules that are declared: by a table of a file, or with a task type (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from taskyard.core.declarations import settle
from taskyard.core.errors import SubmissionError
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused, required
from taskyard.core.schedules.due import CatchUp
from taskyard.core.schedules.schedule import (
    DEFAULT_CATCH_UP_LIMIT,
    DEFAULT_ZONE,
    Overlap,
    check_schedule,
    check_schedule_name,
)
from taskyard.core.schedules.what import TASK_OPTIONS, Kind

MAX_DECLARED = 1_000  # schedules of one owner
SETTINGS = (
    "cron", "interval_seconds", "time_zone", "catch_up", "catch_up_limit", "overlap", "jitter_seconds", "starts_at",
    "ends_at", "expected_seconds",
)  # fmt: skip
_OF_TASKS = ("type", "input", *TASK_OPTIONS)
_FIELDS = ("name", *_OF_TASKS, "workflow", *SETTINGS)
_WORKFLOW = msg("an object with name, title and tasks")


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule that is declared with a task type: `@task_type("acme.report", schedule=Schedule("30 7 * * mon-fri"))`.

    Give `cron` or `interval_seconds`. `input` is the input of its tasks, `options` are title, queue, priority,
    timeout_seconds, max_attempts and requires. With `workflow` it submits that instead of a task of the type: a mapping
    with name, title and tasks, as `submit_workflow` takes them. `name` is the task type's unless given. The others are
    as in the guide to schedules.
    """

    cron: str | None = None
    interval_seconds: float | None = None
    time_zone: str = DEFAULT_ZONE
    input: Any = None
    options: Mapping[str, Any] = field(default_factory=dict)
    name: str | None = None
    catch_up: str = CatchUp.LAST.value
    catch_up_limit: int = DEFAULT_CATCH_UP_LIMIT
    overlap: str = Overlap.ALLOW.value
    jitter_seconds: float = 0.0
    starts_at: str | None = None
    ends_at: str | None = None
    expected_seconds: float | None = None
    workflow: Mapping[str, Any] | None = None

    def arguments(self, type_: str) -> tuple[str, dict[str, Any]]:
        """Returns its name, and the arguments of `check_schedule` for tasks of a type; raises SubmissionError."""
        values = {name: getattr(self, name) for name in SETTINGS}
        what: dict[str, Any] = {"type": type_, "input": self.input, "options": self.options}
        if self.workflow is not None:
            if self.input is not None or self.options:
                raise refused("input", self.input, msg("none with `workflow`: its tasks have their own"))
            what = workflow_what(self.workflow)
        return type_ if self.name is None else self.name, {"what": what, **values}


def schedules_of(given: object) -> tuple[Schedule, ...]:
    """Returns what a task type declares as its schedule: a cron expression, a Schedule, or several of them.

    Raises SubmissionError.
    """
    listed: Sequence[object] = [given] if isinstance(given, str | Schedule) else _listed(given)
    found = []
    for one in listed:
        if not isinstance(one, str | Schedule):
            raise refused("schedule", one, msg("a cron expression or a Schedule"))
        found.append(Schedule(one) if isinstance(one, str) else one)
    return tuple(found)


def check_declared(type_: str, declared: Iterable[Schedule]) -> None:
    """Checks the schedules of a task type, but for their inputs; raises SubmissionError."""
    names = set()
    for one in declared:
        name, values = one.arguments(type_)
        check_schedule_name(name)
        if name in names:
            raise refused("schedule", name, msg("a name for each schedule of a type"))
        names.add(name)
        check_schedule(**values)


def declared_schedules(where: str, type_: str, given: object) -> tuple[Schedule, ...]:
    """Returns what a task type declares, checked; nothing with a problem, which is collected or raised."""
    try:
        found = schedules_of(given)
        check_declared(type_, found)
    except SubmissionError as error:
        settle([msg("{where}: schedule: {problem}", where=where, problem=str(error))])
        return ()
    return found


def workflow_what(given: object) -> dict[str, Any]:
    """Returns what a schedule submits, of what a file of `workflow submit` says; raises SubmissionError."""
    from taskyard.core.workflows.files import FIELDS  # which read YAML; few schedules submit workflows

    if not isinstance(given, Mapping):
        raise refused("workflow", given, _WORKFLOW)
    if given.get("idempotency_key") is not None:
        raise refused("workflow.idempotency_key", given["idempotency_key"], msg("none: each fire time is its own key"))
    for name in given:
        if name not in FIELDS:
            raise refused("workflow", name, msg("one of {names}", names="name, title, tasks"))
    return {"kind": Kind.WORKFLOW, **{name: given.get(name) for name in ("name", "title", "tasks")}}


def read_workflow_what(path: Path) -> dict[str, Any]:
    """Returns what a schedule submits, of a file of YAML or JSON; raises SubmissionError, which names its line."""
    from taskyard.core.workflows.files import read_workflow

    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise refused("workflow", str(path), msg("a file that can be read ({reason})", reason=reason)) from None
    return workflow_what(read_workflow(text, is_json=path.suffix == ".json").given)


def declared_arguments(given: object, folder: Path) -> tuple[str, dict[str, Any]]:
    """Returns the name of a table `[[schedule]]` and the arguments of `check_schedule`; raises SubmissionError.

    Files of workflows are named from `folder`.
    """
    if not isinstance(given, dict):
        raise refused("", given, msg("a table"))
    for field_ in given:
        if field_ not in _FIELDS:
            raise refused(field_, given[field_], msg("one of {names}", names=", ".join(_FIELDS)))
    if "name" not in given:
        raise required("name", msg("a name for the schedule"))
    values = {name: given[name] for name in SETTINGS if name in given}
    return check_schedule_name(given["name"]), {"what": _what(given, folder), **values}


def _what(given: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    if "workflow" not in given:
        options = {name: given[name] for name in TASK_OPTIONS if name in given}
        return {"type": given.get("type"), "input": given.get("input"), "options": options}
    for field_ in _OF_TASKS:
        if field_ in given:
            raise refused(field_, given[field_], msg("none with `workflow`: its tasks have their own"))
    if isinstance(given["workflow"], str):
        return read_workflow_what(folder / given["workflow"])
    return workflow_what(given["workflow"])


def _listed(given: object) -> list[object]:
    if isinstance(given, bytes | Mapping) or not isinstance(given, Iterable):
        raise refused("schedule", given, msg("a cron expression or a Schedule"))
    return list(given)
