"""Prints how long tasks waited under several policies."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from taskyard.core.humanize import duration
from taskyard.core.payload.printable_text import visible
from taskyard.core.simulation.figures import Figures, Row
from taskyard.core.states import Priority
from taskyard.worker.cli.output import Column, print_table
from taskyard.worker.cli.text import counted

NAMES = ("mean", "p50", "p95", "p99", "longest")


def print_policies(rows: Sequence[Row], *, base: str, compared: str) -> None:
    """Prints the waits of each row, and of the first one also the times until the ends, with the changes."""
    first = rows[0]
    _print("Wait", first.waits, base, compared)
    _print("Wait and run time", first.totals, base, compared)
    for row in rows[1:]:
        priority = "" if row.priority is None else f", priority {Priority(row.priority).label}"
        tasks = counted(row.waits[base].count, "task")
        _print(f"Wait in queue {visible(row.queue or '')}{priority}: {tasks}", row.waits, base, compared)


def change(share: float | None) -> str:
    """Returns a change as a signed percentage; empty if there is nothing to compare with."""
    if share is None:
        return ""
    percent = round(100 * share, 1)
    return f"{percent:+.1f} %".replace("-", "−") if percent else "0 %"


def _print(title: str, figures: dict[str, Figures], base: str, compared: str) -> None:
    cells: list[Sequence[str | Text | None]] = []
    for name, one in figures.items():
        cells.append([name, *(str(duration(getattr(one, figure), is_figure=True)) for figure in NAMES)])
    if compared != base:
        changes = figures[compared].changes(figures[base])
        cells.append(["change", *(change(changes[figure]) for figure in NAMES)])
    print_table([Column(title), *(Column(name, fixed=True, justify="right") for name in NAMES)], cells)
    print_table([Column("")], [], headings=False)
