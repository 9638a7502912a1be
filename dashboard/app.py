"""The router: `streamlit run dashboard/app.py` from the repository's root."""

import sys
from pathlib import Path

import streamlit as st

# Streamlit puts this folder on the path, and the packages are beside it.
ROOT = str(Path(__file__).resolve().parent.parent)
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

st.set_page_config(page_title="Taskyard", page_icon=f"{ROOT}/dashboard/icon.svg", layout="wide")

st.navigation(
    [
        st.Page(
            "views/overview.py",
            title="Overview",
            icon=":material/view_list:",
            help="What waits, what runs and who runs it, and the whole history of any task.",
            default=True,
        )
    ],
    position="top",
).run()
