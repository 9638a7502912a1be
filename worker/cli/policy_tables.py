"""Prints how long tasks waited under several policies."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.text import Text

from taskyard.core.humanize import duration
from taskyard.core.payload.printable_text import visible
from taskyard.core.simulation.figures import Figures, Row
from taskyard.core.states import Priority
from taskyard.worker.cli.output import Column, print_line, print_table
from taskyard.worker.cli.text import counted

NAMES = ("mean", "p50", "p95", "p99", "longest")


def print_policies(
    rows: Sequence[Row], *, base: str, compared: str, distrusted: Callable[[Row], list[str]] = lambda row: []
) -> None:
    """Prints the waits of each row, and of the first one also the times until the ends, with the changes.

    `distrusted` names the figures of a row's waits that are not to be trusted.
    """
    for place, row in enumerate(rows):
        title = "Wait"
        if place:
            priority = "" if row.priority is None else f", priority {Priority(row.priority).label}"
            title = f"Queue {visible(row.queue or '')}{priority}: {counted(row.waits[base].count, 'task')}"
        _print(title, row.waits, base, compared)
        if found := distrusted(row):
            print_line(f"not to be trusted, since the replay is off the record: {', '.join(found)}", "yellow")
        print_line("")
        if not place:
            _print("Wait and run time", row.totals, base, compared)
            print_line("")


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
