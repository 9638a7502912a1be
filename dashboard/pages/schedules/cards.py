"""Draws schedules: a card each, and the details of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pandas as pd
import streamlit as st

from taskyard.core.humanize import number
from taskyard.core.i18n import N_
from taskyard.core.postgres.store.schedule_fires import PastFire
from taskyard.core.schedules.schedule import Schedule
from taskyard.core.schedules.what import AnyWhat, WorkflowWhat
from taskyard.core.schedules.words import in_words
from taskyard.core.schedules.zone_words import zone_label
from taskyard.core.workflows.written import written_workflow
from taskyard.dashboard.components.empty import show_nothing
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.tables import show_table, table_height, value_column
from taskyard.dashboard.components.task_facts import shortened_id
from taskyard.dashboard.components.task_links import go, open_task
from taskyard.dashboard.components.times import age, duration, span, time_column
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.components.zones import shown_time, viewer_zone
from taskyard.dashboard.data.base import now
from taskyard.dashboard.i18n import _, ngettext
from taskyard.dashboard.pages.schedules import data, outcomes
from taskyard.dashboard.pages.schedules.data import Detail, Found

Ask = Callable[[str, Any], None]
CLICK_KEY, WORKFLOW_KEY = "schedule_submitted", "schedule_workflow"
WORKFLOW_HEIGHT_PX = 360
OVERLAPS = {
    "allow": N_("may overlap"),
    "skip": N_("skipped while an earlier one runs"),
    "replace": N_("an earlier one is cancelled"),
}
CATCH_UPS = {
    "none": N_("missed fire times are left out"),
    "last": N_("the last missed fire time is made up for"),
    "all": N_("missed fire times are made up for"),
}


def show_found(found: Found, ask: Ask) -> None:
    """Shows a card for each schedule, with buttons that call `ask` with what to do."""
    if not found.count:
        show_nothing(_("No schedule matches.") if found.is_any else _("No schedules: nothing is submitted by itself."))
    for one, fires in found.shown:
        with st.container(border=True, gap="xsmall", key=f"schedule_{one.name}"):
            show_head(one)
            outcomes.show_strip(fires)
            _show_buttons(one, ask, is_card=True)
    if found.count > len(found.shown):
        text = _("Showing the first {shown} of {count}: search for the others by name, type or owner.")
        st.caption(text.format(shown=len(found.shown), count=found.count))


def show_head(one: Schedule) -> None:
    """Shows a schedule's name, state, and when it fires."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if not one.is_enabled:
            st.badge(_("paused"), color="orange", icon=":material/pause:")
        elif one.next_fire_at is None:
            st.badge(_("over"), color="gray", icon=":material/event_busy:")
        else:
            st.badge(_("enabled"), color="green", icon=":material/check:")
        st.markdown(f"**{escaped(one.name)}**", width="content")
        if isinstance(one.fields.what, WorkflowWhat):
            st.badge(_("workflow"), color="blue", icon=":material/account_tree:")
        st.markdown(escaped(one.fields.what.label), width="content")
        if one.owner:
            st.badge(escaped(one.owner), color="gray", icon=":material/lock:", help=_("It is declared there."))
    st.markdown(f":material/event_repeat: {escaped(translate(in_words(one.timing)))}")
    if one.next_fire_at is not None:
        text = _("Next: {time}, in {span}").format(
            time=_in_both_zones(one.next_fire_at, one.fields.time_zone),
            span=_short(max(0.0, (one.next_fire_at - now()).total_seconds())),
        )
        st.caption(escaped(text))


def show_detail(found: Sequence[Detail], ask: Ask) -> None:
    """Shows everything about a schedule, if it was found."""
    if not found:
        show_nothing(_("No schedule has this name."))
        return
    [detail] = found
    one = detail.schedule
    with st.container(border=True, gap="xsmall"):
        show_head(one)
        st.caption(" · ".join(map(escaped, _facts(one))))
        outcomes.show_strip(detail.fires[: data.STRIP_FIRES][::-1])
        _show_buttons(one, ask, is_card=False)
    outcomes.show_calendar(detail.days, one.fields.time_zone)
    left, right = st.columns([3, 2])
    with left:
        _show_fires(detail.fires)
    with right:
        show_next_fires(detail.next_fires, one.fields.time_zone)
        _show_what(one.fields.what)


def _show_what(what: AnyWhat) -> None:
    if isinstance(what, WorkflowWhat):
        st.markdown(f"**{_('Its workflow')}**")
        st.code(written_workflow(what.as_json()), language="yaml", height=WORKFLOW_HEIGHT_PX)
    elif what.input is not None:
        st.markdown(f"**{_('Input of its tasks')}**")
        st.code(orjson.dumps(what.input, option=orjson.OPT_INDENT_2).decode(), language="json")


