"""Draws what surrounds every page, and runs the requested page."""

import streamlit as st

from taskyard.core.paths import FILES
from taskyard.dashboard.components.address import read_for
from taskyard.dashboard.i18n import _, settle_language
from taskyard.dashboard.navigation import SECTIONS
from taskyard.dashboard.shell.session_end import may_show_page, watch
from taskyard.dashboard.shell.sidebar import show_sidebar

ICON = str(FILES / "dashboard" / "icon.svg")

st.set_page_config(page_title="Taskyard", page_icon=ICON, layout="wide")
settle_language()
st.logo(ICON, size="medium")
page = st.navigation({_(name): [view.page for view in views] for name, views in SECTIONS.items()}, expanded=True)
show_sidebar()
if may_show_page():
    with read_for(page.url_path):
        page.run()
    watch()
