"""Shows tables whose cells are safe to copy or export to a spreadsheet, and whose columns sort by their values."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from taskyard.core.csv_injection import neutral
from taskyard.dashboard.components.times import ZONE, clocks_change

ROWS_IN_FULL = 15
SCROLLED_HEIGHT_PX = 560

pd.set_option("styler.render.max_elements", sys.maxsize)  # nothing is rendered by it

Words = Callable[[Any], str] | Sequence[str]


def show_table(
    frame: pd.DataFrame,
    *,
    alt: str,
    columns: Mapping[str, Any] | None = None,
    words: Mapping[str, Words] | None = None,
    key: str | None = None,
    **options: Any,
) -> Any:
    """Shows a frame whose cells may hold anything; `columns` configures some by name.

    `words` are of columns of numbers that are read as something else, and sort by the number: a function of it, or a
    text for each row. Such a column is configured by `value_column`; its cells without a number are empty.

    `options` are those of `st.dataframe`, which has a button of its own that exports CSV: a text that looks like a
    formula gets an apostrophe in front. Returns what `st.dataframe` does.
    """
    safe = neutralised(frame)
    if words is not None:
        safe = safe.assign(**{name: pd.to_numeric(safe[name]) for name in words if name in safe})
    return st.dataframe(
        safe if words is None else _in_words(safe, words),
        hide_index=True,
        placeholder="",
        alt=alt,
        column_config={name: _with_zone(frame, name, column) for name, column in (columns or {}).items()},
        key=key,
        **options,
    )


def _with_zone(frame: pd.DataFrame, name: str, column: Any) -> Any:
    """Returns a column of times with their distance from UTC if clocks changed near one: two hours have one name."""
    kind = (column.get("type_config") or {}) if isinstance(column, dict) else {}
    if kind.get("type") != "datetime" or name not in frame or kind["format"].endswith(ZONE):
        return column
    if not clocks_change(frame[name].dropna()):
        return column
    return {**column, "type_config": {**kind, "format": kind["format"] + ZONE}}


def value_column(label: str, **options: Any) -> Any:
    """Returns a column of numbers that are shown in words: durations, sizes."""
    return st.column_config.NumberColumn(label, alignment="right", **options)


def _in_words(frame: pd.DataFrame, words: Mapping[str, Words]) -> Any:
    """Returns the frame with the texts of some of its columns: the browser gets both, and sorts by the values.

    A Styler is how Streamlit takes them. Computing its styles takes 0.2 ms a cell, so that is left out.
    """
    cells: list[dict[str, str]] = []
    for place, (name, column) in enumerate(frame.items()):
        if name in words:
            cells += [_cell(row, place, text) for row, text in enumerate(_texts(column, words[str(name)]))]
        elif _is_text(column.dtype):  # where there is none, None would be read
            cells += [_cell(row, place, "") for row, is_missing in enumerate(column.isna()) if is_missing]
    styled = frame.style
    vars(styled).update(_compute=lambda: styled, _translate=lambda *_args: {"body": [cells]})
    return styled


def _cell(row: int, place: int, text: str) -> dict[str, str]:
    return {"id": f"row{row}_col{place}", "display_value": text}


def _texts(column: pd.Series[Any], given: Words) -> Sequence[str]:
    if callable(given):
        return ["" if pd.isna(value) else given(value) for value in column]
    return given


def table_height(rows: int) -> Any:
    """Returns the height of a table that shows all of few rows, and scrolls otherwise."""
    return "content" if rows <= ROWS_IN_FULL else SCROLLED_HEIGHT_PX


def neutralised(frame: pd.DataFrame) -> pd.DataFrame:
    """Returns the frame with every text made harmless to spreadsheets, including headings and texts in lists."""
    safe = frame.rename(columns=_harmless)
    for position, kind in enumerate(safe.dtypes):
        if _is_text(kind):
            safe.isetitem(position, safe.iloc[:, position].map(_harmless).array)
    return safe


def _is_text(kind: Any) -> bool:
    return pd.api.types.is_object_dtype(kind) or pd.api.types.is_string_dtype(kind)


def _harmless(value: Any) -> Any:
    if isinstance(value, str):
        return neutral(value)
    if isinstance(value, list):
        return [_harmless(item) for item in value]
    return value
