"""Shows whether a viewer is signed in, or how to sign in."""

from __future__ import annotations

import streamlit as st

from taskyard.core.access.identity import LINK, LOOPBACK, OIDC, PASSWORD, PROXY
from taskyard.core.access.permissions import Permission, role_of
from taskyard.core.errors import TaskyardError
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.permitted import lacking, narrowing, show_barred
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
    """Shows the signed-in user, people with their role, and the ways to sign out; nothing for others."""
    who = data.viewer()
    if who.via not in (LINK, PASSWORD, OIDC, PROXY):
        return
    st.caption(_("Signed in as {name}").format(name=escaped(who.name, 60)))
    if who.via != LINK and (role := role_of(who.permissions)):
        st.caption(_("Role: {role}").format(role=_(role)))
    if limits := narrowing(who):
        st.caption(_("Only {limits}").format(limits=limits))
    if who.via == PROXY:
        return  # whoever signs out comes in again by the next request
    if st.button(_("Sign out"), icon=":material/logout:", key="sign_out", width="stretch"):
        _sign_out(everywhere=False)
    if who.via != LINK and st.button(
        _("Sign out everywhere"),
        icon=":material/devices_off:",
        key="sign_out_everywhere",
        width="stretch",
        help=_("Ends all your sessions, also in other browsers"),
    ):
        _sign_out(everywhere=True)


def _sign_out(*, everywhere: bool) -> None:
    try:
        data.sign_out(everywhere=everywhere)
    except TaskyardError as error:
        st.error(escaped(translate(error), 300))
    else:
        st.rerun()
