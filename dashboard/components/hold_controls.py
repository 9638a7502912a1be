"""Draws the menus, dialogs and descriptions for pausing, draining, resuming and restarting."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from taskyard.core.access.identity import EVERY, Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.humanize import number
from taskyard.core.i18n import N_
from taskyard.core.scheduling.holds import Hold, HoldKind, HoldMode
from taskyard.dashboard.components import permitted
from taskyard.dashboard.components.dialogs import ask
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.zones import shown_time
from taskyard.dashboard.data.controls import Action
from taskyard.dashboard.data.viewer import viewer
from taskyard.dashboard.i18n import _, labelled

PENDING_KEY = "hold_controls_pending"
LEAVE_KEY = "hold_controls_leave"
NAMES_LISTED = 10
ACT_WIDTH_PX = 60

LABELS: Mapping[Action, str] = {
    Action.PAUSE: N_("Pause"),
    Action.DRAIN: N_("Drain"),
    Action.RESUME: N_("Resume"),
    Action.RESTART: N_("Restart"),
}
ICONS: Mapping[Action, str] = {
    Action.PAUSE: ":material/pause:",
    Action.DRAIN: ":material/water_drop:",
    Action.RESUME: ":material/play_arrow:",
    Action.RESTART: ":material/restart_alt:",
}
TITLES: Mapping[tuple[HoldKind, Action], tuple[str, str]] = {  # for one, for many
    (HoldKind.AGENT, Action.PAUSE): (N_("Pause agent"), N_("Pause agents")),
    (HoldKind.AGENT, Action.DRAIN): (N_("Drain agent"), N_("Drain agents")),
    (HoldKind.AGENT, Action.RESUME): (N_("Resume agent"), N_("Resume agents")),
    (HoldKind.AGENT, Action.RESTART): (N_("Restart agent"), N_("Restart agents")),
    (HoldKind.QUEUE, Action.PAUSE): (N_("Pause queue"), N_("Pause queues")),
    (HoldKind.QUEUE, Action.DRAIN): (N_("Drain queue"), N_("Drain queues")),
    (HoldKind.QUEUE, Action.RESUME): (N_("Resume queue"), N_("Resume queues")),
    (HoldKind.TYPE, Action.PAUSE): (N_("Pause task type"), N_("Pause task types")),
    (HoldKind.TYPE, Action.DRAIN): (N_("Drain task type"), N_("Drain task types")),
    (HoldKind.TYPE, Action.RESUME): (N_("Resume task type"), N_("Resume task types")),
}
_WORK_RESUMES = N_("Tasks are accepted and started again.")
_WORK_WAITS = N_("Tasks are accepted but not started until you resume; running tasks continue.")
_WORK_DRAINS = N_("New tasks are refused until you resume. Existing tasks still run.")
CONSEQUENCES: Mapping[tuple[HoldKind, Action], str] = {
    (HoldKind.AGENT, Action.PAUSE): N_("Gets no new tasks until you resume. Tasks it already has still run."),
    (HoldKind.AGENT, Action.DRAIN): N_(
        "Gets no new tasks until you resume, and returns those it has not started. Running tasks continue."
    ),
    (HoldKind.AGENT, Action.RESUME): N_("Gets tasks again."),
    (HoldKind.AGENT, Action.RESTART): N_(
        "Drains, then restarts. Tasks not finished within the grace period return without using up an attempt."
    ),
    (HoldKind.QUEUE, Action.PAUSE): _WORK_WAITS,
    (HoldKind.QUEUE, Action.DRAIN): _WORK_DRAINS,
    (HoldKind.QUEUE, Action.RESUME): _WORK_RESUMES,
    (HoldKind.TYPE, Action.PAUSE): _WORK_WAITS,
    (HoldKind.TYPE, Action.DRAIN): _WORK_DRAINS,
    (HoldKind.TYPE, Action.RESUME): _WORK_RESUMES,
}
DONE_TEXTS: Mapping[Action, str] = {
    Action.PAUSE: N_("Paused: {names}"),
    Action.DRAIN: N_("Draining: {names}"),
    Action.RESUME: N_("Resumed: {names}"),
    Action.RESTART: N_("Draining, then restarting: {names}"),
}
Act = Callable[[HoldKind, Action, Sequence[str], str], int]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A viewer's choice in a menu, to be confirmed next."""

    kind: HoldKind
    action: Action
    names: Sequence[str]


def dialog_name(wanted: Wanted) -> str:
    """Returns the name of its dialog."""
    return f"{wanted.kind}_{wanted.action}_{wanted.names[0]}_{len(wanted.names)}"


def label(action: Action) -> str:
    """Returns the action with its icon, in the viewer's language."""
    return f"{ICONS[action]} {_(LABELS[action])}"


def actions_of(kind: HoldKind, hold: Hold | None) -> list[Action]:
    """Returns the actions available for a subject that is held like this."""
    if hold is None:
        actions = [Action.PAUSE, Action.DRAIN]
    else:
        actions = [Action.RESUME, Action.DRAIN if hold.mode is HoldMode.PAUSED else Action.PAUSE]
    return [*actions, Action.RESTART] if kind is HoldKind.AGENT else actions


