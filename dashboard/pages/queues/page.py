"""Draws the Queues page: backlogs, time to drain, and controls."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from taskyard.core.access.identity import EVERY
from taskyard.core.access.permissions import Permission
from taskyard.core.humanize import number
from taskyard.core.i18n import N_
from taskyard.core.scheduling.holds import HoldKind
from taskyard.dashboard.components import address, hold_controls
from taskyard.dashboard.components.dialogs import tell
from taskyard.dashboard.components.empty import show_nothing
from taskyard.dashboard.components.list_controls import pick_sort, pick_text, pick_view
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.paging import CARDS, ROWS, page_of
from taskyard.dashboard.components.permitted import lacking
from taskyard.dashboard.components.ranges import pick_range
from taskyard.dashboard.components.states import QUEUE_COLORS, word
from taskyard.dashboard.data import controls
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.queues import data
from taskyard.dashboard.pages.queues.cards import show_queue_cards, show_queue_rows
from taskyard.dashboard.pages.queues.data import Queue
from taskyard.dashboard.pages.queues.detail import show_charts, show_queue
from taskyard.dashboard.pages.queues.lanes import show_depths, show_lanes
from taskyard.dashboard.shell import frame

FIGURE_WIDTH_PX = 140
SORTS: dict[str, tuple[str, Callable[[Queue], Any]]] = {
    "name": (N_("Name"), lambda queue: queue.name),
    "ready": (N_("Ready"), lambda queue: -queue.ready),
    "oldest": (N_("Oldest"), lambda queue: -(queue.figures.oldest_seconds or 0.0)),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """The viewer's choice of queues and view."""

    view: str
    text: str
    state: str | None
    sort: str

    def fits(self, queue: Queue) -> bool:
        """Returns True if the queue matches."""
        return self.text.lower() in queue.name.lower() and self.state in (None, queue.state)


def pick() -> Choice:
    """Shows the controls over the list."""
    with st.container(horizontal=True, vertical_alignment="center"):
        view = pick_view()
        text = pick_text(_("Name of a queue"))
        with st.popover(_("Filter and sort"), icon=":material/tune:"):
            names = list(QUEUE_COLORS)
            state = st.selectbox(
                _("State"), names, index=None, placeholder=_("Any"), format_func=word, **address.choice("state", names)
            )
            sort = pick_sort(SORTS, "name")
    return Choice(view, text, state, sort)


def show_now(now: data.QueuesNow, choice: Choice) -> None:
    """Shows all queues."""
    hold_controls.leave_section()
    warn_if_not_led(now)
    show_figures(now.queues)
    found = sorted((queue for queue in now.queues if choice.fits(queue)), key=SORTS[choice.sort][1])
    if len(found) > 1:
        hold_controls.show_bulk_menu(HoldKind.QUEUE, [queue.name for queue in found], key="queues_bulk")
    if not found:
        show_nothing(_("No queue matches the filter."), "filter_alt_off")
    elif choice.view == "table":
        show_queue_rows(page_of(found, ROWS, key="queues_table_page"), open_queue, key="queues_table")
    else:
        show_queue_cards(page_of(found, CARDS, key="queues_page"))
    lanes = [lane for queue in found for lane in queue.lanes]
    if not lanes:
        show_nothing(_("No tasks waiting for an agent."), "task_alt")
        return
    show_depths(_("Ready tasks by queue"), [(queue.name, queue.by_priority) for queue in found], key="queues_depth")
    st.subheader(_("Unassigned tasks"))
    show_lanes(lanes, key="queues_lanes")


def warn_if_not_led(now: data.QueuesNow) -> None:
    """Shows what is unknown about queues without a leader."""
    if not now.is_led:
        st.warning(
            _("Nothing is scheduled until a worker leads. Tasks are accepted and wait; counts come from PostgreSQL."),
            title=_("No worker leads"),
            icon=":material/person_off:",
        )


def show_figures(queues: Sequence[Queue]) -> None:
    """Shows the totals of all queues."""
    held = sum(queue.hold is not None for queue in queues)
    figures = [
        (_("Queues"), len(queues), _("Queues with tasks, holds or settings")),
        (_("Ready"), sum(queue.ready for queue in queues), _("Waiting for a free agent")),
        (_("Running"), sum(queue.running for queue in queues), _("Assigned to an agent")),
        (_("Scheduled"), sum(queue.scheduled for queue in queues), _("Due later")),
        (_("Blocked"), sum(queue.blocked for queue in queues), _("Waiting for other tasks")),
        (_("On hold"), held, _("Paused or draining queues")),
    ]
    with st.grid(6, min_column_width=FIGURE_WIDTH_PX):
        for label, count, help_ in figures:
            st.metric(label, number(count), border=True, help=help_)


def close_queue() -> None:
    """Goes back to the list."""
    del st.query_params["queue"]


def open_queue(name: str) -> None:
    """Opens one queue on the page."""
    st.query_params["queue"] = name


def show_types(now: data.QueuesNow) -> None:
    """Shows the task types that are held, each with its menu."""
    hold_controls.leave_section()
    if not now.type_holds:
        st.caption(_("No task type is on hold."))
    for hold in now.type_holds:
        with st.container(border=True):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.text(hold.name, width="stretch")
                hold_controls.show_menu(HoldKind.TYPE, hold.name, hold, key=f"act_type_{hold.name}")
            hold_controls.show_hold(hold)


def hold_type() -> None:
    """Pauses or drains a task type in all queues, if the viewer may."""
    if lacking(Permission.QUEUE_HOLD, queue=EVERY):
        return
    now = data.now().value
    held = {hold.name for hold in now.type_holds} if now else set()
    types = [name for name in (now.types if now else ()) if name not in held]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox(
            _("Task type"), types, index=None, placeholder=_("Choose a task type"), width=320, key="queues_type"
        )
        for action in (controls.Action.PAUSE, controls.Action.DRAIN):
            if st.button(hold_controls.label(action), key=f"queues_type_{action}", disabled=name is None) and name:
                hold_controls.want(HoldKind.TYPE, action, [name])
                st.rerun()


def list_page() -> None:
    """Draws the list of all queues."""
    frame.header(_("Queues"))
    choice = pick()
    frame.live("queues_now", data.now, lambda now: show_now(now, choice), height_px=500)
    st.subheader(_("Task types on hold"))
    st.caption(_("The hold applies in all queues."))
    frame.live("queues_types", data.now, show_types, shows_update_time=False, height_px=60)
    hold_type()


def show_one(now: data.QueuesNow, name: str) -> None:
    """Shows one queue as of now."""
    hold_controls.leave_section()
    warn_if_not_led(now)
    queue = next((queue for queue in now.queues if queue.name == name), None)
    if queue is None:
        show_nothing(_("This queue is empty and was empty in the last hour."), "low_priority")
    else:
        show_queue(queue)


def queue_page(name: str) -> None:
    """Draws the page of one queue."""
    st.query_params["queue"] = name  # a link to the same page leaves the browser's address as it was
    st.button(_("All queues"), icon=":material/arrow_back:", type="tertiary", key="queues_back", on_click=close_queue)
    frame.header(escaped(name))
    frame.live("queue_now", data.now, lambda now: show_one(now, name), height_px=400)
    range_seconds = pick_range()
    frame.live(
        "queue_charts",
        lambda: data.charts(name, range_seconds),
        show_charts,
        about=name,
        every_seconds=5.0,
        shows_update_time=False,
        height_px=300,
    )


tell()
hold_controls.open_pending(controls.act)
if st.query_params.get("queue"):
    queue_page(st.query_params["queue"])
else:
    list_page()
