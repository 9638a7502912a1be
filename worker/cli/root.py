"""Makes the command line's root, to which commands are added, and runs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.console import Console

import taskyard
from taskyard.worker.cli.doors import command_class
from taskyard.worker.cli.exits import ALL_EXIT_CODES, EXIT_CODE_HELP, end_without_reader, ending
from taskyard.worker.cli.help_text import Group
from taskyard.worker.cli.program import running_command

PROGRAM = "taskyard"
RUN, CHANGE, INSPECT, WATCH, CARE = "Run", "Work with tasks", "Look", "Alerts", "Take care"


def new_app() -> typer.Typer:
    """Returns the command line without commands."""
    app = typer.Typer(
        cls=Commands,
        help="Taskyard: runs tasks on a pool of agents.",
        epilog=ALL_EXIT_CODES,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(options)
    return app


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        print(f"taskyard {taskyard.__version__}")
        raise typer.Exit


def options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Taskyard: runs tasks on a pool of agents."""


def add_command(app: typer.Typer, name: str, function: Callable[..., Any], panel: str, example: str) -> None:
    """Adds a command with its help."""
    shown = example if "\n" in example else f"Example: {PROGRAM} {example}"
    # a terminal wraps better than the source does
    text = "\n\n".join(" ".join(paragraph.split()) for paragraph in str(function.__doc__).split("\n\n"))
    epilog = f"{shown}\n\n{EXIT_CODE_HELP}"
    app.command(name, cls=command_class(name), help=text, rich_help_panel=panel, epilog=epilog)(function)


class Commands(Group):
    """The group of commands; their expected errors become a line on stderr and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        with ending():
            try:
                return super().invoke(ctx)
            except typer.BadParameter as error:
                if isinstance(error.__cause__ or error.__context__, ValueError):
                    error.message = _expected(error)
                raise


def _expected(error: typer.BadParameter) -> str:
    """Returns the message of an argument that a model of typer's refused, in the words of our own models."""
    from pydantic import ValidationError

    from taskyard.core.payload.pydantic_messages import model_problems

    cause = error.__cause__ or error.__context__
    return model_problems(cause.errors()[0]) if isinstance(cause, ValidationError) else error.message


def run_app(app: typer.Typer) -> None:
    """Runs the command in the arguments, and exits."""
    setattr(Console, "on_broken_pipe", end_without_reader)  # noqa: B010 - of help's consoles, too
    with running_command():
        app(prog_name=PROGRAM)
