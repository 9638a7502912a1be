"""Draws a table of types: how well their predictions hold."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from taskyard.core.humanize import number, percent, strict_percent
from taskyard.dashboard.components.tables import show_table, table_height, value_column
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.learning.data import GOAL, MIN_TASKS, Held, TypeHeld
from taskyard.dashboard.pages.learning.head import factor_in_words

AS_PREDICTED = 0.005  # a smaller share is no difference
NEARLY_ALL = 0.99
DOUBLE = 2.0  # from this factor on it says more than a percentage does


def show_types(types: Sequence[TypeHeld]) -> None:
    """Shows a row for each type, those with most tasks first."""
    st.subheader(_("By type"), help=_("The tasks of this time range that ended with a prediction"))
    rows = [
        {
            "type": one.type,
            "tasks": one.held.tasks,
            "coverage": one.held.coverage,
            "factor": one.held.error_factor,
            "bias": one.held.bias_factor,
        }
        for one in types
    ]
    show_table(
        pd.DataFrame(rows),
        alt=_("Types of tasks and how well their predictions hold"),
        columns={
            "type": st.column_config.TextColumn(_("Type"), pinned=True, width=220),
            "tasks": st.column_config.NumberColumn(_("Tasks"), format="localized", width=90),
            "coverage": value_column(
                _("Coverage"),
                help=_("Share of tasks that ran as long as their interval said; the goal is {goal}").format(
                    goal=percent(GOAL)
                ),
                width=110,
            ),
            "factor": value_column(
                _("Off by"), help=_("Run time by predicted run time or the other way round, typically"), width=90
            ),
            "bias": value_column(
                _("Against the prediction"), help=_("Whether tasks typically take longer or shorter"), width=220
            ),
        },
        words={
            "coverage": [coverage_in_words(one.held) for one in types],
            "factor": factor_in_words,
            "bias": bias_in_words,
        },
        key="learning_types",
        height=table_height(len(rows)),
    )


def coverage_in_words(held: Held) -> str:
    """Returns the share of tasks within their intervals, unless there are too few."""
    return _("too few") if held.tasks < MIN_TASKS else percent(held.coverage)


def bias_in_words(factor: float) -> str:
    """Returns how much longer or shorter tasks typically take than predicted, by the factor between the two."""
    if abs(factor - 1) < AS_PREDICTED:
        return _("takes as long as predicted")
    if factor >= DOUBLE:
        return _("takes {factor}× as long as predicted").format(factor=number(factor))
    if factor > 1:
        return _("takes {share} longer than predicted").format(share=percent(factor - 1))
    return _("takes {share} less than predicted").format(share=_less_in_words(1 - factor))


def _less_in_words(share: float) -> str:
    """Returns a share of less than all: not 100 %."""
    return percent(share) if share < NEARLY_ALL else strict_percent(share)