def show_next_fires(times: Sequence[datetime], zone: str) -> None:
    """Shows fire times in the viewer's zone and the schedule's."""
    st.markdown(f"**{_('Next fire times')}**")
    if not times:
        st.caption(_("None."))
        return
    theirs = ZoneInfo(zone)
    rows = [{"here": _local(at, viewer_zone()), "there": _local(at, theirs)} for at in times]
    columns: dict[str, Any] = {
        "here": _("Here ({zone})").format(zone=zone_label(str(viewer_zone()))),
        "there": zone_label(zone),
    }
    if str(viewer_zone()) == zone:
        columns["there"] = None
    show_table(pd.DataFrame(rows), alt=_("Next fire times"), columns=columns, height="content")


def _show_buttons(one: Schedule, ask: Ask, *, is_card: bool) -> None:
    buttons = [("details", _("Details"), "list")] if is_card else []
    if data.may_operate():
        switch = ("pause", _("Pause"), "pause") if one.is_enabled else ("resume", _("Resume"), "play_arrow")
        buttons += [("run", _("Run now"), "bolt"), switch]
        if not one.owner:
            buttons.append(("edit", _("Edit"), "edit"))
        buttons.append(("backfill", _("Backfill"), "history"))
        if not one.owner:
            buttons.append(("remove", _("Remove"), "delete"))
    with st.container(horizontal=True):
        for what, label, icon in buttons:
            if st.button(label, icon=f":material/{icon}:", key=f"{what}_schedule_{one.name}"):
                ask(what, one)


def _show_fires(fires: Sequence[PastFire]) -> None:
    st.markdown(f"**{_('Fire times')}**")
    if not fires:
        st.caption(_("It has not fired yet."))
        return
    words = {name: outcomes.outcome_word(name) for name in outcomes.ALL_COLORS}
    rows = [
        {
            "fired": fire.fire_time,
            "outcome": [words[outcomes.outcome_of(fire)]],
            "submitted": shortened_id(fire.task_id or fire.workflow_id or ""),
            "took": fire.run_seconds,
            "why": _(outcomes.ORIGIN_WORDS[fire.origin.value]),
            "reason": translate(fire.reason or ""),
        }
        for fire in fires
    ]
    show_table(
        pd.DataFrame(rows),
        alt=_("Fire times, newest first"),
        columns={
            "fired": time_column(_("Fire time")),
            "outcome": st.column_config.MultiselectColumn(
                _("Outcome"), options=list(words.values()), color=list(outcomes.ALL_COLORS.values()), width=110
            ),
            "submitted": st.column_config.ButtonColumn(
                _("Task or workflow"),
                key=CLICK_KEY,
                on_click=_open_clicked,
                args=({shortened_id(one.task_id or one.workflow_id or ""): one for one in fires},),
                type="tertiary",
                alignment="left",
                width=112,
                help=_("End of the id; opens it"),
            ),
            "took": value_column(_("Took"), width=90),
            "why": _("Why"),
            "reason": _("Reason"),
        },
        words={"took": duration},
        key="schedule_fires",
        height=table_height(len(rows)),
    )


def _open_clicked(fires: Mapping[str, PastFire]) -> None:
    """Opens the task or the workflow whose button was clicked."""
    click = st.session_state[CLICK_KEY]
    fire = fires.get(click["label"]) if click else None
    if fire is None:
        return
    if fire.task_id is not None:
        open_task(fire.task_id)
    elif fire.workflow_id is not None:
        st.session_state[WORKFLOW_KEY] = fire.workflow_id
        go()


def _facts(one: Schedule) -> list[str]:
    fields, what = one.fields, one.fields.what
    rule = fields.cron if fields.cron is not None else _("every {span}").format(span=span(fields.interval_seconds or 0))
    facts = [f"{rule} ({zone_label(fields.time_zone)})"]
    if isinstance(what, WorkflowWhat):
        count = sum(1 for _member in what.members())
        facts.append(ngettext("{count} task", "{count} tasks", count).format(count=number(count)))
    else:
        facts += [f"{name}: {value}" for name, value in what.options.items()]
    facts += [_(OVERLAPS[fields.overlap.value]), _(CATCH_UPS[fields.catch_up.value])]
    if fields.jitter_seconds:
        facts.append(_("delayed by up to {span}").format(span=span(fields.jitter_seconds)))
    if fields.starts_at is not None:
        facts.append(_("from {time}").format(time=shown_time(fields.starts_at)))
    if fields.ends_at is not None:
        facts.append(_("until {time}").format(time=shown_time(fields.ends_at)))
    if fields.expected_seconds is not None:
        facts.append(_("expected within {span}").format(span=span(fields.expected_seconds)))
    facts.append(_("created by {actor}").format(actor=one.created_by))
    return facts


def _short(seconds: float) -> str:
    return age(seconds) if seconds < 60 else duration(seconds, is_short=True)


def _local(at: datetime, zone: Any) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"


def _in_both_zones(at: datetime, zone: str) -> str:
    here, there = shown_time(at), _local(at, ZoneInfo(zone))
    return here if here == there else f"{here} ({there})"
