"""Opens the dialog that makes or changes a schedule, with a live preview of when it would fire."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import available_timezones

import streamlit as st

from taskyard.core.errors import SubmissionError, TaskyardError
from taskyard.core.humanize import parsed_span
from taskyard.core.i18n import N_
from taskyard.core.payload.culprits import refused
from taskyard.core.schedules.cron import MAX_CRON_LENGTH
from taskyard.core.schedules.due import CatchUp
from taskyard.core.schedules.schedule import Overlap, Schedule, ScheduleFields, check_schedule
from taskyard.core.schedules.words import in_words
from taskyard.core.schedules.zone_words import zone_label
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.components.zones import viewer_zone
from taskyard.dashboard.data.base import now
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.schedules import data, what_editor
from taskyard.dashboard.pages.schedules.cards import CATCH_UPS, OVERLAPS, show_next_fires

SEEN_KEY = "schedule_seen"  # as somebody else has changed it, and the viewer knows
DONE_KEY = "schedules_done"  # what the page tells once the dialog has closed
RULES = {"cron": N_("Cron expression"), "interval": N_("Interval")}
MAX_ERROR_LENGTH, MAX_SHOWN = 500, 10
DEFAULT_CRON, DEFAULT_INTERVAL = "0 7 * * mon-fri", "1h"


def ask_schedule(one: Schedule | None) -> None:
    """Opens the dialog."""
    title = _("New schedule") if one is None else _("Change a schedule")

    @st.dialog(title, width="large")
    def dialog() -> None:
        _show(one)

    dialog()


def _show(one: Schedule | None) -> None:
    key = "new" if one is None else one.name
    name = key
    if one is None:
        text = st.text_input(_("Name"), key="schedule_name", help=_("Lower-case letters, digits or ._-"))
        name = (text or "").strip()
    problems: list[TaskyardError] = []
    rule = _rule(one, key, problems)
    at_rule = st.container(key=f"schedule_rule_problems_{key}")
    given = {**rule, **_policies(one, key, problems)}
    try:
        given["what"] = what_editor.show_what(None if one is None else one.fields.what, key)
    except TaskyardError as error:
        problems += error.parts if isinstance(error, SubmissionError) and error.parts else [error]
        given["what"] = {"type": "unknown"}
    _preview(given, problems)
    for problem in problems[:MAX_SHOWN]:
        is_of_rule = isinstance(problem, SubmissionError) and problem.field in rule
        (at_rule if is_of_rule else st).error(escaped(translate(problem), MAX_ERROR_LENGTH))
    if len(problems) > MAX_SHOWN:
        st.caption(_("{count} more problems").format(count=len(problems) - MAX_SHOWN))
    label = _("Create") if one is None else _("Edit")
    if not st.button(label, type="primary", key="schedule_save", disabled=bool(problems)):
        return
    try:
        if one is not None and is_overtaken(one):
            return
        is_changed = data.save(name, given, is_new=one is None)
    except TaskyardError as error:
        st.error(escaped(translate(error), MAX_ERROR_LENGTH))
        return
    done = _("Schedule created") if one is None else _("Schedule changed")
    st.session_state[DONE_KEY] = done if is_changed else _("No change")
    st.rerun()


def is_overtaken(one: Schedule) -> bool:
    """Says so if somebody else has changed a schedule while it was open here; once more is meant as it is.

    Raises SubmissionError if it no longer exists.
    """
    seen = f"{SEEN_KEY}_{one.name}"
    fields = data.current(one.name).fields
    if fields in (one.fields, st.session_state.get(seen)):
        return False
    st.session_state[seen] = fields
    text = _("Somebody else changed this schedule while it was open here. It now fires: {words}. Your text is kept.")
    st.warning(text.format(words=escaped(translate(in_words(fields.timing(now()))))), icon=":material/person_alert:")
    st.caption(_("Press the button again to replace what they changed."))
    return True


def _rule(one: Schedule | None, key: str, problems: list[TaskyardError]) -> dict[str, Any]:
    """Draws when it fires; returns the rule's arguments."""
    fields = None if one is None else one.fields
    has_interval = fields is not None and fields.cron is None
    kind = st.segmented_control(
        _("Rule"),
        list(RULES),
        required=True,
        default="interval" if has_interval else "cron",
        format_func=lambda value: _(RULES[value]),
        key=f"schedule_rule_{key}",
    )
    zones = sorted(available_timezones() - {"localtime"})
    chosen = str(viewer_zone()) if fields is None else fields.time_zone
    with st.container(horizontal=True):
        if kind == "interval":
            text = DEFAULT_INTERVAL if fields is None or fields.cron is not None else f"{fields.interval_seconds:.0f}s"
            label, help_ = _("Every"), _("A number with s, m, h, d or w")
            every = st.text_input(label, text, key=f"schedule_every_{key}", help=help_)
            rule: dict[str, Any] = {"interval_seconds": _seconds("interval_seconds", every, problems), "cron": None}
        else:
            text = DEFAULT_CRON if fields is None or fields.cron is None else fields.cron
            cron = st.text_input(
                _("Cron expression"),
                text,
                max_chars=MAX_CRON_LENGTH,
                key=f"schedule_cron_{key}",
                help=_("Minute, hour, day, month, weekday; or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`"),
            )
            rule = {"cron": cron, "interval_seconds": None}
        index = zones.index(chosen) if chosen in zones else zones.index("UTC")
        zone = st.selectbox(_("Time zone"), zones, index=index, format_func=zone_label, key=f"schedule_zone_{key}")
    return {**rule, "time_zone": zone}


