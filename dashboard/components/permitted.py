"""Says what a viewer may not do: buttons are disabled with the reason as their help, forms and pages are not drawn."""

from __future__ import annotations

from typing import Any

import streamlit as st

from taskyard.core.access.identity import ANONYMOUS, EVERY, LOOPBACK, NOBODY, Actor
from taskyard.core.access.permissions import MEANINGS, Permission
from taskyard.core.errors import NotPermitted
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.data.viewer import viewer
from taskyard.dashboard.i18n import _

MAX_REASON_LENGTH = 500
OTHER_HELP = (LOOPBACK, NOBODY, ANONYMOUS)  # how viewers came in whom another role would not help
MAX_NARROWING_LENGTH = 120


def lacking(
    permission: Permission, *, queue: str | None = None, type_: str | None = None, who: Actor | None = None
) -> str:
    """Returns why the viewer may not do something, as Markdown; empty if they may.

    `who` is the viewer where that is known already, as for each row of a table.
    """
    who = who or viewer()
    try:
        who.require(permission, queue=queue, type_=type_)
    except NotPermitted as error:
        return reason_of(error, who)
    return ""


def reason_of(error: NotPermitted, who: Actor | None = None) -> str:
    """Returns why the viewer may not do something, as Markdown: addressed to them, if their role lacks it."""
    who = who or viewer()
    if error.permission not in set(Permission) or who.via in OTHER_HELP or who.may(Permission(error.permission)):
        return escaped(translate(error), MAX_REASON_LENGTH)
    text = _("You may not {what}. An admin can give the permission {permission} with a role.")
    what = escaped(translate(MEANINGS[Permission(error.permission)]))
    return text.format(what=what, permission=f"`{error.permission}`")


def button(barred: str, help_: str | None = None, *, disabled: bool = False) -> dict[str, Any]:
    """Returns the arguments of a button that the viewer may not press if it is `barred`, with the reason."""
    return {"disabled": disabled or bool(barred), "help": barred or help_}


def is_narrowed() -> bool:
    """Returns True if the viewer's role is narrowed to queues or types."""
    return viewer().is_narrowed


def narrowing(who: Actor) -> str:
    """Returns the queues and types that a role is narrowed to, as Markdown; empty if it is not."""
    parts = [
        text.format(patterns=escaped(", ".join(patterns) or _("none"), MAX_NARROWING_LENGTH))
        for text, patterns in ((_("queues {patterns}"), who.queues), (_("types {patterns}"), who.types))
        if EVERY not in patterns
    ]
    return " · ".join(parts)


def show_left_out() -> None:
    """Says that some figures are not shown, because they can't be counted for the viewer's queues and types alone."""
    st.caption(_("Your role is narrowed to some queues and types: figures that count all tasks are not shown."))


def show_barred(reason: str, *, is_page: bool = False) -> None:
    """Shows in the place of a page or a form that the viewer may not use it, and why."""
    title = _("You may not see this page") if is_page else None
    st.info(reason, title=title, icon=":material/lock:")
