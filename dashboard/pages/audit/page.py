"""Draws the audit log: who did what, and when."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import orjson
import pandas as pd
import streamlit as st

from taskyard.core.access.permissions import Permission
from taskyard.core.errors import NotPermitted, SubmissionError
from taskyard.core.i18n import N_
from taskyard.core.postgres.store.audit import AuditEntry, EventCursor, EventPage
from taskyard.core.scheduling.breaker import breaker_reason
from taskyard.dashboard.components import address
from taskyard.dashboard.components.alert_values import rule_word
from taskyard.dashboard.components.choices import show_choice
from taskyard.dashboard.components.empty import show_nothing
from taskyard.dashboard.components.event_details import details_in_words, reason_in_words
from taskyard.dashboard.components.markdown_escape import escaped, one_line
from taskyard.dashboard.components.permitted import button, lacking, show_barred
from taskyard.dashboard.components.states import event_word, word
from taskyard.dashboard.components.tables import show_table, table_height
from taskyard.dashboard.components.task_facts import shortened_id
from taskyard.dashboard.components.task_links import task_column
from taskyard.dashboard.components.times import time_column
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.components.zones import shown_time
from taskyard.dashboard.data.viewer import viewer
from taskyard.dashboard.i18n import _, ngettext
from taskyard.dashboard.pages.audit import data
from taskyard.dashboard.pages.task.panel import show_panel
from taskyard.dashboard.shell import frame

SHOWS = {"operators": N_("User actions"), "everything": N_("Everything")}
TIMES = {
    "all": N_("All times"),
    "1h": N_("1 h"),
    "24h": N_("24 h"),
    "7d": N_("7 days"),
    "30d": N_("30 days"),
    "90d": N_("90 days"),
    "between": N_("Between two times"),
}
FILTER_WIDTH_PX = 150
MAX_DETAIL_LENGTH = 2000  # characters
BEFORE = "before"  # in the address
EARLIER_KEY = "audit_earlier"
FILTERS_KEY = "audit_filters"
MAX_ERROR_LENGTH = 500  # characters


SUBJECTS: Mapping[str, str] = {"queue": N_("queue"), "type": N_("type"), "agent": N_("agent")}


def pick_filters() -> None:
    """Shows the filters, all kept in the address."""
    show_choice(_("Which events"), SHOWS, "show", data.SHOWS[0])
    with st.grid(3, min_column_width=FILTER_WIDTH_PX):
        st.multiselect(
            _("Events"),
            data.EVENTS,
            placeholder=_("All"),
            accept_new_options=True,
            format_func=event_word,
            **address.choices("events"),
        )
        time = st.selectbox(
            _("Time"),
            data.TIMES,
            format_func=lambda name: _(TIMES[name]),
            **address.choice("time", data.TIMES, data.TIMES[0]),
        )
        st.text_input(_("By"), max_chars=200, placeholder=_("Anybody"), **address.text_field("actor"))
        st.text_input(_("Agent"), max_chars=200, placeholder=_("Any"), **address.text_field("agent"))
        st.text_input(_("Task"), max_chars=36, placeholder=_("Any id"), **address.text_field("task_id"))
        st.text_input(
            _("Text"),
            max_chars=200,
            placeholder=_("In reason or detail"),
            **address.text_field("text"),
            **button(lacking(Permission.PAYLOAD_READ)),
        )
        if time == "between":
            st.datetime_input(_("From"), **address.moment("since"))
            st.datetime_input(_("Until"), **address.moment("until"))


def wanted() -> dict[str, str]:
    """Returns the filter in the address; the widgets have reported unreadable parts."""
    given = {name: st.query_params.get(name) for name in data.PARAMS}
    return {name: value for name, value in given.items() if value and not address.is_refused(name)}


def show_exports(params: dict[str, str]) -> None:
    """Shows links that download the filtered events."""
    query = f"?{urlencode(params)}" if params else ""
    with st.container(horizontal=True):
        st.link_button(_("Export CSV"), f"export/audit.csv{query}", icon=":material/download:", shortcut="Shift+E")
        st.link_button(_("Export JSON lines"), f"export/audit.jsonl{query}", icon=":material/download:")


def show_page(found: EventPage, before: str | None, is_narrowed: bool) -> None:
    """Shows a page of events, or that there are none, and links to other pages."""
    if st.query_params.get(BEFORE) != before:
        st.rerun()  # one of the buttons below was pressed
    if found.events:
        show_events(found.events)
        count = ngettext("{count} event", "{count} events", len(found.events)).format(count=len(found.events))
        st.caption(
            _("{count}, from {first} back to {last}").format(
                count=count,
                first=escaped(shown_time(found.events[0].at)),
                last=escaped(shown_time(found.events[-1].at)),
            )
        )
    elif found.searched_to is None:
        if before is not None:
            show_nothing(_("No older event matches."), "history")
        elif is_narrowed:
            show_nothing(_("No event matches the filters."), "filter_alt")
        else:
            show_nothing(_("No user actions yet"), "history")
    if found.searched_to is not None:
        text = _("Searched back to {time} so far.").format(time=escaped(shown_time(found.searched_to)))
        st.caption(f":material/manage_search: {text}")
    show_paging(found)


def show_events(events: tuple[AuditEntry, ...]) -> None:
    """Shows a row for each event."""
    rows = [
        {
            "time": event.at,
            "actor": one_line(event.actor),
            "event": event_word(event.event),
            "about": about(event.detail),
            "reason": one_line(reason(event.event, event.detail or {})),
            "states": in_states(event.from_state, event.to_state),
            "task": shortened_id(event.task_id) if event.task_id else None,
            "agent": (event.agent_id or "").rpartition(":")[0] or event.agent_id or "",
            "attempt": event.attempt,
            "detail": details_of(event),
        }
        for event in events
    ]
    show_table(
        pd.DataFrame(rows),
        alt=_("Events, newest first"),
        columns={
            "time": time_column(_("Time"), is_exact=True),
            "actor": st.column_config.TextColumn(_("By"), width=150),
            "event": st.column_config.TextColumn(_("Event"), width=130),
            "about": st.column_config.TextColumn(_("About"), width=170),
            "reason": st.column_config.TextColumn(_("Reason"), width=220),
            "states": st.column_config.TextColumn(_("States"), width=150),
            "task": task_column([event.task_id for event in events], key="audit_task"),
            "agent": st.column_config.TextColumn(_("Agent"), width=100),
            "attempt": st.column_config.NumberColumn(_("Attempt"), width=70),
            "detail": st.column_config.TextColumn(_("Detail"), width=400),
        },
        key="audit_events",
        height=table_height(len(rows)),
    )


def show_paging(found: EventPage) -> None:
    """Shows buttons to older and newer events; they keep the displayed page, which a refresh may change."""
    with st.container(horizontal=True):
        st.button(
            _("Newest"),
            icon=":material/first_page:",
            key="audit_newest",
            disabled=BEFORE not in st.query_params,
            on_click=go_to,
            args=(None,),
        )
        st.button(
            _("Newer"),
            icon=":material/chevron_left:",
            key="audit_newer",
            disabled=BEFORE not in st.query_params,
            on_click=go_back,
        )
        onwards = None if found.next is None else str(found.next)
        st.button(
            _("Older") if found.searched_to is None else _("Search further"),
            icon=":material/chevron_right:",
            key="audit_older",
            disabled=onwards is None,
            on_click=go_to,
            args=(onwards,),
        )


def go_to(before: str | None) -> None:
    """Goes to the events before a position; the newest ones for None."""
    if before is None:
        st.session_state.pop(EARLIER_KEY, None)
        st.query_params.pop(BEFORE, None)
        return
    st.session_state.setdefault(EARLIER_KEY, []).append(st.query_params.get(BEFORE))
    st.query_params[BEFORE] = before


def go_back() -> None:
    """Goes to the page shown before, or the newest events if that is unknown."""
    earlier = st.session_state.get(EARLIER_KEY) or [None]
    before = earlier.pop()
    if before is None:
        go_to(None)
    else:
        st.query_params[BEFORE] = before


def in_states(from_state: str | None, to_state: str | None) -> str:
    """Describes a change of state."""
    if from_state == to_state or to_state is None:
        return word(from_state) if from_state else ""
    return f"{word(from_state) if from_state else ''} → {word(to_state)}".strip()


def reason(event: str, detail: dict[str, Any]) -> str:
    """Returns the reason that an operator gave, or why an agent's breaker opened or closed, head starts were switched,
    or a second attempt was dropped.
    """
    told = reason_in_words(event, detail)
    if told is not None:
        return told
    why = breaker_reason(str(detail.get("reason") or ""), detail.get("reason_id"), detail.get("reason_parameters"))
    return translate(why)


def details_of(event: AuditEntry) -> str:
    """Returns an event's detail: in words if there are any for its kind, otherwise as JSON."""
    told = details_in_words(event.event, event.detail)
    if told is not None:
        return one_line(told)[:MAX_DETAIL_LENGTH]
    return orjson.dumps(event.detail).decode()[:MAX_DETAIL_LENGTH] if event.detail else ""


