"""Implements commands for hooks, by which others submit tasks with signed requests."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from taskyard.core.payload.printable_text import visible
from taskyard.core.webhooks.schemes import Scheme
from taskyard.worker.cli.doors import placed
from taskyard.worker.cli.help_text import Group
from taskyard.worker.cli.opened import opened_hooks
from taskyard.worker.cli.output import Column, print_json, print_line, print_plain, print_table
from taskyard.worker.cli.show import AsJson
from taskyard.worker.cli.text import written
from taskyard.worker.cli.webhooks import named, print_change

MAX_SECRET_LINE = 1_000  # characters
ADD_EXAMPLE = 'hooks add github-push github diagnostic.echo --template \'{"value": "{{ body.ref }}"}\' --event push'

hooks = typer.Typer(cls=Group, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of the hook.")]
Template = Annotated[
    str | None,
    typer.Option(metavar="JSON", help="The task's input; texts such as {{ body.ref }} stand for what is sent."),
]
TemplateFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="A file with the template; - is standard input.")
]
Queue = Annotated[str | None, typer.Option(help="The queue of its tasks.")]
Priority = Annotated[str | None, typer.Option(help="Their priority: low, medium, high or urgent.")]
Events = Annotated[
    list[str] | None,
    typer.Option("--event", metavar="PATTERN", help="Only events such as push or invoice.*; may repeat."),
]
FromStdin = Annotated[
    bool, typer.Option("--secret-stdin", help="Read the sender's own secret, such as Stripe's, from standard input.")
]


@hooks.command(
    "add",
    **placed(
        "hooks add",
        'hooks add github-push github diagnostic.echo --template \'{"value": "{{ body.ref }}"}\' --event push',
    ),
)
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="1 to 64 lower-case letters, digits or ._-")],
    scheme: Annotated[Scheme, typer.Argument(metavar="SCHEME", help="Who signs: github, stripe or standard.")],
    type: Annotated[str, typer.Argument(metavar="TYPE", help="The type of the tasks that it submits.")],
    template: Template = None,
    template_file: TemplateFile = None,
    queue: Queue = None,
    priority: Priority = None,
    event: Events = None,
    secret_stdin: FromStdin = False,
    as_json: AsJson = False,
) -> None:
    """Adds a hook, which is called at /hooks/NAME of the API, and prints its secret: this once."""
    read = _template(template, template_file)
    fields = named(queue=queue, priority=priority, events=event or None, secret=_secret() if secret_stdin else None)
    with opened_hooks() as port:
        made = port.add(name, scheme.value, type, {} if read is None else read, fields)
    _print_secret(name, None if secret_stdin else made, as_json)


@hooks.command("list", **placed("hooks list", "hooks list"))
def list_hooks(as_json: AsJson = False) -> None:
    """Lists hooks with what they submit, and when they were used."""
    with opened_hooks() as port:
        found = port.list_all()
    if as_json:
        print_json(found)
        return
    if not found:
        print_line("no hooks: `hooks add` makes one")
        return
    columns = [Column("name", fixed=True), Column("scheme", fixed=True), Column("type"), Column("queue")]
    columns += [Column("events"), Column("used", fixed=True), Column("refused", fixed=True)]
    rows = [
        [
            *(one[field] for field in ("name", "scheme", "type", "queue")),
            visible(" ".join(one["events"])),
            written(one["used_at"]),
            written(one["refused_at"]),
            written(one["disabled_at"]),
        ]
        for one in found
    ]
    print_table([*columns, Column("disabled", fixed=True)], rows)


@hooks.command("change", **placed("hooks change", "hooks change github-push --event push --event release"))
def change(
    name: Name,
    type: Annotated[str | None, typer.Option(help="The type of the tasks that it submits.")] = None,
    template: Template = None,
    template_file: TemplateFile = None,
    queue: Queue = None,
    priority: Priority = None,
    event: Events = None,
    as_json: AsJson = False,
) -> None:
    """Changes what a hook submits; what is not named stays."""
    read = _template(template, template_file)
    with opened_hooks() as port:
        fields = named(type=type, template=read, queue=queue, priority=priority, events=event or None)
        is_changed = port.change(name, fields)
    print_change(name, "changed", is_changed, as_json)


@hooks.command("disable", **placed("hooks disable", "hooks disable github-push"))
def disable(name: Name, as_json: AsJson = False) -> None:
    """Refuses every call until `enable`."""
    _switch(name, is_disabled=True, as_json=as_json)


@hooks.command("enable", **placed("hooks enable", "hooks enable github-push"))
def enable(name: Name, as_json: AsJson = False) -> None:
    """Accepts calls again."""
    _switch(name, is_disabled=False, as_json=as_json)


@hooks.command("remove", **placed("hooks remove", "hooks remove github-push"))
def remove(name: Name, as_json: AsJson = False) -> None:
    """Removes a hook; calls of it are refused from now on."""
    from taskyard.core.errors import SubmissionError

    with opened_hooks() as port:
        is_changed = port.remove(name)
    if not is_changed:
        raise SubmissionError("name", name, "the name of a hook, as `hooks list` has it")
    print_change(name, "removed", is_changed, as_json)


@hooks.command("rotate", **placed("hooks rotate", "hooks rotate github-push"))
def rotate(name: Name, secret_stdin: FromStdin = False, as_json: AsJson = False) -> None:
    """Makes another secret and prints it; the former one also counts for 24 hours."""
    given = _secret() if secret_stdin else None
    with opened_hooks() as port:
        made = port.rotate(name, given)
    _print_secret(name, None if secret_stdin else made, as_json)


def _switch(name: str, *, is_disabled: bool, as_json: bool) -> None:
    with opened_hooks() as port:
        is_changed = port.switch(name, is_disabled=is_disabled)
    print_change(name, "disabled" if is_disabled else "enabled", is_changed, as_json)


def _template(text: str | None, file: Path | None) -> Any:
    """Returns the template that was given, None without one; raises SubmissionError."""
    from taskyard.core.webhooks.template import MAX_TEMPLATE_BYTES
    from taskyard.worker.cli.payload import read_input

    if text is not None and file is not None:
        raise typer.BadParameter("either --template or --template-file, not both")
    return read_input(text, file, MAX_TEMPLATE_BYTES)


def _secret() -> str:
    return sys.stdin.readline(MAX_SECRET_LINE).removesuffix("\n").removesuffix("\r")


def _print_secret(name: str, secret: str | None, as_json: bool) -> None:
    """Prints a secret that was made here, or that one was taken."""
    if as_json:
        print_json({"name": name, "secret": secret})
    elif secret is None:
        print_line(f"{name} has the secret that was given")
    else:
        print_plain(secret)
        print_line(f"the secret of {name}, shown this once", stderr=True)
