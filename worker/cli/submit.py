"""Implements the command submit: one task or a file of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from taskyard.worker.cli import exits
from taskyard.worker.cli.follow import follow
from taskyard.worker.cli.opened import opened_tasks
from taskyard.worker.cli.output import print_json, print_line
from taskyard.worker.cli.payload import STDIN, JsonLines, by_line, read_input
from taskyard.worker.cli.ports.tasks import ShownTask, TaskPort
from taskyard.worker.cli.show import AsJson
from taskyard.worker.cli.text import MASKED, pretty_json

if TYPE_CHECKING:
    pass

EXAMPLES = """Examples:

taskyard submit diagnostic.echo --input '{"value": 1}' --wait

taskyard submit diagnostic.sleep - --priority high < input.json

taskyard submit --file tasks.jsonl --queue nightly"""


def submit(
    type: Annotated[str | None, typer.Argument(metavar="TYPE", help="The task type; `types` lists them.")] = None,
    dash: Annotated[str | None, typer.Argument(metavar="-", help="Read the input from standard input.")] = None,
    input: Annotated[str | None, typer.Option(metavar="JSON", help="The input as JSON.")] = None,
    input_file: Annotated[Path | None, typer.Option(metavar="FILE", help="A file with the input as JSON.")] = None,
    title: Annotated[str | None, typer.Option(help="A display name for the task.")] = None,
    queue: Annotated[str | None, typer.Option(help="The queue.  default: default")] = None,
    priority: Annotated[str | None, typer.Option(help="low, medium, high or urgent.  default: medium")] = None,
    timeout: Annotated[float | None, typer.Option(help="Timeout of one attempt in seconds.")] = None,
    max_attempts: Annotated[int | None, typer.Option(help="Maximum number of attempts.")] = None,
    delay: Annotated[float | None, typer.Option(help="Seconds to wait before it starts.")] = None,
    run_at: Annotated[str | None, typer.Option(metavar="TIME", help="When it starts, in ISO 8601 with a zone.")] = None,
    require: Annotated[
        list[str] | None, typer.Option(metavar="TAG", help="A tag the agent must have; may repeat.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="Idempotency key: the same key again is the same task.")] = None,
    after: Annotated[list[str] | None, typer.Option(metavar="TASK", help="A task to wait for; may repeat.")] = None,
    when: Annotated[str | None, typer.Option(help="How they must end: completed, ended, failed.")] = None,
    created_by: Annotated[str | None, typer.Option(help="Who submits.  default: your user name")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it has ended, and print its output.")] = False,
    wait_seconds: Annotated[float | None, typer.Option(min=0, help="Wait at most this many seconds.")] = None,
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Many tasks, a JSON object a line; - is stdin.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Submits a task, or many from a file, and prints its id.

    With --wait the output is printed instead, and the exit code is 1 if the task failed.

    Each line of --file is an object with type, input and any of title, queue, priority, timeout_seconds,
    max_attempts, delay_seconds, run_at, requires, idempotency_key, after, when and created_by; options of the
    command line apply to lines without them.
    """
    waits = wait or wait_seconds is not None
    alone = {
        "TYPE": type,
        "-": dash,
        "--input": input,
        "--input-file": input_file,
        "--key": key,
        "--wait": waits or None,
    }
    _check_usage(alone, has_file=file is not None)
    options: dict[str, Any] = {"title": title, "queue": queue, "priority": priority, "timeout_seconds": timeout}
    options |= {"max_attempts": max_attempts, "delay_seconds": delay, "run_at": run_at, "idempotency_key": key}
    options |= {"requires": require or None, "after": after or None, "when": when}
    given = {name: value for name, value in options.items() if value is not None}
    with opened_tasks() as port:
        given |= port.creator(created_by)
        if file is not None:
            _submit_file(port, file, given, as_json)
            return
        content = read_input(input, STDIN if dash else input_file, port.input_limit_bytes)
        task_id = port.submit(str(type), content, given)
        shown = follow(port, task_id, wait_seconds) if waits else None
    if shown is None:
        _print_id(task_id, as_json)
    else:
        _print_end(shown, wait_seconds, as_json)


def _check_usage(alone: dict[str, Any], *, has_file: bool) -> None:
    """Raises BadParameter for options that exclude each other."""
    given = [name for name, value in alone.items() if value is not None]
    if has_file and given:
        raise typer.BadParameter(f"--file has many tasks and can't be combined with {', '.join(given)}")
    if not has_file and alone["TYPE"] is None:
        raise typer.BadParameter("name a task type, or a file of tasks with --file")
    if alone["-"] not in (None, "-"):
        raise typer.BadParameter(f"{alone['-']!r} is one argument too many: pass the input with --input")
    sources = [name for name in given if name in ("-", "--input", "--input-file")]
    if len(sources) > 1:
        raise typer.BadParameter(f"{' and '.join(sources)} are two inputs: give only one")


def _print_id(task_id: str, as_json: bool) -> None:
    if as_json:
        print_json({"id": task_id})
    else:
        print_line(task_id)


def _print_end(shown: ShownTask, timeout_seconds: float | None, as_json: bool) -> None:
    """Prints the outcome of a task that was followed; raises Exit unless it completed."""
    from taskyard.core.states import TERMINAL, TaskState

    task = shown.task
    if as_json:
        ended = {"id": task.id, "state": task.state.value, "output": task.output, "error": task.error}
        print_json({**ended, "is_masked": shown.is_masked})
    elif shown.is_masked and task.state is TaskState.COMPLETED:
        exits.say(MASKED)
    elif task.state is TaskState.COMPLETED:
        print_line(pretty_json(task.output))
    if task.state is TaskState.COMPLETED:
        return
    if task.state in TERMINAL:
        error = task.error or {}
        exits.say(f"error: task {task.id} {task.state}: {error.get('class')}: {error.get('message')}")
    else:
        exits.say(f"error: task {task.id} is still {task.state} after {timeout_seconds:g} s")
    raise typer.Exit(exits.FAILED)


def _submit_file(port: TaskPort, file: Path, defaults: dict[str, Any], as_json: bool) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    from taskyard.core.errors import SubmissionError

    lines = JsonLines(file, defaults, port.input_limit_bytes)
    total = lines.count()
    stored, ids = 0, []
    problems: list[SubmissionError] = []
    columns = [BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
    bar = Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
    try:
        with bar:
            shown = bar.add_task("", total=total)

            def advance(count: int) -> None:
                nonlocal stored
                stored = count
                bar.update(shown, completed=count)

            ids = port.submit_many(lines, advance)
    except SubmissionError as error:
        problems = by_line(error, lines.last, port.problems_of, lines.line_of)
    finally:
        if stored and (total is None or stored < total):
            exits.say(
                f"{stored} tasks are stored, up to line {lines.line_of(stored - 1)}: "
                "submit only the lines after it, or give each line an idempotency_key before you repeat the file"
            )
    if problems:
        for problem in problems:
            exits.print_error(problem)
        raise typer.Exit(exits.BAD_INPUT)
    if as_json:
        print_json({"ids": ids})
    else:
        print_line(f"{len(ids)} task{'' if len(ids) == 1 else 's'} submitted")