def about(detail: Mapping[str, Any] | None) -> str:
    """Returns the subject of an operator's action other than a task: an alert, a queue, an agent, an error group …"""
    known = detail or {}
    names = ("kind", "name", "action", "rule", "subject", "type")
    found = {name: str(known[name]) for name in names if known.get(name)}
    if found.get("kind") in SUBJECTS:
        found["kind"] = _(SUBJECTS[found["kind"]])
    if "rule" in found:
        found["rule"] = rule_word(found["rule"])
    if not found and known.get("queue"):
        found = {"kind": _(SUBJECTS["queue"]), "name": str(known["queue"])}
    return one_line(" ".join(found.values()))


def show_log(params: dict[str, str]) -> None:
    """Shows the matching events, or the filter's problem."""
    before = st.query_params.get(BEFORE)
    try:
        only = data.filter_of(params)
        place = EventCursor.parse(before) if before else None
    except SubmissionError as error:
        st.error(escaped(translate(error), MAX_ERROR_LENGTH))
        return
    try:
        data.check_filter(only, viewer())
    except NotPermitted as error:
        show_barred(escaped(translate(error), MAX_ERROR_LENGTH))
        return
    show_exports(params)
    frame.live(
        "audit",
        lambda: data.page(only, place),
        lambda page: show_page(page, before, bool(params)),
        about=(params, before),
        every_seconds=5.0 if place is None else None,  # older events do not change
        height_px=500,
    )


frame.header(_("Audit"), _("Who did what, and when. The log can't be changed."))
pick_filters()
wanted_params = wanted()
if st.session_state.get(FILTERS_KEY, wanted_params) != wanted_params:
    go_to(None)  # other filters start at the newest event
st.session_state[FILTERS_KEY] = wanted_params
show_log(wanted_params)
show_panel()
