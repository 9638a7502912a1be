"""Implements commands for workflows: submit, list, show, cancel, retry."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.live import Live
from rich.text import Text

from taskyard.core.humanize import compact_duration, percent_done
from taskyard.core.payload.printable_text import visible
from taskyard.worker.cli import exits
from taskyard.worker.cli.doors import placed
from taskyard.worker.cli.help_text import Group
from taskyard.worker.cli.opened import opened_workflows
from taskyard.worker.cli.output import (
    STATE_STYLES,
    Column,
    console,
    is_wide,
    print_json,
    print_line,
    print_table,
    stacked,
    state_text,
    text_column,
)
from taskyard.worker.cli.payload import read_text
from taskyard.worker.cli.retry_preview import print_workflow_preview
from taskyard.worker.cli.show import AsJson
from taskyard.worker.cli.text import counted, written

if TYPE_CHECKING:
    from taskyard.core.workflows.drawing import DrawnTask

POLL_SECONDS = 0.5
MAX_SUBMITTED = 20  # workflows that `show` lists
OVER = ("completed", "failed", "cancelled")  # states of a workflow
workflow = typer.Typer(cls=Group, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})
WorkflowId = Annotated[str, typer.Argument(metavar="WORKFLOW", help="The workflow's full id.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the audit log.")]


@workflow.command("submit", **placed("workflow submit", "workflow submit nightly.yaml --dry-run"))
def submit(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="YAML, or JSON (.json); - is stdin.")],
    name: Annotated[str | None, typer.Option(help="Its name, instead of the file's.")] = None,
    title: Annotated[str | None, typer.Option(help="A display name, instead of the file's.")] = None,
    key: Annotated[str | None, typer.Option(help="Idempotency key: the same key again is the same workflow.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and draw it; store nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Submits a workflow from a file, all of its tasks or none, and prints its id.

    The file has a name and tasks: by key a task with type, input and options, or a list of them, which is a group.
    A list of tasks without keys is a group without edges. Every problem is a line with its place.
    """
    from taskyard.core.errors import SubmissionError
    from taskyard.core.workflows.files import read_workflow

    text = read_text(file)
    read = read_workflow(text, is_json=file.suffix == ".json")
    given = {**read.given, **{k: v for k, v in (("name", name), ("title", title), ("idempotency_key", key)) if v}}
    try:
        with opened_workflows() as port:
            if dry_run:
                port.check(given)
            else:
                found = port.submit(given)
    except SubmissionError as error:
        raise exits.printed(error, read.located(error)) from None
    if dry_run:
        _print_definition(given, as_json)
    elif as_json:
        print_json(found)
    else:
        print_line(found["id"])


