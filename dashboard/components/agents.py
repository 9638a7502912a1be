"""Who runs tasks."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard.data import Snapshot


def show_agents(snapshot: Snapshot) -> None:
    """A table of the known agents, present ones first."""
    st.subheader("Agents")
    if not snapshot.agents:
        st.caption("No agent is registered. `make run` starts a worker with the shipped pool of agents.")
        return
    st.dataframe(
        agents_frame(snapshot),
        hide_index=True,
        alt="Agents, with their state and what they run",
        column_config={"Name": st.column_config.TextColumn(pinned=True)},
    )


def agents_frame(snapshot: Snapshot) -> pd.DataFrame:
    """One row for each agent."""
    return pd.DataFrame(
        [
            {
                "Name": agent.name,
                "State": agent.state,
                "Running now": f"{snapshot.running.get(agent.id, 0)} of {agent.max_concurrency}",
                "Kind": agent.kind,
                "Types": ", ".join(agent.types),
                "Tags": ", ".join(agent.tags),
                "Host": agent.host,
            }
            for agent in snapshot.agents
        ]
    )
