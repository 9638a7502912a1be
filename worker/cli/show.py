"""Implements commands that show tasks: list, show, history."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer
from rich.text import Text

from taskyard.core.explain_prediction import prediction_of, prediction_text
from taskyard.core.humanize import byte_size, compact_duration, percent
from taskyard.core.payload.printable_text import visible_lines
from taskyard.core.states import TERMINAL, TaskState
from taskyard.worker.cli.opened import opened_tasks
from taskyard.worker.cli.output import (
    Column,
    is_wide,
    print_document,
    print_fields,
    print_json,
    print_line,
    print_table,
    stacked,
    state_text,
    text_column,
)
from taskyard.worker.cli.ports.tasks import ShownTask
from taskyard.worker.cli.text import MASKED, age, instant

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
TaskId = Annotated[str, typer.Argument(metavar="TASK", help="The task's full id.")]


def list_tasks(
    state: Annotated[
        TaskState | None, typer.Option(metavar="STATE", help=f"Only tasks in this state: {', '.join(TaskState)}.")
    ] = None,
    type: Annotated[str | None, typer.Option(help="Only tasks of this type.")] = None,
    queue: Annotated[str | None, typer.Option(help="Only tasks of this queue.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most this many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Lists the newest tasks, and why some of them wait for an agent that does not exist."""
    with opened_tasks() as port:
        tasks = port.list_tasks(state, type, queue, limit)
    if as_json:
        unread = ("input", "output", "checkpoint")
        print_json(
            [{**{k: v for k, v in one.task.as_json().items() if k not in unread}, **_besides(one)} for one in tasks]
        )
    elif not tasks:
        print_line("no tasks")
    elif is_wide():
        headings = [Column("id", fixed=True), Column("state", fixed=True), Column("priority", fixed=True)]
        headings += [Column("type"), Column("queue"), text_column("title"), Column("attempt", fixed=True)]
        headings += [Column("created", fixed=True), Column("why")]
        print_table(headings, [_wide_row(one.task, one.why) for one in tasks])
    else:
        headings = [Column("id", fixed=True), Column("state", fixed=True), Column("task"), Column("age", fixed=True)]
        print_table(headings, [_narrow_row(one.task, one.why) for one in tasks])


def _wide_row(task: Any, why: str | None) -> list[str | Text | None]:
    attempts = f"{task.attempt - task.refunded}/{task.max_attempts}"
    head = [task.id, state_text(task.state), task.priority.label, task.type, task.queue]
    return [*head, task.title, attempts, instant(task.created_at), why]


def _narrow_row(task: Any, why: str | None) -> list[str | Text | None]:
    what = stacked((task.type, ""), (task.title, "dim"), (why, "yellow"))
    return [task.id, state_text(task.state), what, age(task.created_at)]


def show(task: TaskId, as_json: AsJson = False) -> None:
    """Shows one task: its fields, input, output and error."""
    with opened_tasks() as port:
        shown = port.get(task)
    found, why, is_masked = shown
    if as_json:
        print_json({**found.as_json(), **_besides(shown)})
        return
    predicted = prediction_of(found)
    progress = percent(found.progress) if found.progress is not None else ""
    ran_until = found.finished_at if found.state in TERMINAL else None
    print_fields(
        [
            ("id", found.id),
            ("state", state_text(found.state)),
            ("why", why),
            ("type", found.type),
            ("title", found.title),
            ("queue", found.queue),
            ("priority", found.priority.label),
            ("requires", ", ".join(found.requires)),
            ("attempts", f"{found.attempt - found.refunded} of {found.max_attempts}"),
            ("timeout", compact_duration(found.timeout_seconds)),
            ("progress", " ".join(filter(None, [progress, found.progress_message]))),
            ("agent", found.assigned_agent_id),
            ("created", instant(found.created_at)),
            ("created by", found.created_by or found.creator_agent_id),
            ("scheduled for", instant(found.scheduled_for)),
            ("due", instant(found.run_at)),
            ("waits for", f"{found.waiting_on} tasks" if found.waiting_on else ""),
            ("started", instant(found.started_at)),
            ("finished", instant(found.finished_at)),
            ("ran for", _between(found.started_at, ran_until)),
            ("predicted", "" if predicted is None else prediction_text(predicted)),
            ("key", found.idempotency_key),
            ("workflow", found.workflow_id),
        ]
    )
    _print_payload("input", found.input, is_masked)
    if found.state is TaskState.COMPLETED:
        _print_payload("output", found.output, is_masked)
    if found.checkpoint is not None:
        print_document("checkpoint", found.checkpoint)
    if found.error is not None:
        print_document("error", {k: v for k, v in found.error.items() if k != "traceback"})
        if is_masked:
            print_line(MASKED, "dim")
        if found.error.get("traceback"):
            print_line("traceback", "bold")
            print_line(visible_lines(str(found.error["traceback"]).rstrip()))


