"""Draws pools of agents: how many of each kind are wanted and run, and the dialog that changes that."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from taskyard.core.humanize import number
from taskyard.core.scheduling.holds import HoldKind
from taskyard.dashboard.components import permitted
from taskyard.dashboard.components.dialogs import ask
from taskyard.dashboard.components.hold_controls import lack_of
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.components.zones import shown_time
from taskyard.dashboard.data import controls
from taskyard.dashboard.i18n import _, labelled, ngettext
from taskyard.dashboard.pages.agents.data import Pool

MAX_REASON_LENGTH = 600  # characters

PENDING_KEY = "pool_to_scale"


def show_pools(pools: Sequence[Pool]) -> None:
    """Shows a line for each kind, with a button that changes how many agents run."""
    if PENDING_KEY in st.session_state:
        st.rerun(scope="app")
    for pool in pools:
        with st.container(horizontal=True, vertical_alignment="center", key=f"pool_{pool.kind}"):
            st.markdown(labelled(f"**{escaped(pool.kind)}**", _line(pool)))
            barred = _("It is scaled by what started it.") if _is_fixed(pool) else lack_of(HoldKind.AGENT, [pool.kind])
            st.button(
                _("Scale"),
                icon=":material/unfold_more:",
                key=f"scale_{pool.kind}",
                type="tertiary",
                on_click=_want,
                args=(pool,),
                **permitted.button(barred, _("Change how many of these agents run")),
            )
        for one in pool.live.absent if pool.live is not None else ():
            st.caption(escaped(translate(one.text), MAX_REASON_LENGTH))
    if not pools:
        st.caption(_("No pool of agents is known."))


def open_pending_scaling() -> None:
    """Asks for the number of agents of the kind that was chosen; the page calls it before its sections."""
    pool: Pool | None = st.session_state.pop(PENDING_KEY, None)
    if pool is not None:
        ask_size(pool)


def ask_size(pool: Pool) -> None:
    """Opens the dialog that changes how many agents of a kind run."""

    def fields() -> int | None:
        if pool.size is not None:
            configured = pool.live.configured if pool.live is not None else None
            text = _("As the pool file says")
            if configured is not None:
                text = _("As the pool file says: {count}").format(count=number(configured))
            if st.checkbox(text, key=f"scale_reset_{pool.kind}"):
                _show_effect(pool, configured)
                return None
        wanted = pool.wanted or 0
        # without limits: beyond them Streamlit keeps the number before, in silence; here the command refuses it
        count = int(st.number_input(_("Agents"), value=wanted, step=1, key=f"scale_count_{pool.kind}"))
        _show_effect(pool, count)
        return count

    def do(count: int | None, reason: str) -> str:
        if not controls.scale(pool.kind, count, reason):
            return _("No change: already in that state")
        if count is None:
            return _("{kind}: as the pool file says").format(kind=escaped(pool.kind))
        return _("{kind}: {count} wanted").format(kind=escaped(pool.kind), count=number(count))

    title = _("Scale agents of kind {kind}").format(kind=escaped(pool.kind))
    ask(f"scale_{pool.kind}", title, fields, do, label=_("Scale"), is_live=True)


def _show_effect(pool: Pool, count: int | None) -> None:
    """Says what becomes of the agents that are too many, and of the tasks that they run."""
    running = pool.live.staying if pool.live is not None else 0
    if count == pool.wanted:
        st.caption(_("So many are wanted now."))
        return
    if count is None or count >= running:
        st.caption(_("Agents that are missing start at once."))
        return
    tasks = pool.tasks_of_leaving(count)
    text = ngettext("{count} agent leaves.", "{count} agents leave.", running - count).format(
        count=number(running - count)
    )
    running_text = ngettext(
        "{count} running task is finished there first, however long that takes.",
        "{count} running tasks are finished there first, however long that takes.",
        tasks,
    ).format(count=number(tasks))
    st.warning(f"{text} {running_text}", icon=":material/logout:")


def _want(pool: Pool) -> None:
    st.session_state[PENDING_KEY] = pool


def _is_fixed(pool: Pool) -> bool:
    return pool.live is not None and pool.live.is_fixed


def _line(pool: Pool) -> str:
    parts = []
    if pool.live is None:
        parts.append(_("{wanted} wanted").format(wanted=number(pool.wanted or 0)))
    else:
        text = _("{running} of {wanted} wanted run")
        parts.append(text.format(running=number(pool.live.running), wanted=number(pool.wanted or 0)))
        if pool.live.starting:
            parts.append(_("{count} starting").format(count=number(pool.live.starting)))
        if pool.live.failing:
            parts.append(_("{count} failing").format(count=number(pool.live.failing)))
        if pool.live.leaving:
            parts.append(_("{count} leaving").format(count=number(pool.live.leaving)))
        parts.append(_("the backlog needs {count}").format(count=number(pool.live.needed)))
        parts.append(escaped(", ".join(pool.live.hosts)))
    if pool.size is not None and not _is_fixed(pool):
        who = _("by {actor} since {time}")
        parts.append(who.format(actor=escaped(pool.size.actor), time=escaped(shown_time(pool.size.since))))
        if pool.size.reason:
            parts.append(escaped(pool.size.reason))
    return " · ".join(parts)