def want(kind: HoldKind, action: Action, names: Sequence[str]) -> None:
    """Makes the page's next run ask for confirmation; for use in a callback."""
    st.session_state[PENDING_KEY] = Wanted(kind, action, tuple(names))


def show_menu(kind: HoldKind, name: str, hold: Hold | None, *, key: str) -> None:
    """Shows a menu of the available actions."""

    def chosen() -> None:
        action = st.session_state[key]
        if action is not None:
            want(kind, action, [name])

    help_ = _("Pause, drain, resume or restart") if kind is HoldKind.AGENT else _("Pause, drain or resume")
    st.menu_button(
        _("Actions"),
        actions_of(kind, hold),
        format_func=label,
        key=key,
        on_click=chosen,
        type="tertiary",
        **permitted.button(lack_of(kind, [name]), help_),
    )


def show_bulk_menu(kind: HoldKind, names: Sequence[str], *, key: str) -> None:
    """Shows a menu of the actions available for all of these."""

    def chosen() -> None:
        action = st.session_state[key]
        if action is not None:
            want(kind, action, names)

    st.menu_button(
        _("All {count}").format(count=number(len(names))),
        [action for action in Action if (kind, action) in TITLES],
        format_func=label,
        key=key,
        on_click=chosen,
        type="tertiary",
        **permitted.button(lack_of(kind, names)),
    )


def act_column(
    kind: HoldKind, held: Sequence[tuple[str, Hold | None]], open_one: Callable[[str], None], *, key: str
) -> tuple[Any, list[list[str]]]:
    """Returns a column with a menu in each row, and its cells. `held` are the rows in order: names and their holds.

    `open_one` is called with a name whose details are requested.
    """
    # the rows as the viewer sees them: a click tells only its row
    st.session_state[f"{key}_names"] = [name for name, _hold in held]

    def clicked() -> None:
        click = st.session_state[key]
        name = st.session_state[f"{key}_names"][click["row"]]
        action = next((action for action in Action if label(action) == click["label"]), None)
        if action is not None:
            want(kind, action, [name])
        else:
            open_one(name)
            st.session_state[LEAVE_KEY] = True

    details = f":material/monitoring: {_('Details')}"
    column = st.column_config.ButtonColumn(
        _("Actions"), type="tertiary", on_click=clicked, key=key, width=ACT_WIDTH_PX, pinned=True
    )
    who = viewer()
    cells = [
        [details, *([] if lack_of(kind, [name], who) else map(label, actions_of(kind, hold)))] for name, hold in held
    ]
    return column, cells


def lack_of(kind: HoldKind, names: Sequence[str], who: Actor | None = None) -> str:
    """Returns why the viewer, or `who`, may not hold or restart all of these, as Markdown; empty if they may."""
    known = who or viewer()
    if kind is HoldKind.AGENT:
        return permitted.lacking(Permission.AGENT_CONTROL, queue=EVERY, type_=EVERY, who=known)
    for name in names:
        queue, type_ = (name, EVERY) if kind is HoldKind.QUEUE else (EVERY, name)
        if reason := permitted.lacking(Permission.QUEUE_HOLD, queue=queue, type_=type_, who=known):
            return reason
    return ""


def leave_section() -> None:
    """Runs the whole page after a choice in a menu; must be called first in a live section with menus."""
    if PENDING_KEY in st.session_state or LEAVE_KEY in st.session_state:
        st.rerun(scope="app")


def open_pending(act: Act) -> None:
    """Asks for confirmation of a pending choice; the page calls it before its sections."""
    st.session_state.pop(LEAVE_KEY, None)
    wanted: Wanted | None = st.session_state.pop(PENDING_KEY, None)
    if wanted is None:
        return

    def fields() -> None:
        listed = list(wanted.names[:NAMES_LISTED])
        more = len(wanted.names) - len(listed)
        st.text("\n".join([*listed, _("and {count} more").format(count=more)] if more else listed))
        st.caption(_(CONSEQUENCES[wanted.kind, wanted.action]))

    def do(_fields: None, reason: str) -> str:
        if not act(wanted.kind, wanted.action, wanted.names, reason):
            return _("No change: already in that state")
        return _(DONE_TEXTS[wanted.action]).format(names=escaped(", ".join(wanted.names)))

    ask(
        dialog_name(wanted),
        _(TITLES[wanted.kind, wanted.action][len(wanted.names) > 1]),
        fields,
        do,
        label=_(LABELS[wanted.action]),
        is_reason_required=wanted.action is not Action.RESUME,
    )


def show_hold(hold: Hold) -> None:
    """Shows a hold: who set it, since when, why."""
    word = _("Paused") if hold.mode is HoldMode.PAUSED else _("Draining")
    icon, color = ("pause", "orange") if hold.mode is HoldMode.PAUSED else ("water_drop", "violet")
    who = _("by {actor} since {time}").format(actor=escaped(hold.actor), time=escaped(shown_time(hold.since)))
    text = labelled(who, escaped(hold.reason)) if hold.reason else who
    st.markdown(f":{color}[:material/{icon}: {word}] {text}")
