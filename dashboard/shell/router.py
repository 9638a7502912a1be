"""Draws what surrounds every page, and runs the requested page."""

import streamlit as st

from taskyard.core.errors import NotPermitted
from taskyard.core.paths import FILES
from taskyard.dashboard.components.address import read_for
from taskyard.dashboard.components.dialogs import note_all_closed
from taskyard.dashboard.components.task_links import forget_opened
from taskyard.dashboard.data.viewer import viewer
from taskyard.dashboard.i18n import LANGUAGE_KEY, _, settle_language
from taskyard.dashboard.navigation import OVERVIEW, SECTIONS, VIEWS_BY_NAME
from taskyard.dashboard.shell import barring, session_end
from taskyard.dashboard.shell.alert_counts import show_alert_counts
from taskyard.dashboard.shell.barring import show_barred_page
from taskyard.dashboard.shell.browser import mark_page
from taskyard.dashboard.shell.sidebar import show_sidebar
from taskyard.dashboard.shell.style import load_style

SIDEBAR_WIDTH_PX = 200
ICON = str(FILES / "dashboard" / "icon.svg")

st.set_page_config(page_title="Taskyard", page_icon=ICON, layout="wide", initial_sidebar_state=SIDEBAR_WIDTH_PX)
settle_language()
load_style()
st.logo(ICON, size="medium")
who = viewer()
mark_page(who)
pages = {_(name): [view.page(who) for view in views] for name, views in SECTIONS.items()}
page = st.navigation(pages, expanded=True)
show_sidebar()
if session_end.may_show_page():
    barring.watch(who)
    with st.sidebar:
        show_alert_counts()
    view = VIEWS_BY_NAME.get(page.url_path, OVERVIEW)  # the first page has no address of its own
    if lack := view.lack_of(who):
        show_barred_page(view, lack)
    else:
        forget_opened()
        note_all_closed()
        with read_for(page.url_path, (*view.parameters, LANGUAGE_KEY)):
            try:
                page.run()
            except NotPermitted as error:  # lost since it was asked for above
                show_barred_page(view, error)
    session_end.watch()