def _policies(one: Schedule | None, key: str, problems: list[TaskyardError]) -> dict[str, Any]:
    fields = None if one is None else one.fields
    with st.expander(_("Overlap, missed fire times, start and end"), key=f"schedule_more_{key}"):
        overlaps, catch_ups = [one.value for one in Overlap], [one.value for one in CatchUp]
        overlap = st.selectbox(
            _("While an earlier one runs"),
            overlaps,
            index=0 if fields is None else overlaps.index(fields.overlap.value),
            format_func=lambda value: _(OVERLAPS[value]),
            key=f"schedule_overlap_{key}",
        )
        catch_up = st.selectbox(
            _("After a downtime"),
            catch_ups,
            index=catch_ups.index("last" if fields is None else fields.catch_up.value),
            format_func=lambda value: _(CATCH_UPS[value]),
            key=f"schedule_catch_up_{key}",
        )
        limit = st.number_input(  # without limits, as that of pools
            _("At most so many"),
            value=10 if fields is None else fields.catch_up_limit,
            step=1,
            disabled=catch_up != "all",
            key=f"schedule_limit_{key}",
        )
        given = _bounds(fields, key, problems)
    return {"overlap": overlap, "catch_up": catch_up, "catch_up_limit": int(limit), **given}


def _bounds(fields: ScheduleFields | None, key: str, problems: list[TaskyardError]) -> dict[str, Any]:
    """Draws spans and times, all of which may be left empty."""
    spans = {
        "jitter_seconds": (_("Delay by up to"), None if fields is None else fields.jitter_seconds),
        "expected_seconds": (
            _("Alert if not completed within"),
            None if fields is None else fields.expected_seconds,
        ),
    }
    given: dict[str, Any] = {}
    for field, (label, known) in spans.items():
        text = st.text_input(
            label,
            f"{known:.0f}s" if known else "",
            key=f"schedule_{field}_{key}",
            placeholder=_("such as 90s or 15m"),
        )
        given[field] = _seconds(field, text, problems) if text else (0.0 if field == "jitter_seconds" else None)
    moments = {
        "starts_at": (_("Not before"), None if fields is None else fields.starts_at),
        "ends_at": (_("Not after"), None if fields is None else fields.ends_at),
    }
    for field, (label, at) in moments.items():
        value = None if at is None else at.astimezone(viewer_zone()).replace(tzinfo=None)
        chosen = st.datetime_input(label, value, key=f"schedule_{field}_{key}")
        given[field] = chosen.replace(tzinfo=viewer_zone()) if isinstance(chosen, datetime) else None
    return given


def _preview(given: dict[str, Any], problems: list[TaskyardError]) -> None:
    try:
        fields = check_schedule(**given)
    except SubmissionError as error:
        problems.append(error)
        return
    with st.container(border=True, gap="xsmall", key="schedule_preview"):
        st.markdown(f":material/event_repeat: **{escaped(translate(in_words(fields.timing(now()))))}**")
        show_next_fires(data.preview(fields), fields.time_zone)


def _seconds(field: str, text: str | None, problems: list[TaskyardError]) -> float | None:
    seconds = parsed_span((text or "").strip())
    if seconds is None:
        problems.append(refused(field, text, _("a number with s, m, h, d or w, such as 90s or 15m")))
        return 1.0
    return float(seconds)
