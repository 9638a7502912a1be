"""Implements commands for questions that tasks ask people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from taskyard.core.payload.printable_text import visible
from taskyard.core.questions.in_vain_text import in_vain_texts
from taskyard.worker.cli.doors import placed
from taskyard.worker.cli.help_text import Group
from taskyard.worker.cli.opened import opened_questions
from taskyard.worker.cli.output import (
    Cell,
    Column,
    print_document,
    print_fields,
    print_json,
    print_line,
    print_table,
    stacked,
    text_column,
)
from taskyard.worker.cli.payload import read_json_value
from taskyard.worker.cli.show import AsJson
from taskyard.worker.cli.text import age, counted, written

inbox = typer.Typer(cls=Group, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})

EXAMPLE_ID = "019b2c4e-7c1e-7000-8000-000000000000"
DATA_LIMIT_BYTES = 64 << 20  # the largest that any installation accepts
Id = Annotated[str, typer.Argument(metavar="ID", help="The id of the question, as `inbox list` has it.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the audit log.")]


@inbox.command("list", **placed("inbox list", "inbox list"))
def list_questions(
    state: Annotated[
        str, typer.Option(help="open, answered, declined, expired or withdrawn; ended: all but open ones.")
    ] = "open",
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Lists open questions, those that were asked first first, or the last ones that have ended."""
    with opened_questions() as port:
        found = port.find(state, limit)
    if as_json:
        print_json(found)
        return
    if not found:
        print_line("no open questions" if state == "open" else "no such questions")
        return
    columns = [Column("state", fixed=True), text_column("question"), text_column("of"), Column("asked", fixed=True)]
    rows: list[list[Cell]] = [
        [
            _state(one),
            stacked(
                (visible(one["question"]), "bold" if one["is_yours"] else ""),
                (visible(one["task_title"] or one["task_type"]), ""),
                (one["id"], "dim"),
            ),
            stacked(
                (" ".join([*one["of"], *one["delegated_to"]]), ""),
                *((text, "yellow") for text in _in_vain(one)),
            ),
            age(datetime.fromisoformat(one["asked_at"])),
            written(one["deadline"]),
        ]
        for one in found
    ]
    print_table([*columns, Column("deadline")], rows)


@inbox.command("show", **placed("inbox show", f"inbox show {EXAMPLE_ID}"))
def show(id: Id, as_json: AsJson = False) -> None:
    """Shows a question with its context, what an approval needs, and what people have said."""
    with opened_questions() as port:
        found = port.get(id)
    if as_json:
        print_json(found)
        return
    print_fields(
        [
            ("question", found["question"]),
            ("state", _state(found)),
            ("task", found["task_id"]),
            ("type", found["task_type"]),
            ("title", found["task_title"]),
            ("queue", found["queue"]),
            ("asked", written(found["asked_at"])),
            ("deadline", written(found["deadline"])),
            ("asked of", " ".join(found["of"])),
            ("delegated to", " ".join(found["delegated_to"])),
            *[("asked in vain", visible(text)) for text in _in_vain(found)],
            ("needs", counted(found["needs"], "approval")),
            ("submitted by", found["submitted_by"] + (" (may not answer)" if found["not_by_submitter"] else "")),
            ("asked again", _refusal(found)),
        ]
    )
    if found["context"]:
        print_line("context", "bold")
        for line in found["context"].splitlines():
            print_line(visible(line))
    if found["schema"] is not None:
        print_document("data of an approval", found["schema"])
    if found["refused"] is not None and found["refused"]["data"] is not None:
        print_document("data that were not accepted", found["refused"]["data"])
    for one in found["answers"]:
        said = f"{one['person']} {one['decision']} at {written(one['at'])}"
        print_line(visible(f"{said}: {one['reason']}" if one["reason"] else said))
        if one["data"] is not None:
            print_document("data", one["data"])


@inbox.command("answer", **placed("inbox answer", f'inbox answer {EXAMPLE_ID} --data \'{{"version": "1.2"}}\''))
def answer(
    id: Id,
    data: Annotated[str | None, typer.Option(help="What is approved, as JSON.")] = None,
    data_file: Annotated[Path | None, typer.Option(help="The same from a file; - is standard input.")] = None,
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Approves. Who approves after somebody else approves the same data, and may leave them out."""
    given = read_json_value("data", data, data_file, DATA_LIMIT_BYTES)
    with opened_questions() as port:
        found = port.answer(id, "approved", given, reason)
    _print_answered(found, "approved", as_json)


@inbox.command("decline", **placed("inbox decline", f'inbox decline {EXAMPLE_ID} --reason "a freeze"'))
def decline(
    id: Id,
    reason: Annotated[str, typer.Option(help="Why; the task gets it, and the audit log.")],
    as_json: AsJson = False,
) -> None:
    """Declines: the task goes on with that."""
    with opened_questions() as port:
        found = port.answer(id, "declined", None, reason)
    _print_answered(found, "declined", as_json)


@inbox.command("delegate", **placed("inbox delegate", f"inbox delegate {EXAMPLE_ID} kim"))
def delegate(
    id: Id,
    to: Annotated[str, typer.Argument(metavar="NAME", help="Of a person.")],
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Lets one more person answer; those who are asked may do that, and who manages people."""
    with opened_questions() as port:
        is_changed = port.delegate(id, to, reason)
    if as_json:
        print_json({"question": id, "to": to, "changed": is_changed})
    else:
        print_line(f"{to} may answer question {id}" + ("" if is_changed else " already"))


def _in_vain(found: dict[str, Any]) -> Sequence[str]:
    return in_vain_texts(found["unreached"], found["lacking"], found["needs"], found["not_by_submitter"])


def _refusal(found: dict[str, Any]) -> str | None:
    """Returns which earlier answer was not accepted, and why; None if none was."""
    refused = found["refused"]
    if refused is None:
        return None
    return f"the answer of {', '.join(refused['people'])} was not accepted by the handler: {refused['reason']}"


def _state(found: dict[str, Any]) -> str:
    approvals = sum(one["decision"] == "approved" for one in found["answers"])
    if found["state"] == "open" and found["needs"] > 1:
        return f"open: {approvals} of {found['needs']}"
    return str(found["state"])


def _print_answered(found: dict[str, Any], decision: str, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    print_line(f"question {found['id']} {decision}")
    if found["state"] == "open":
        left = found["needs"] - sum(one["decision"] == "approved" for one in found["answers"])
        print_line(f"{counted(left, 'more approval')} needed", stderr=True)
    else:
        print_line(f"task {found['task_id']} goes on", stderr=True)
