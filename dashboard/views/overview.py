"""The first page: what waits, what runs and who runs it, and any task with its history."""

import streamlit as st

from core.errors import TaskyardError
from dashboard import data
from dashboard.components.agents import show_agents
from dashboard.components.banner import show_problems
from dashboard.components.details import show_details
from dashboard.components.empty import show_empty
from dashboard.components.lanes import show_lanes
from dashboard.components.states import show_counts
from dashboard.components.tasks import show_tasks
from dashboard.components.times import shown_time

REFRESH_SECONDS = 2.0
LAST_SEEN_KEY = "last_seen"

with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
    st.title("Overview", width="content")
    is_live = st.toggle("Live", value=True, key="live", help=f"Reads everything again every {REFRESH_SECONDS:g} s")


@st.fragment(run_every=REFRESH_SECONDS if is_live else None)
def show_overview() -> None:
    """The whole page below its title; while PostgreSQL is away, as it was last seen."""
    look = data.look()
    snapshot = look.snapshot or st.session_state.get(LAST_SEEN_KEY)
    st.session_state[LAST_SEEN_KEY] = snapshot
    show_problems(look.problems, None if look.snapshot else snapshot, is_live=is_live)
    if snapshot is None:
        return
    st.caption(f"As of {shown_time(snapshot.as_of)}" + ("" if is_live else ", paused"))
    show_counts(snapshot.counts)
    waiting, agents = st.columns(2, gap="medium")
    with waiting:
        show_lanes(snapshot)
    with agents:
        show_agents(snapshot)
    if not snapshot.tasks:
        show_empty()
        return
    opened = show_tasks(snapshot)
    if opened:
        show_opened(opened, snapshot)


def show_opened(task_id: str, snapshot: data.Snapshot) -> None:
    """The opened task, if it can be read now."""
    try:
        details = data.details(task_id)
    except TaskyardError:
        st.caption("This task can't be read now.")  # the banner says why
        return
    show_details(task_id, details, snapshot.as_of)


show_overview()
