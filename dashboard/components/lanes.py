"""What waits to be taken, lane by lane."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard.components.times import duration
from dashboard.data import Snapshot

REASONS_IN_FULL = 4
REASONS_HEIGHT_PX = 140


def show_lanes(snapshot: Snapshot) -> None:
    """A table of lanes, with the reason for those that no agent could ever take."""
    st.subheader("Waiting")
    if not snapshot.lanes:
        st.caption("Nothing waits for an agent.")
        return
    st.dataframe(
        lanes_frame(snapshot),
        hide_index=True,
        alt="Waiting tasks by type, with the age of the oldest",
        column_config={"Type": st.column_config.TextColumn(pinned=True)},
    )
    reasons = stuck_reasons(snapshot)
    if reasons:
        st.caption(":orange[:material/warning:] These can't start:")
        height = "content" if len(reasons) <= REASONS_IN_FULL else REASONS_HEIGHT_PX
        st.code("\n".join(reasons), language=None, wrap_lines=True, height=height)


def stuck_reasons(snapshot: Snapshot) -> list[str]:
    """One line for each lane that no online agent could ever take."""
    return [
        f"{count.lane.type} ({count.count:,}): {reason}"
        for count, reason in zip(snapshot.lanes, snapshot.unplaceable, strict=True)
        if reason
    ]


def lanes_frame(snapshot: Snapshot) -> pd.DataFrame:
    """One row for each lane."""
    rows = [
        {
            "Type": count.lane.type,
            "Tasks": count.count,
            "Oldest": duration(max(0.0, (snapshot.as_of - count.oldest).total_seconds())),
            "Queue": count.lane.queue,
            "Needs tags": ", ".join(count.lane.requires),
        }
        for count in snapshot.lanes
    ]
    return pd.DataFrame(rows)