def _besides(shown: ShownTask) -> dict[str, object]:
    """Returns what JSON has of a task besides its own fields."""
    return {"why": shown.why, "is_masked": shown.is_masked}


def _print_payload(name: str, value: object, is_masked: bool) -> None:
    if is_masked:
        print_line(name, "bold")
        print_line(MASKED, "dim")
    else:
        print_document(name, value)


def history(task: TaskId, as_json: AsJson = False) -> None:
    """Shows a task's history: every event, its time and its actor. Its log output is shown by `logs`."""
    with opened_tasks() as port:
        shown = port.history(task)
    if as_json:
        print_json([{**one.event.as_json(), "is_masked": one.is_masked} for one in shown])
        return
    events = [one.event for one in shown]
    if not events:
        print_line("no events")
        return
    start = events[0].at
    if is_wide():
        headings = [Column("time", fixed=True), Column("+elapsed", fixed=True, justify="right")]
        headings += [Column("event", fixed=True), Column("from → to", fixed=True), Column("attempt", fixed=True)]
        headings += [Column("actor"), Column("agent"), Column("detail")]
        print_table(headings, [_wide_event(event, start) for event in events])
    else:
        headings = [Column("time", fixed=True), Column("+elapsed", fixed=True, justify="right"), Column("event")]
        headings += [Column("attempt", fixed=True), Column("actor, agent, detail")]
        print_table(headings, [_narrow_event(event, start) for event in events], title=instant(start))
    if any(one.is_masked for one in shown):
        print_line(MASKED, "dim")


def _wide_event(event: Any, start: datetime) -> list[str | Text | None]:
    return [
        event.at.astimezone().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3],
        f"+{compact_duration((event.at - start).total_seconds())}",
        event.event,
        _change(event),
        "" if event.attempt is None else str(event.attempt),
        event.actor,
        event.agent_id,
        _detail(event),
    ]


def _narrow_event(event: Any, start: datetime) -> list[str | Text | None]:
    return [
        event.at.astimezone().strftime("%H:%M:%S"),
        f"+{compact_duration((event.at - start).total_seconds())}",
        stacked((event.event, ""), (_change(event), "dim")),
        "" if event.attempt is None else str(event.attempt),
        stacked((event.actor, ""), (event.agent_id, "dim"), (_detail(event), "")),
    ]


def _change(event: Any) -> str:
    if event.to_state is None or event.from_state == event.to_state:
        return ""
    return f"{event.from_state} → {event.to_state}" if event.from_state else f"→ {event.to_state}"


def _detail(event: Any) -> str:
    given = {name: value for name, value in (event.detail or {}).items() if value not in (None, "")}
    given |= {name: value for name, value in event.usage.items() if name != "peak_memory_bytes"}
    if event.peak_memory_bytes is not None:
        given["peak_memory"] = byte_size(event.peak_memory_bytes)
    return ", ".join(f"{name}: {f'{v:.3g}' if isinstance(v, float) else v}" for name, v in given.items())


def _between(start: datetime | None, end: datetime | None) -> str:
    return compact_duration((end - start).total_seconds()) if start and end else ""
