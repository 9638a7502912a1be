"""Draws the form that replays recorded work under another policy, its progress and its result."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from taskyard.core.access.identity import EVERY
from taskyard.core.access.permissions import Permission
from taskyard.core.errors import TaskyardError
from taskyard.core.i18n import N_
from taskyard.core.simulation.simulate import POLICIES
from taskyard.dashboard.components import address
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.permitted import lacking, show_barred
from taskyard.dashboard.components.policies import policy_name
from taskyard.dashboard.components.ranges import DAY, HOUR
from taskyard.dashboard.components.times import duration
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.components.zones import shown_time
from taskyard.dashboard.data import replay_runs as data
from taskyard.dashboard.data.replay_runs import Choice, ReplayRun, ReplayStatus
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.learning.replay_result import show_result
from taskyard.dashboard.pages.tasks.data import facets
from taskyard.dashboard.shell import frame

QUEUE, SPAN, POLICY = "queue", "span", "policy"  # in the address
SPANS_SECONDS: Mapping[str, int] = {"6h": 6 * HOUR, "24h": DAY, "7d": 7 * DAY}
SPAN_LABELS: Mapping[str, str] = {"6h": N_("last 6 hours"), "24h": N_("last 24 hours"), "7d": N_("last 7 days")}
FIELD_WIDTH_PX = 220
MAX_ERROR_LENGTH = 400


def show_replay() -> None:
    """Shows the form, and the replay of what is chosen in it."""
    st.subheader(
        _("Try another policy on recorded work"),
        help=_(
            "A simulation of what happened, with the policies that act and with another one. It changes nothing, and"
            " runs beside the pages: you may leave this one meanwhile."
        ),
    )
    if barred := lacking(Permission.TASK_READ, queue=EVERY, type_=EVERY):
        show_barred(barred)
        return
    choice = _pick()
    frame.live(
        "learning_replay",
        lambda: data.status(choice),
        lambda status: _show(choice, status),
        about=choice,
        shows_update_time=False,
        height_px=80,
    )


def _pick() -> Choice:
    """Lets the viewer choose queue, span and policy, kept in the address."""
    known = facets().value
    asked = st.query_params.get(QUEUE, "")
    queues = ["", *sorted({*(known.queues if known else ()), *([asked] if asked else [])})]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        queue = st.selectbox(
            _("Queue"),
            queues,
            format_func=lambda name: name or _("All queues"),
            width=FIELD_WIDTH_PX,
            help=_("Only this queue gets the other policy, and is shown; its tasks compete with all others."),
            **address.choice(QUEUE, queues, ""),
        )
        span = st.selectbox(
            _("Time range"),
            list(SPANS_SECONDS),
            format_func=lambda name: _(SPAN_LABELS[name]),
            width=FIELD_WIDTH_PX,
            **address.choice(SPAN, list(SPANS_SECONDS), "24h"),
        )
        policy = st.selectbox(
            _("Policy to try"),
            list(POLICIES),
            format_func=policy_name,
            width=FIELD_WIDTH_PX,
            **address.choice(POLICY, list(POLICIES), "learned"),
        )
    return Choice(queue or "", SPANS_SECONDS[span or "24h"], policy or "learned")


def _show(choice: Choice, status: ReplayStatus) -> None:
    run = status.run
    if run is not None and run.ended_at is None:
        _show_progress(choice, run)
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            _("Replay") if run is None else _("Replay again"),
            icon=":material/play_arrow:",
            key="learning_replay_start",
            type="primary",
            on_click=_start,
            args=(choice,),
            disabled=status.is_other_running,
            help=_("Another replay runs: one at a time") if status.is_other_running else None,
        )
        if run is not None and run.ended_at is not None:
            text = _("Replayed {time}, in {duration}").format(
                time=shown_time(run.ended_at), duration=duration((run.ended_at - run.started_at).total_seconds())
            )
            st.caption(escaped(text), width="content")
    if run is None:
        return
    if run.problem:
        st.error(escaped(translate(run.problem), MAX_ERROR_LENGTH), icon=":material/error:")
    elif run.found is None:
        st.info(_("The replay was stopped."), icon=":material/stop_circle:")
    else:
        show_result(run.found, choice.queue)


def _show_progress(choice: Choice, run: ReplayRun) -> None:
    st.progress(min(1.0, max(0.0, run.share)), text=_("Replaying recorded work…"))
    st.button(_("Stop"), icon=":material/stop_circle:", key="learning_replay_stop", on_click=_stop, args=(choice,))


def _start(choice: Choice) -> None:
    try:
        data.start(choice)
    except TaskyardError as error:
        st.toast(escaped(translate(error), MAX_ERROR_LENGTH), icon=":material/error:")


def _stop(choice: Choice) -> None:
    try:
        data.stop(choice)
    except TaskyardError as error:
        st.toast(escaped(translate(error), MAX_ERROR_LENGTH), icon=":material/error:")
