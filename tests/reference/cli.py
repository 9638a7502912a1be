"""The page of the command line, made from the application itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from taskyard.worker.cli.app import PROGRAM, app
from taskyard.worker.cli.exits import EXIT_CODES
from taskyard.worker.cli.help_text import argument_usage
from tests.reference.text import cell, prose

COMMAND = "taskyard"


def cli() -> Iterator[str]:
    """Every command with its arguments and options."""
    root = typer.main.get_command(app)
    groups: dict[str, list[Any]] = {}
    for command in root.commands.values():
        groups.setdefault(command.rich_help_panel or "", []).append(command)
    for group, commands in groups.items():
        yield f"## {group}"
        yield ""
        for command in commands:
            yield from _command(command, f"{COMMAND} {command.name}", "###")
    yield "## Exit codes"
    yield ""
    yield "| code | meaning |"
    yield "|---|---|"
    for code, meaning in EXIT_CODES.items():
        yield f"| {code} | {meaning} |"


def _command(command: Any, path: str, heading: str) -> Iterator[str]:
    yield f"{heading} {path}"
    yield ""
    yield prose(command.help or "")
    yield ""
    if place := getattr(command, "place", ""):
        yield prose(place)
        yield ""
    nested = getattr(command, "commands", {})
    if not nested:
        yield "```text"
        yield " ".join([path, *(piece for parameter in command.params for piece in _usage(parameter))])
        yield "```"
        yield ""
    shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    if shown:
        yield "| argument or option | meaning |"
        yield "|---|---|"
        for parameter in shown:
            yield f"| {_parameter(parameter)} | {cell(parameter.help or '')}{_default(parameter)} |"
        yield ""
    if example := _examples(command.epilog or ""):
        yield "```sh"
        yield from example
        yield "```"
        yield ""
    for name, one in nested.items():
        yield from _command(one, f"{path} {name}", heading + "#")


def _usage(parameter: Any) -> Iterator[str]:
    if parameter.param_type_name == "argument":
        yield argument_usage(parameter)
    elif parameter.required:
        yield f"{parameter.opts[0]} {parameter.metavar}"
    else:
        yield f"[{parameter.opts[0]}]" if _is_flag(parameter) else f"[{parameter.opts[0]} {parameter.metavar}]"


def _parameter(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{parameter.metavar}`"
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    return names if _is_flag(parameter) else f"{names} `{parameter.metavar}`"


def _is_flag(parameter: Any) -> bool:
    return not parameter.metavar


def _default(parameter: Any) -> str:
    default = parameter.default
    if default in (None, False, "", ()) or not parameter.show_default or callable(default):
        return ""
    return f" Default: `{getattr(default, 'value', default)}`."


def _examples(epilog: str) -> list[str]:
    """The lines of an epilog that are commands, under the command's own name."""
    lines = [line.strip().removeprefix("Example: ").removeprefix("Examples:").strip() for line in epilog.split("\n")]
    named = (line.replace(PROGRAM, COMMAND).replace("python -m worker", COMMAND) for line in lines)
    return [line for line in named if line.startswith(COMMAND)]
