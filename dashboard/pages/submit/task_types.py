"""Draws the choice of a task type, and its details."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from taskyard.core.i18n import N_
from taskyard.core.task_types.registry import Isolation, Registry, TaskType
from taskyard.core.views.seeing import sees_type
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.tables import show_table, value_column
from taskyard.dashboard.components.times import span
from taskyard.dashboard.data.viewer import viewer
from taskyard.dashboard.i18n import _, ngettext

ISOLATIONS = {
    Isolation.PROCESS: N_("a process of its own"),
    Isolation.THREAD: N_("a thread of the agent"),
    Isolation.ASYNC: N_("a coroutine of the agent"),
}


def pick_type(types: Registry, key: str) -> TaskType | None:
    """Lets the viewer pick a type, of those that they see; without one, lists these types."""
    who = viewer()
    names = [name for name in sorted(types.types) if sees_type(who, name)]
    if st.session_state.get(key) not in names:
        st.session_state[key] = None
    name = st.selectbox(
        _("Task type"),
        names,
        index=None,
        key=key,
        placeholder=_("Select a task type"),
        persist_state="session",
    )
    if name is not None:
        return types.get(name)
    table = pd.DataFrame(
        {
            "type": names,
            "does": [description_of(types.get(known)).replace("\n", " ") for known in names],
            "timeout": [types.get(known).timeout_seconds for known in names],
        }
    )

    def take() -> None:
        rows = st.session_state[f"{key}_table"].selection.rows
        if rows:
            st.session_state[key] = names[rows[0]]

    show_table(
        table,
        alt=_("The task types"),
        columns={
            "type": st.column_config.TextColumn(_("Type"), pinned=True),
            "does": st.column_config.TextColumn(_("Description"), width="large"),
            "timeout": value_column(_("Timeout")),
        },
        words={"timeout": span},
        key=f"{key}_table",
        on_select=take,
        selection_mode="single-row",
    )
    return None


def description_of(known: TaskType) -> str:
    """Returns what a type says of itself: ours in the viewer's language, others as their authors wrote it."""
    return _(known.description) if known.is_shipped else known.description


def show_facts(known: TaskType) -> None:
    """Shows what a type does, and its defaults."""
    attempts = known.retry.max_attempts
    facts = [
        _("at most {time}").format(time=span(known.timeout_seconds)),
        ngettext("{count} attempt", "{count} attempts", attempts).format(count=attempts),
        _("in {place}").format(place=_(ISOLATIONS[known.isolation])),
    ]
    if known.memory_limit_mib is not None:
        facts.append(_("at most {count} MiB of memory").format(count=known.memory_limit_mib))
    if known.requires:
        facts.append(_("only agents with {tags}").format(tags=escaped(", ".join(sorted(known.requires)))))
    st.caption(f"{escaped(description_of(known), 400)}  \n{' · '.join(facts)}")
