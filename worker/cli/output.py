"""Prints tables, fields and JSON on stdout."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from taskyard.core.payload.printable_text import visible
from taskyard.worker.cli.text import pretty_json

WIDE_COLUMNS = 120
UNLIMITED_COLUMNS = 10_000
MAX_TEXT_COLUMNS = 60  # of the terminal, for a line of what people wrote in a list
STATE_STYLES = {
    "blocked": "dim",
    "scheduled": "cyan",
    "suspended": "magenta",
    "pending": "yellow",
    "assigned": "blue",
    "in_progress": "blue",
    "completed": "green",
    "failed": "red",
    "cancelled": "magenta",
    "online": "green",
    "draining": "yellow",
    "left": "dim",
    "lost": "red",
    "ok": "green",
    "warning": "yellow",
    "running": "blue",
    "stuck": "yellow",
}
Cell = str | Text | None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its heading, and whether its cells stay on one line at any width.

    The lines of cells that are wider than `max_width` columns of the terminal end in "…".
    """

    heading: str
    fixed: bool = False
    justify: Literal["left", "right"] = "left"
    max_width: int | None = None


def text_column(heading: str) -> Column:
    """Returns a column for what people wrote: of any length, which lists cut and other commands show."""
    return Column(heading, max_width=MAX_TEXT_COLUMNS)


def console() -> Console:
    """Returns the console for stdout: as wide as the terminal; without one plain, and as wide as its text.

    COLUMNS overrules both.
    """
    is_terminal = sys.stdout.isatty()
    has_width = is_terminal or os.environ.get("COLUMNS", "").isdigit()
    return Console(
        file=sys.stdout,
        force_terminal=is_terminal,
        color_system="auto" if is_terminal else None,
        width=None if has_width else UNLIMITED_COLUMNS,
        highlight=False,
        markup=False,
        emoji=False,
    )


def is_wide() -> bool:
    """Returns True if a table has room for all its columns."""
    return console().width >= WIDE_COLUMNS


def print_json(document: object) -> None:
    """Prints one JSON document, in ASCII, so that a terminal interprets none of it."""
    print(json.dumps(document, indent=2, default=str))


def print_line(text: str, style: str = "", *, stderr: bool = False) -> None:
    """Prints a line to stdout, or stderr, without wrapping it."""
    shown = Console(stderr=True) if stderr else console()
    shown.print(Text(text, style=style), soft_wrap=True)


def print_plain(text: str) -> None:
    """Prints a large text unchanged; it must not contain terminal controls."""
    print(text)


def print_table(
    columns: Sequence[Column], rows: Iterable[Sequence[Cell]], *, title: str = "", headings: bool = True
) -> None:
    """Prints a table. Strings are shown literally, with what is not printable escaped; None is empty."""
    out = console()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_header=headings)
    for column in columns:
        table.add_column(
            column.heading,
            no_wrap=column.fixed,
            justify=column.justify,
            overflow="ellipsis" if column.fixed else "fold",
            min_width=len(column.heading) if column.fixed else None,
        )
    for row in rows:
        table.add_row(*(_shown(cell, column) for cell, column in zip(row, columns, strict=True)))
    if title:
        print_line(title, "bold")
    with out.capture() as captured:
        out.print(table)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))


def print_fields(fields: Iterable[tuple[str, Cell]]) -> None:
    """Prints names and values, one pair a line; those without a value are left out."""
    rows = [(name, value) for name, value in fields if value]
    print_table([Column("", fixed=True), Column("")], rows, headings=False)


def print_document(name: str, value: object) -> None:
    """Prints a JSON value under its name."""
    print_line(name, "bold")
    print_line(pretty_json(value))


def state_text(state: str) -> Text:
    """Returns a state in its colour."""
    return Text(visible(state), style=STATE_STYLES.get(state, ""))


def stacked(*lines: tuple[str | None, str]) -> Text:
    """Stacks (text, style) pairs in one cell; empty ones are left out."""
    return Text("\n").join(Text(visible(line), style=style) for line, style in lines if line)


def _shown(cell: Cell, column: Column) -> Text:
    """Returns a cell as it is printed."""
    text = cell if isinstance(cell, Text) else Text(visible(cell or ""))
    if column.max_width is None:
        return text
    lines = text.split("\n")
    for line in lines:
        if line.cell_len > column.max_width:
            line.truncate(column.max_width - 1)
            line.rstrip()  # half of a character that takes two columns
            line.append("…")
    return Text("\n").join(lines)
