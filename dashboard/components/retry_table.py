"""Lists the tasks that a retry makes run again, with their states now and afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from taskyard.core.edges import RetryScope
from taskyard.core.humanize import number
from taskyard.core.i18n import N_
from taskyard.core.retry_outcome import RunAgain
from taskyard.dashboard.components.markdown_escape import one_line
from taskyard.dashboard.components.states import STATE_COLORS, badge_column, word
from taskyard.dashboard.components.tables import show_table
from taskyard.dashboard.components.task_facts import shortened_id
from taskyard.dashboard.i18n import _

MAX_TITLE_LENGTH = 80
SCOPES: Mapping[str, str] = {
    RetryScope.THIS: N_("This alone"),
    RetryScope.DOWNSTREAM: N_("And what comes after"),
    RetryScope.CHAIN: N_("The whole chain"),
}


def pick_scope(key: str) -> str:
    """Asks how far a retry goes."""
    chosen = st.segmented_control(
        _("Scope"),
        list(RetryScope),
        default=RetryScope.THIS,
        required=True,
        format_func=lambda scope: _(SCOPES[scope]),
        key=key,
    )
    return chosen or RetryScope.THIS


def show_again(tasks: Sequence[RunAgain], count: int) -> None:
    """Shows the first of the tasks that run again, and how many more there are."""
    has_keys = any(task.key for task in tasks)
    rows = [
        {
            **({_("Key"): one_line(task.key or "", MAX_TITLE_LENGTH)} if has_keys else {}),
            _("Task"): shortened_id(task.id),
            _("State"): [word(task.state)],
            _("Then"): [word(task.then)],
            _("Title"): one_line(task.title or task.type, MAX_TITLE_LENGTH),
        }
        for task in tasks
    ]
    show_table(
        pd.DataFrame(rows),
        alt=_("Tasks that run again"),
        key="retry_again",
        row_height=26,
        columns={
            _("State"): badge_column(_("State"), STATE_COLORS, width=90),
            _("Then"): badge_column(_("Then"), STATE_COLORS, width=90),
        },
    )
    if count > len(tasks):
        st.caption(_("and {count} more").format(count=number(count - len(tasks))))
