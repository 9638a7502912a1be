"""Command lines with odd values, by the commands' own options: for fuzzers with and without servers."""

from __future__ import annotations

import random
from typing import Any

import typer
from click.testing import CliRunner, Result

from taskyard.worker.cli.app import app

# Commands that start, kill or fill things by themselves: only their usage is tried.
STARTING = frozenset({"run", "agent", "api", "dashboard", "prove", "soak", "bench", "seed", "migrate", "doctor"})
ID = "0199c0de-0000-7000-8000-000000000001"
ODD = (
    "",
    " ",
    "-",
    "--",
    "-1",
    "0",
    "-0",
    "1",
    "3",
    "9" * 25,
    "9" * 400,
    "1e308",
    "1e999",
    "-1e999",
    "NaN",
    "inf",
    "0x10",
    "1_000",
    "\0",
    "a\0b",
    "\udcff",
    "\ud800",
    "\ufeff",
    "\u202e",
    "\x1b[31m",
    "é",
    "🙂",
    "a\nb",
    "\r",
    "\t",
    "%s",
    "%(x)s",
    "{}",
    "{x!r}",
    "null",
    "true",
    "[]",
    "[" * 3000,
    '{"a":' * 2000,
    '{"a": 1e400}',
    '{"a": NaN}',
    '{"\\u0000": 1}',
    "'",
    '"',
    "; DROP TABLE tasks",
    "../../etc/passwd",
    "/dev/null",
    "/",
    "/proc/self/mem",
    ".",
    "no-such-file",
    "~",
    "file:///x",
    "http://[::1",
    "2026-02-30",
    "0000-00-00",
    "9999-12-31T23:59:59.999999+14:00",
    "0001-01-01",
    "10000-01-01",
    "2026-11-26T25:00",
    "-7d",
    "7d",
    "1e5d",
    "99999999999d",
    "0s",
    "-0s",
    "5x",
    "24h",
    "d",
    "7 d",
    "١٢d",
    ID,
    ID.upper(),
    ID[:-1],
    f"{{{ID}}}",
    ID.replace("-", ""),
    "urn:uuid:" + ID,
    "low",
    "LOW",
    "failed",
    "diagnostic.noop",
    "diagnostic.*",
    "queue",
    "type",
    "agent",
    "json",
    "pdf",
    "a" * 100_000,
    "=",
    "a=b",
    "a=",
    "$.a",
    "input.a=1",
    "*",
    "[a",
    "(((",
)


GROUP = typer.main.get_command(app)  # made once: it takes longer than most command lines do


def invoke(words: list[str]) -> Result:
    return CliRunner().invoke(GROUP, words, prog_name="taskyard")


def parameters_of() -> dict[str, list[Any]]:
    """The parameters of each command, as click has them."""
    return {name: list(command.params) for name, command in GROUP.commands.items()}  # type: ignore[attr-defined]


def arguments(chance: random.Random, name: str, parameters: list[Any]) -> list[str]:
    """A command line of one command: some of its options, with odd values, sometimes too few or too many."""
    words = [name]
    for parameter in parameters:
        is_option = parameter.param_type_name == "option"
        if is_option and (chance.random() < 0.6 or "--help" in parameter.opts):
            continue
        if not is_option and chance.random() < 0.1:
            continue
        value = chance.choice(ODD)
        if is_option:
            option = chance.choice(parameter.opts)
            words += [option] if parameter.is_flag else chance.choice([[option, value], [f"{option}={value}"]])
        else:
            words.append(value)
    if chance.random() < 0.1:
        words.insert(chance.randrange(1, len(words) + 1), chance.choice(ODD))
    return words
