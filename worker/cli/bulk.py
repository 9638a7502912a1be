"""Implements the command that applies one operation to many tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from taskyard.core.edges import RetryScope
from taskyard.core.errors import SubmissionError
from taskyard.core.states import TaskState
from taskyard.worker.cli.confirm import confirm, confirm_number
from taskyard.worker.cli.exits import BAD_INPUT, print_error
from taskyard.worker.cli.opened import opened_bulk
from taskyard.worker.cli.output import print_json, print_line
from taskyard.worker.cli.retry_preview import print_again
from taskyard.worker.cli.show import AsJson
from taskyard.worker.cli.text import counted as counted_text

if TYPE_CHECKING:
    from taskyard.core.filters.search_filter import TaskFilter
    from taskyard.core.submission.bulk_operation import Action, Operation
    from taskyard.worker.cli.ports.bulk import BulkPort, Counted, Ended

TYPED_ABOVE_TASKS = 1_000
WHO = "you"  # stands for whoever the installation knows that it is
DONE = {"retry": "retried", "cancel": "cancelled", "priority": "given another priority"}
Texts = list[str] | None
Path = "An SQL/JSON path that is to find something in the"


def bulk(
    action: Annotated[str, typer.Argument(metavar="ACTION", help="retry, cancel or priority.")],
    reason: Annotated[
        str, typer.Option(help="Required: the reason; kept in every task's history.", show_default=False)
    ] = "",  # with its own message, together with other problems
    to: Annotated[str | None, typer.Option("--to", metavar="LEVEL", help="priority: the new one; required.")] = None,
    state: Annotated[
        list[TaskState] | None, typer.Option(metavar="STATE", help=f"In one of these: {', '.join(TaskState)}.")
    ] = None,
    type: Annotated[Texts, typer.Option(help="Of one of these types.")] = None,
    queue: Annotated[Texts, typer.Option(help="Of one of these queues.")] = None,
    priority: Annotated[Texts, typer.Option(help="Of one of these priorities.")] = None,
    agent: Annotated[str | None, typer.Option(help="That this agent has, or had last.")] = None,
    error_class: Annotated[str | None, typer.Option(help="Whose error is of this class.")] = None,
    fingerprint: Annotated[str | None, typer.Option(help="Whose error has this fingerprint.")] = None,
    tag: Annotated[str | None, typer.Option(help="That require this tag.")] = None,
    created_by: Annotated[str | None, typer.Option(help="Submitted by this creator.")] = None,
    since: Annotated[str | None, typer.Option(help="Submitted since: an age such as 24h, or a time.")] = None,
    until: Annotated[str | None, typer.Option(help="Submitted before: an age such as 1h, or a time.")] = None,
    text: Annotated[str | None, typer.Option(help="Part of title, type, id or error message.")] = None,
    input_path: Annotated[str | None, typer.Option(help=f"{Path} input.")] = None,
    output_path: Annotated[str | None, typer.Option(help=f"{Path} output.")] = None,
    workflow: Annotated[str | None, typer.Option(help="Of this workflow.")] = None,
    scope: Annotated[
        RetryScope, typer.Option(help="retry: this, downstream or chain, as `taskyard retry` has it.")
    ] = RetryScope.THIS,
    everything: Annotated[bool, typer.Option("--all", help="Every task, without a filter.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print how many tasks would change.")] = False,
    as_json: AsJson = False,
) -> None:
    """Retries, cancels or reprioritises every task that matches all the options given.

    It leaves out tasks whose state does not allow it, and those submitted meanwhile. It works in small
    transactions; Ctrl-C is safe at any time, and repeating the command does the rest.
    """
    from taskyard.core.filters.search_filter import TaskFilter

    wanted = partial(
        TaskFilter,
        states=tuple(state or ()),
        types=tuple(type or ()),
        queues=tuple(queue or ()),
        priorities=tuple(priority or ()),  # type: ignore[arg-type]
        agent=agent,
        error_class=error_class,
        fingerprint=fingerprint,
        tag=tag,
        created_by=created_by,
        since=since,
        until=until,
        text=text,
        input_path=input_path,
        output_path=output_path,
        workflow_id=workflow,
    )
    operation, only = _checked(action, reason, to, scope, wanted, everything)
    _do(operation, only, yes=yes, dry_run=dry_run, as_json=as_json)


def _checked(
    action: str,
    reason: str,
    to: str | None,
    scope: RetryScope,
    wanted: Callable[[], TaskFilter],
    everything: bool,
) -> tuple[Operation, TaskFilter]:
    """Returns the operation and the filter; prints all their problems at once and ends the command."""
    from taskyard.core.submission.bulk_operation import Operation, check_reason

    problems: list[SubmissionError] = []
    kind = only = None
    with _noted(problems):
        kind = _action(action)
    with _noted(problems):
        check_reason(reason)
    with _noted(problems):
        only = _chosen(wanted(), everything)
    if kind is not None:
        with _noted(problems):
            sound = Operation(kind, WHO, "stands for a valid one", to, scope)
            if only is not None:
                sound.narrowed(only)
    if problems or kind is None or only is None:
        for problem in problems:
            print_error(problem)
        raise typer.Exit(BAD_INPUT)
    return Operation(kind, WHO, reason, to, scope), only


@contextmanager
def _noted(problems: list[SubmissionError]) -> Iterator[None]:
    try:
        yield
    except SubmissionError as error:
        problems.append(error)


def _action(name: str) -> Action:
    from taskyard.core.payload.culprits import refused
    from taskyard.core.submission.bulk_operation import Action

    if name not in set(Action):
        raise refused("action", name, f"one of {', '.join(Action)}")
    return Action(name)


def _chosen(only: TaskFilter, everything: bool) -> TaskFilter:
    from taskyard.core.payload.culprits import refused, required

    if only.is_empty and not everything:
        raise required("a filter", "either --all or an option such as --type")
    if everything and not only.is_empty:
        raise refused("--all", "--all", "either --all or a filter such as --type, not both")
    return only


def _do(operation: Operation, only: TaskFilter, *, yes: bool, dry_run: bool, as_json: bool) -> None:
    with opened_bulk() as port:
        counted = port.preview(operation, only)
        result = None
        if not dry_run and (counted.allowed or not counted.is_exact):
            if not yes:
                _ask(operation, only, counted)
            result = _run(port, operation, only, counted)
    _tell(operation, counted, result, is_dry_run=dry_run, as_json=as_json)


def _ask(operation: Operation, only: TaskFilter, counted: Counted) -> None:
    """Asks before it is done; of many tasks, and of all there are, the number is to be typed."""
    if counted.again:
        print_again(counted.again, counted.allowed + (counted.besides or 0))
    question = f"{_count(counted)} will be {DONE[operation.action]}{_of(counted)}{_besides(operation, counted)}."
    if counted.allowed > TYPED_ABOVE_TASKS or only.is_empty:
        confirm_number(question, counted.allowed)
    else:
        confirm(question)


def _run(port: BulkPort, operation: Operation, only: TaskFilter, counted: Counted) -> Ended:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        shown = bar.add_task(str(operation.action), total=counted.allowed)

        def show(done: int, skipped: int, total: int) -> None:
            bar.update(shown, completed=done + skipped, total=max(total, done + skipped))

        return port.run(operation, only, counted, show)


def _tell(operation: Operation, counted: Counted, result: Ended | None, *, is_dry_run: bool, as_json: bool) -> None:
    if as_json:
        document: dict[str, object] = {"action": operation.action.value, "matching": counted.allowed}
        document["exact"] = counted.is_exact
        if operation.scope != RetryScope.THIS:
            again = [task._asdict() for task in counted.again]
            document |= {"scope": operation.scope, "besides": counted.besides, "again": again}
        if result is not None:
            document |= {"bulk": result.id, "done": result.done, "skipped": result.skipped}
            document["dependants"] = result.dependants
        print_json(document)
        return
    if result is None:
        verb = "would be " if is_dry_run else ""
        more = f"{_of(counted)}{_besides(operation, counted)}" if is_dry_run else ""
        print_line(f"{_count(counted)} {verb}{DONE[operation.action]}{more}")
        if counted.again:
            print_again(counted.again, counted.allowed + (counted.besides or 0))
        return
    word = "dependant" if operation.action == "cancel" else "task besides"
    besides = [counted_text(result.dependants, word)] if result.dependants else []
    besides += [f"{result.skipped:,} skipped because of their states or parents"] if result.skipped else []
    print_line("; ".join([f"{counted_text(result.done, 'task')} {DONE[operation.action]}", *besides]))


def _count(counted: Counted) -> str:
    return ("" if counted.is_exact else "at least ") + counted_text(counted.allowed, "task")


def _besides(operation: Operation, counted: Counted) -> str:
    """Returns how many other tasks a retry with a scope makes run again."""
    if operation.scope == RetryScope.THIS:
        return ""
    if counted.besides is None:
        return ", and others besides: too many to count"
    return f", and {'' if counted.is_exact else 'at least '}{counted.besides:,} besides" if counted.besides else ""


def _of(counted: Counted) -> str:
    """Returns how many match, if the states of some do not allow it."""
    return f", of {counted.matching:,} that match" if counted.matching > counted.allowed else ""
