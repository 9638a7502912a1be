"""What a new installation shows."""

from __future__ import annotations

import streamlit as st

FIRST_TASK = """\
from core.submission import submit

print(submit("diagnostic.echo", {"value": "hello"}, title="My first task"))
"""


def show_empty() -> None:
    """How to submit a first task."""
    with st.container(border=True, key="empty"):
        st.subheader("There are no tasks yet")
        st.markdown("Submit a first one from Python, in the repository's folder. It appears here within seconds.")
        st.code(FIRST_TASK, wrap_lines=True)
        st.caption("`make run` starts everything that it takes, with sample work.")
