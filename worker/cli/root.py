"""Makes the command line's root, to which commands are added, and runs it."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.console import Console

import taskyard
from taskyard.core.private_files import keep_files_private
from taskyard.worker.cli.doors import command_class
from taskyard.worker.cli.exits import ALL_EXIT_CODES, EXIT_CODE_HELP, Commands, end_without_reader
from taskyard.worker.process.last_threads import ending_despite_threads

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


def run_app(app: typer.Typer) -> None:
    """Runs the command in the arguments, and exits."""
    keep_files_private()
    setattr(Console, "on_broken_pipe", end_without_reader)  # noqa: B010 - of help's consoles, too
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # the shell closed it: `>&-`
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that can't show all characters
    with ending_despite_threads():
        app(prog_name=PROGRAM)
