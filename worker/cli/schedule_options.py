"""Defines the options by which schedules are made and changed."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from taskyard.core.errors import SubmissionError
from taskyard.core.humanize import parsed_span
from taskyard.core.schedules.moments import age_or_moment
from taskyard.worker.cli.payload import read_input, read_text

if TYPE_CHECKING:
    from taskyard.core.workflows.files import WorkflowFile

_SPAN = "a number with s, m, h, d or w, such as 90s or 15m"
_OF_TASKS = ("type", "input", "input_file", "title", "queue", "priority", "timeout", "max_attempts", "require")
_OWN_OPTIONS = "none with --workflow: its tasks have their own"


@dataclass(frozen=True, slots=True)
class Given:
    """What `schedule add` and `schedule edit` were given: each field is an option, None if it was left out."""

    type: Annotated[str | None, typer.Option(help="The type of its tasks; `types` lists them.")] = None
    workflow: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Instead: a workflow, as `workflow submit` reads it.")
    ] = None
    cron: Annotated[
        str | None, typer.Option(metavar="RULE", help="Five fields such as 30 7 * * mon-fri, or @hourly …")
    ] = None
    every: Annotated[
        str | None, typer.Option(metavar="SPAN", help="Instead of --cron: an interval such as 90s or 6h.")
    ] = None
    zone: Annotated[
        str | None, typer.Option(help="The time zone of the rule, such as Europe/Berlin.  default: UTC")
    ] = None
    input: Annotated[str | None, typer.Option(metavar="JSON", help="The input of its tasks as JSON.")] = None
    input_file: Annotated[Path | None, typer.Option(metavar="FILE", help="A file with it; - is standard input.")] = None
    title: Annotated[str | None, typer.Option(help="A display name of its tasks.  default: its name")] = None
    queue: Annotated[str | None, typer.Option(help="Their queue.  default: default")] = None
    priority: Annotated[str | None, typer.Option(help="low, medium, high or urgent.  default: medium")] = None
    timeout: Annotated[float | None, typer.Option(help="Timeout of one attempt in seconds.")] = None
    max_attempts: Annotated[int | None, typer.Option(help="Maximum number of attempts.")] = None
    require: Annotated[list[str] | None, typer.Option(metavar="TAG", help="A tag the agent must have; may repeat.")] = (
        None
    )
    catch_up: Annotated[
        str | None, typer.Option(help="Fire times missed while nobody led: none, last or all.  default: last")
    ] = None
    catch_up_limit: Annotated[int | None, typer.Option(help="At most so many of all.  default: 10")] = None
    overlap: Annotated[
        str | None,
        typer.Option(help="While an earlier task or workflow runs: allow, skip or replace.  default: allow"),
    ] = None
    jitter: Annotated[str | None, typer.Option(metavar="SPAN", help="Delay what it submits by up to this much.")] = None
    starts: Annotated[
        str | None, typer.Option(metavar="TIME", help="Nothing fires before, in ISO 8601 with a zone.")
    ] = None
    ends: Annotated[str | None, typer.Option(metavar="TIME", help="Nothing fires after it.")] = None
    expect: Annotated[
        str | None,
        typer.Option(metavar="SPAN", help="Alert if what it submits has not completed so long after the fire time."),
    ] = None

    def rule(self) -> dict[str, Any]:
        """Returns the arguments of `check_schedule` besides `what`; raises SubmissionError for an invalid span."""
        return _present(
            cron=self.cron,
            interval_seconds=_seconds("--every", self.every),
            time_zone=self.zone,
            catch_up=self.catch_up,
            catch_up_limit=self.catch_up_limit,
            overlap=self.overlap,
            jitter_seconds=_seconds("--jitter", self.jitter),
            starts_at=self.starts,
            ends_at=self.ends,
            expected_seconds=_seconds("--expect", self.expect),
        )

    def task_options(self) -> dict[str, Any]:
        """Returns the options of the schedule's tasks."""
        return _present(
            title=self.title,
            queue=self.queue,
            priority=self.priority,
            timeout_seconds=self.timeout,
            max_attempts=self.max_attempts,
            requires=self.require or None,
        )

    def task_input(self, limit_bytes: int) -> Any:
        """Returns the input of the schedule's tasks; None without one. Raises SubmissionError."""
        return read_input(self.input, self.input_file, limit_bytes)

    def workflow_file(self) -> WorkflowFile | None:
        """Returns the workflow that its file defines; None without one. Raises SubmissionError."""
        if self.workflow is None:
            return None
        for option in _OF_TASKS:
            if getattr(self, option) is not None:
                raise SubmissionError(f"--{option.replace('_', '-')}", str(getattr(self, option)), _OWN_OPTIONS)
        from taskyard.core.workflows.files import read_workflow

        return read_workflow(read_text(self.workflow), is_json=self.workflow.suffix == ".json")


def takes_schedule(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the options of `Given`, in place of its parameter `given`."""
    own = inspect.signature(command, eval_str=True).parameters
    options = list(inspect.signature(Given, eval_str=True).parameters.values())
    parameters = [one for name in own for one in (options if name == "given" else [own[name]])]

    @wraps(command)
    def run(**values: Any) -> None:
        given = Given(**{one.name: values.pop(one.name) for one in options})
        command(**values, given=given)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run


def moment(option: str, text: str) -> str:
    """Returns a time given as an age or in ISO 8601, in ISO 8601; raises SubmissionError."""
    return age_or_moment(option, text, datetime.now(UTC)).isoformat()


def _seconds(option: str, text: str | None) -> int | None:
    if text is None:
        return None
    seconds = parsed_span(text)
    if seconds is None:
        raise SubmissionError(option, text, _SPAN)
    return seconds


def _present(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
