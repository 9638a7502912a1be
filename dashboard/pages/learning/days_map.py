"""Draws the share of results within their intervals by type and day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import plotly.graph_objects as go
import streamlit as st

from taskyard.core.humanize import number, percent
from taskyard.dashboard.components.charts import draw
from taskyard.dashboard.components.device import is_narrow
from taskyard.dashboard.components.number_grid import GridCell, GridNames, GridScale, grid_height_px, grid_spec
from taskyard.dashboard.i18n import _, enumerated, ngettext
from taskyard.dashboard.pages.learning.data import GOAL, MIN_TASKS, DayHeld, Held, coverage_map

MAX_TYPES = 20
SCALE = GridScale(least=0.5, wanted=GOAL, most=1.0)
# Of a wide window and of a phone: columns that have room for a number, for a name, and characters of a type's name.
WIDE, NARROW = (45, 15, 32), (9, 4, 14)


def show_days(days: Sequence[DayHeld], zone: str) -> None:
    """Shows a cell for each type and day of `zone`, the types with most tasks first."""
    found = coverage_map(days, MAX_TYPES)
    title = _("Coverage by type and day")
    numbered, named, length = NARROW if is_narrow() else WIDE
    names = GridNames([shortened(name, length) for name in found.types], [f"{day:%m-%d}" for day in found.days], named)
    make = _Cells(len(found.days) <= numbered)
    cells = [
        [make.of(type_, day, held) for day, held in zip(found.days, row, strict=True)]
        for type_, row in zip(found.types, found.cells, strict=True)
    ]
    draw(
        title,
        go.Figure(grid_spec(names, cells, SCALE), _validate=False),
        alt=_("{title}. {text}").format(title=title, text=_in_words(cells)),
        key="learning_days",
        height_px=grid_height_px(len(found.types)),
        help_=_(
            "Percentage of a type's tasks that ran as long as their {goal} interval said. Green is right, orange too"
            " narrow: run times vary more than they did; blue too wide. Grey: fewer than {least} tasks, too few to"
            " judge."
        ).format(goal=percent(GOAL), least=number(MIN_TASKS)),
    )
    parts = [_("Days in {zone}").format(zone=zone)]
    if found.left_out:
        text = ngettext("{count} more type is in the table", "{count} more types are in the table", found.left_out)
        parts.append(text.format(count=number(found.left_out)))
    st.caption(" · ".join(parts))


class _Cells:
    """Makes cells: its texts are translated once, since that takes longer than all else of a cell."""

    def __init__(self, has_numbers: bool) -> None:
        self._has_numbers = has_numbers
        self._few = _("few") if has_numbers else ""
        self._few_told = _("{type}, {day}: {count} of {least} tasks that are needed to judge")
        self._told = _(
            "{type}, {day}: {share} of {count} tasks in their interval, {above} longer, {below} shorter; typically off"
            " by {factor}"
        )
        self._factor = _("{factor}×")

    def of(self, type_: str, day: date, held: Held | None) -> GridCell | None:
        """Returns the cell of a type and day; None if nothing ended."""
        if held is None or not held.tasks:
            return None
        count = number(held.tasks)
        if held.tasks < MIN_TASKS:
            told = self._few_told.format(type=type_, day=day, count=count, least=number(MIN_TASKS))
            return GridCell(None, self._few, told)
        told = self._told.format(
            type=type_,
            day=day,
            share=percent(held.coverage),
            count=count,
            above=percent(held.above / held.tasks),
            below=percent(held.below / held.tasks),
            factor=self._factor.format(factor=number(held.error_factor or 1.0)),
        )
        text = f"{100 * (held.coverage or 0):.0f}" if self._has_numbers else ""
        return GridCell(held.coverage, text, told)


def shortened(name: str, length: int) -> str:
    """Returns the end of a name, which tells it from others, if it is long."""
    return name if len(name) <= length else f"…{name[1 - length :]}"


def _in_words(cells: Sequence[Sequence[GridCell | None]]) -> str:
    """Describes the last day of each type."""
    known = ([cell for cell in row if cell is not None] for row in cells)
    return enumerated(row[-1].told for row in known if row)