@workflow.command("list", **placed("workflow list", "workflow list --state stuck"))
def list_workflows(
    state: Annotated[
        list[str] | None, typer.Option(help="running, stuck, completed, failed or cancelled; may repeat.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Only of this name.")] = None,
    text: Annotated[str | None, typer.Option(help="A part of the name, the title or the id.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most this many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Lists the newest workflows with their progress."""
    with opened_workflows() as port:
        found = port.find(state or [], name, text, limit)
    if as_json:
        print_json(found)
        return
    if not found:
        print_line("no workflows")
        return
    columns = [Column("id", fixed=True), Column("state", fixed=True), Column("done", fixed=True, justify="right")]
    if not is_wide():
        print_table([*columns, text_column("workflow")], [_narrow_row(one) for one in found])
        return
    columns += [Column("tasks", fixed=True, justify="right"), text_column("name"), text_column("title")]
    print_table([*columns, Column("created", fixed=True), text_column("by")], [_row(one) for one in found])


@workflow.command("show", **placed("workflow show", "workflow show 0199c0de-0000-7000-8000-000000000001 --follow"))
def show(
    workflow: WorkflowId,
    follow: Annotated[bool, typer.Option("--follow", help="Draw it again as it changes, until it ends.")] = False,
    as_json: AsJson = False,
) -> None:
    """Draws a workflow: its tasks in layers with their states, a group as one line.

    With --follow the exit code is 1 if it did not complete.
    """
    with opened_workflows() as port:
        found = port.graph(workflow)
        if follow:
            is_terminal = sys.stdout.isatty() and not as_json
            with Live(_picture(found), console=console(), auto_refresh=False) if is_terminal else _lines() as live:
                while found["workflow"]["state"] not in OVER:
                    time.sleep(POLL_SECONDS)
                    found = port.graph(workflow)
                    live.update(_picture(found), refresh=True)
    if as_json:
        print_json(found)
    elif not (follow and sys.stdout.isatty()):
        print_line(_picture(found).plain)
    if follow and found["workflow"]["state"] != "completed":
        raise typer.Exit(exits.FAILED)


@workflow.command("cancel", **placed("workflow cancel", "workflow cancel 0199c0de-0000-7000-8000-000000000001"))
def cancel(workflow: WorkflowId, reason: Reason = "", as_json: AsJson = False) -> None:
    """Cancels all unfinished tasks of a workflow, also those that its handlers submitted."""
    with opened_workflows() as port:
        count = port.cancel(workflow, reason)
    _print_changed(workflow, "cancelled", count, as_json)


@workflow.command("retry", **placed("workflow retry", "workflow retry 0199c0de-0000-7000-8000-000000000001"))
def retry(
    workflow: WorkflowId,
    reason: Reason = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would run again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Runs the failed and cancelled tasks of a workflow again, in the order of its edges."""
    with opened_workflows() as port:
        if dry_run:
            print_workflow_preview(workflow, port.preview_retry(workflow), as_json)
            return
        count = port.retry(workflow, reason)
    _print_changed(workflow, "retried", count, as_json)


class _lines:
    """Takes the pictures of a workflow where there is no terminal: the last one is printed."""

    def __enter__(self) -> _lines:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, _picture: Text, *, refresh: bool) -> None:
        """Shows nothing."""


def _print_definition(given: dict[str, Any], as_json: bool) -> None:
    """Prints what a checked file would submit."""
    from taskyard.core.workflows.definition import read_definition
    from taskyard.core.workflows.drawing import DrawnTask, drawn
    from taskyard.core.workflows.graph import layers

    tasks = given["tasks"] if isinstance(given["tasks"], dict) else {"tasks": given["tasks"]}
    definition, _ = read_definition(tasks)
    parents = definition.parents()
    if as_json:
        edges = sum(map(len, parents.values()))
        print_json({"name": given["name"], "tasks": len(parents), "edges": edges, "layers": layers(parents)})
        return
    nodes = [DrawnTask(key, str(node.given["type"]), node.parents) for key, node in definition.nodes.items()]
    print_line(f"{given['name']}: {counted(len(parents), 'task')}, {counted(definition.edges, 'edge')}; nothing stored")
    for line in drawn(nodes, min(console().width, 120)):
        print_line(visible(line))


def _picture(found: dict[str, Any]) -> Text:
    """Returns a workflow with its graph, states in their colours."""
    from taskyard.core.workflows.drawing import drawn

    shown = found["workflow"]
    name = shown["name"] + (f" ({shown['title']})" if shown["title"] else "")
    done, took = percent_done(shown["progress"]), compact_duration(shown["duration_seconds"])
    head = f"{name}: {shown['state']}, {done} done, {took}"
    text = Text(visible(head), style=STATE_STYLES.get(shown["state"], ""))
    counts = ", ".join(f"{count:,} {state}" for state, count in sorted(shown["counts"].items()))
    text.append(f"\n{counts}\n")
    for line in drawn(_tasks_of(found), min(console().width, 120)):
        text.append(f"\n{visible(line)}")
    for line in _submitted_lines(found):
        text.append(f"\n{visible(line)}")
    return text


def _submitted_lines(found: dict[str, Any]) -> list[str]:
    """Returns which workflows its handlers submitted, with the keys of their tasks."""
    submitted = found["submitted"]
    keys = {node["id"]: node["key"] or node["id"] for node in found["nodes"]}
    lines = [
        f"{keys.get(one['submitted_by'], one['submitted_by'])} → {one['name']}: {one['state'] or 'open'}, {one['id']}"
        for one in submitted[:MAX_SUBMITTED]
    ]
    if len(submitted) > MAX_SUBMITTED:
        lines.append(f"and {len(submitted) - MAX_SUBMITTED:,} more")
    return ["", f"{counted(len(submitted), 'workflow')} submitted by its tasks:", *lines] if lines else []


def _tasks_of(found: dict[str, Any]) -> list[DrawnTask]:
    """Returns the tasks of a graph as they are drawn: those that handlers submitted are one line for each submitter."""
    from taskyard.core.edges import Condition
    from taskyard.core.workflows.drawing import DrawnTask

    keys: dict[str, str] = {node["id"]: node["key"] for node in found["nodes"] if node["key"] is not None}
    parents: dict[str, dict[str, Condition]] = {}
    for node in found["nodes"]:
        if node["key"] is None:
            parent = keys.get(node["submitted_by"], "")
            keys[node["id"]] = f"{parent.partition('/')[0]}…/{node['id']}"
            parents[node["id"]] = {parent: Condition.ENDED} if parent else {}
    for edge in found["edges"]:
        if edge["parent"] in keys:
            parents.setdefault(edge["child"], {})[keys[edge["parent"]]] = Condition(edge["condition"])
    return [
        DrawnTask(keys[node["id"]], node["type"], parents.get(node["id"], {}), node["state"]) for node in found["nodes"]
    ]


def _row(one: dict[str, Any]) -> list[str | Text | None]:
    progress = percent_done(one["progress"])
    head = [one["id"], state_text(one["state"]), progress, f"{one['tasks']:,}", one["name"], one["title"]]
    return [*head, written(one["created_at"]), one["created_by"]]


def _narrow_row(one: dict[str, Any]) -> list[str | Text | None]:
    what = stacked((one["name"], ""), (one["title"], "dim"), (counted(one["tasks"], "task"), "dim"))
    return [one["id"], state_text(one["state"]), percent_done(one["progress"]), what]


def _print_changed(workflow_id: str, done: str, count: int, as_json: bool) -> None:
    if as_json:
        print_json({"id": workflow_id, "tasks": count})
    else:
        print_line(f"{visible(workflow_id)} {done}: {counted(count, 'task')}")
