"""What is said when a server is away."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard.components.times import shown_time
from dashboard.data import Snapshot


def show_problems(problems: Sequence[str], last_seen: Snapshot | None, *, is_live: bool) -> None:
    """A calm banner, if there is a problem: what is away, and what happens next.

    `last_seen` is what the page shows if nothing newer can be read.
    """
    if not problems:
        return
    known = f"What is shown was known at {shown_time(last_seen.as_of)}. " if last_seen else ""
    ahead = "The page goes on by itself once everything is back." if is_live else "Turn Live on to see when it is back."
    st.warning(f"Not everything can be reached. {known}{ahead}", icon=":material/cloud_off:")
    for problem in problems:
        st.text(problem)
