"""Draws a cell of the options' form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from taskyard.core.errors import SubmissionError
from taskyard.dashboard.forms.field_widgets import Problems, show_problem

PREFIX = "submit_option"


def option_key(name: str) -> str:
    """Returns the key of an option's widget."""
    return f"{PREFIX}_{name}"


class OptionField:
    """A cell: its content, and the problem under it."""

    def __init__(self, name: str, problems: Problems) -> None:
        self._problems: Sequence[SubmissionError] = problems.get(name, ())
        self._cell = st.container(gap="xsmall")

    def __enter__(self) -> None:
        self._cell.__enter__()

    def __exit__(self, *raised: Any) -> None:
        for problem in self._problems:
            show_problem(problem)
        self._cell.__exit__(*raised)
