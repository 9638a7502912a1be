"""Shows whether a viewer is signed in, or how to sign in."""

from __future__ import annotations

import streamlit as st

from taskyard.core.access.identity import LINK, LOOPBACK
from taskyard.core.access.permissions import Permission
from taskyard.core.errors import TaskyardError
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.permitted import lacking, show_barred
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.data import viewer as data
from taskyard.dashboard.i18n import _


def show_needed() -> None:
    """Shows which link to open, if the viewer may not submit tasks that run code or read files."""
    if data.may_run_code():
        return
    if data.viewer().via != LOOPBACK:
        show_barred(lacking(Permission.CODE_SUBMIT))
        return
    st.info(
        _(
            "Tasks of this type run code that comes with them, or read files of the agent's host. To submit one from "
            "this browser, open the link that the worker printed when it started (…/enter?key=…), or a new one from "
            "`taskyard enter`."
        ),
        title=_("This browser is not signed in"),
        icon=":material/key:",
    )


def show_signed_in() -> None:
    """Shows the signed-in user and a sign-out button; nothing for others."""
    who = data.viewer()
    if who.via != LINK:
        return
    st.caption(_("Signed in as {name}").format(name=escaped(who.name, 60)))
    if st.button(_("Sign out"), icon=":material/logout:", key="sign_out", width="stretch"):
        try:
            data.sign_out()
        except TaskyardError as error:
            st.error(escaped(translate(error), 300))
        else:
            st.rerun()
