"""Shows tables whose cells are safe to copy or export to a spreadsheet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from taskyard.core.csv_injection import neutral

ROWS_IN_FULL = 15
SCROLLED_HEIGHT_PX = 560


def show_table(
    frame: pd.DataFrame, *, alt: str, columns: Mapping[str, Any] | None = None, key: str | None = None, **options: Any
) -> Any:
    """Shows a frame whose cells may hold anything; `columns` configures some by name.

    `options` are those of `st.dataframe`, which has a button of its own that exports CSV: a text that looks like a
    formula gets an apostrophe in front. Returns what `st.dataframe` does.
    """
    return st.dataframe(
        neutralised(frame),
        hide_index=True,
        placeholder="",
        alt=alt,
        column_config=dict(columns or {}),
        key=key,
        **options,
    )


def table_height(rows: int) -> Any:
    """Returns the height of a table that shows all of few rows, and scrolls otherwise."""
    return "content" if rows <= ROWS_IN_FULL else SCROLLED_HEIGHT_PX


def neutralised(frame: pd.DataFrame) -> pd.DataFrame:
    """Returns the frame with every text made harmless to spreadsheets, including headings and texts in lists."""
    safe = frame.rename(columns=_harmless)
    for position, kind in enumerate(safe.dtypes):
        if pd.api.types.is_object_dtype(kind) or pd.api.types.is_string_dtype(kind):
            safe.isetitem(position, safe.iloc[:, position].map(_harmless).array)
    return safe


def _harmless(value: Any) -> Any:
    if isinstance(value, str):
        return neutral(value)
    if isinstance(value, list):
        return [_harmless(item) for item in value]
    return value
