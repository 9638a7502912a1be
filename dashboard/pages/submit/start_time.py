"""Draws the start time of a task: at once, after a delay, or at a local time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from typing import Any

import streamlit as st

from taskyard.core.errors import SubmissionError
from taskyard.core.i18n import N_, msg
from taskyard.core.payload.culprits import refused, required
from taskyard.core.schedules.zone_words import zone_label
from taskyard.core.submission.form_values import parse_number
from taskyard.dashboard.components.zones import viewer_zone
from taskyard.dashboard.forms.field_widgets import Problems, number_field, show_problem
from taskyard.dashboard.i18n import _

PREFIX = "submit_start"
NOW, IN, AT = "now", "in", "at"
WHEN = {NOW: N_("Now"), IN: N_("In …"), AT: N_("At …")}
UNITS: Mapping[str, tuple[str, int]] = {
    "s": (N_("seconds"), 1),
    "min": (N_("minutes"), 60),
    "h": (N_("hours"), 3600),
    "d": (N_("days"), 86_400),
}
DEFAULTS: Mapping[str, Any] = {"when": NOW, "delay": "5", "unit": "min", "run_at": None}


def ensure() -> None:
    """Gives each widget a state, unless it has one."""
    for name, value in DEFAULTS.items():
        st.session_state.setdefault(_key(name), value)


def clear() -> None:
    """Resets to an immediate start."""
    for name, value in DEFAULTS.items():
        st.session_state[_key(name)] = value


def fill(due: datetime | None) -> None:
    """Sets this time, or an immediate start."""
    clear()
    if due is not None:
        st.session_state[_key("when")] = AT
        st.session_state[_key("run_at")] = due.astimezone(viewer_zone()).replace(tzinfo=None, second=0, microsecond=0)


def texts() -> dict[str, str]:
    """Returns the text of the delay by its widget's key."""
    return {_key("delay"): str(st.session_state[_key("delay")] or "")}


def draft() -> dict[str, Any]:
    """Returns what the other widgets hold, for `restore`."""
    at = st.session_state[_key("run_at")]
    return {name: st.session_state[_key(name)] for name in ("when", "unit")} | {"run_at": at and at.isoformat()}


def restore(chosen: Mapping[str, Any], texts: Mapping[str, str]) -> None:
    """Sets what `draft` returned, as far as it is fit; raises KeyError or ValueError for something else."""
    for name, known in (("when", WHEN), ("unit", UNITS)):
        if chosen[name] in known:
            st.session_state[_key(name)] = chosen[name]
    st.session_state[_key("delay")] = texts.get(_key("delay"), DEFAULTS["delay"])
    if chosen["run_at"]:
        st.session_state[_key("run_at")] = datetime.fromisoformat(str(chosen["run_at"]))


def is_untouched() -> bool:
    """Returns True if nothing was changed."""
    return all(st.session_state[_key(name)] == value for name, value in DEFAULTS.items())


def options() -> dict[str, Any]:
    """Returns `delay_seconds`, `run_at` or neither, as chosen; raises SubmissionError."""
    when = st.session_state[_key("when")]
    if when == IN:
        typed = str(st.session_state[_key("delay")] or "").strip()
        if not typed:
            raise required("delay_seconds", msg("a number"))
        delay = parse_number("delay_seconds", typed)
        if delay < 0:
            raise refused("delay_seconds", typed, msg("a number ≥ 0"))
        return {"delay_seconds": delay * UNITS[st.session_state[_key("unit")]][1]}
    return {"run_at": due_at(st.session_state[_key("run_at")])} if when == AT else {}


def due_at(local: datetime | None) -> datetime:
    """Returns a local time in UTC; raises SubmissionError for a missing one, or one that the zone skips."""
    if local is None:
        raise required("run_at", msg("a date and a time"))
    try:
        due = local.replace(tzinfo=viewer_zone()).astimezone(UTC)
    except OverflowError:  # in the first or the last year that there is
        raise SubmissionError("run_at", f"{local:%Y-%m-%d %H:%M}", msg("a date and a time")) from None
    if due.astimezone(viewer_zone()).replace(tzinfo=None) != local:
        raise SubmissionError("run_at", f"{local:%Y-%m-%d %H:%M}", msg("an existing time: clocks skip this one"))
    return due


def show(problems: Problems) -> None:
    """Shows the choice, and the delay or time if it needs one."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        when = st.segmented_control(
            _("Start"),
            tuple(WHEN),
            key=_key("when"),
            required=True,
            format_func=lambda name: _(WHEN[name]),
            persist_state="session",
        )
        if when == IN:
            number_field(_("Delay"), _key("delay"), width=130)
            st.segmented_control(
                _("Unit"),
                tuple(UNITS),
                key=_key("unit"),
                required=True,
                format_func=lambda name: _(UNITS[name][0]),
                label_visibility="collapsed",
                persist_state="session",
            )
        if when == AT:
            _show_time()
    for name in ("delay_seconds", "run_at"):
        for problem in problems.get(name, ()):
            show_problem(problem)


def _show_time() -> None:
    st.datetime_input(
        _("Time ({zone})").format(zone=zone_label(str(viewer_zone()))),
        value=None,
        # wider than what is accepted: the browser would send nothing of a time outside, and the form act on another
        min_value=datetime(MINYEAR, 1, 1),
        max_value=datetime(MAXYEAR, 12, 31),
        key=_key("run_at"),
        format="YYYY-MM-DD",
        step=60,
        width=220,
        persist_state="session",
    )


def _key(name: str) -> str:
    return f"{PREFIX}_{name}"
