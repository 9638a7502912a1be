"""Tables whose columns sort by their values, whatever is read in them."""

from __future__ import annotations

import math

import pandas as pd
import pytest
import streamlit as st
from streamlit.dataframe_util import convert_arrow_bytes_to_pandas_df
from streamlit.testing.v1 import AppTest

from taskyard.dashboard.components.tables import show_table


def draw() -> None:
    import math

    import pandas as pd

    from taskyard.dashboard.components.tables import show_table, value_column

    frame = pd.DataFrame(
        {
            "name": ["=1", None, "c"],
            "took": [9.0, None, 600.0],
            "kept": [3, math.inf, 1],
            "at": pd.to_datetime(["2026-01-01", None, None], utc=True),
        }
    )
    show_table(
        frame,
        alt="A table",
        columns={"took": value_column("Took"), "kept": value_column("Kept")},
        words={"took": lambda seconds: f"{seconds:g} s", "kept": ["3 days", "for ever", "1 day"], "absent": str},
        key="words",
    )


def test_numbers_are_sent_with_what_is_read_in_their_place() -> None:
    page = AppTest.from_function(draw).run()
    assert not page.exception
    [element] = page.dataframe
    sent = element.value
    assert sent["took"].dtype == "float64"
    assert sent["took"].tolist()[::2] == [9.0, 600.0]
    assert sent["kept"].tolist() == [3.0, math.inf, 1.0]
    assert sent["name"].tolist()[0] == "'=1"
    read = convert_arrow_bytes_to_pandas_df(element.proto.arrow_data.styler.display_values)
    assert read["took"].tolist() == ["9 s", "", "600 s"]
    assert read["kept"].tolist() == ["3 days", "for ever", "1 day"]
    assert read["name"].tolist() == ["'=1", "", "c"]  # no None


def test_a_large_table_is_made_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[pd.DataFrame] = []
    monkeypatch.setattr(st, "dataframe", lambda data, **_options: shown.append(data))
    rows = 60_000  # more cells than pandas styles
    show_table(pd.DataFrame({str(n): range(rows) for n in range(5)}), alt="", words={"1": str})
    assert len(shown) == 1
