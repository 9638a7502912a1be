"""The router: draws what surrounds every page, and runs the one that is asked for."""

import sys
from pathlib import Path

import streamlit as st

# Streamlit puts this folder on the path, and the packages are beside it.
ROOT = str(Path(__file__).resolve().parent.parent)
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

from dashboard.components.address import read_for  # noqa: E402
from dashboard.i18n import _  # noqa: E402
from dashboard.pages import SECTIONS  # noqa: E402
from dashboard.sidebar import show_sidebar  # noqa: E402

st.set_page_config(page_title="Taskyard", page_icon=f"{ROOT}/dashboard/icon.svg", layout="wide")
st.logo(f"{ROOT}/dashboard/icon.svg", size="medium")
page = st.navigation({_(name): [view.page for view in views] for name, views in SECTIONS.items()}, expanded=True)
show_sidebar()
with read_for(page.url_path):
    page.run()
