"""Draws the status of the tasks that this viewer has submitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import pandas as pd
import streamlit as st

from taskyard.core.humanize import number
from taskyard.core.postgres.store.submission_status import SubmissionStatus, Unsuccessful
from taskyard.core.states import TERMINAL, TaskState
from taskyard.dashboard.components import states
from taskyard.dashboard.components.json_tree import as_shown
from taskyard.dashboard.components.markdown_escape import escaped, one_line
from taskyard.dashboard.components.states import STATE_COLORS, STATES, word
from taskyard.dashboard.components.tables import show_table
from taskyard.dashboard.components.task_facts import shortened_id
from taskyard.dashboard.components.task_links import task_button, task_column
from taskyard.dashboard.components.times import duration
from taskyard.dashboard.components.zones import shown_time
from taskyard.dashboard.data import base
from taskyard.dashboard.data.base import Reading
from taskyard.dashboard.i18n import _, labelled, ngettext
from taskyard.dashboard.pages.submit import data
from taskyard.dashboard.shell import frame

KEY = "submitted"
MAX_FOLLOWED = 20  # older submissions are on the page Tasks
WITH_DETAILS = 3


@dataclass(frozen=True, slots=True)
class Submitted:
    """One submission of this session: a task, or a file of them (`name`). `ids` are joined by commas."""

    name: str
    ids: str
    count: int
    at: datetime
    is_settled: bool = False

    @property
    def is_batch(self) -> bool:
        return bool(self.name)


def note(ids: Sequence[str], name: str = "") -> None:
    """Follows these tasks from now on, replacing an earlier part of the same file."""
    new = Submitted(name, ",".join(ids), len(ids), base.now())
    others = [old for old in _submitted() if old.ids != new.ids and not (name and new.ids.startswith(old.ids))]
    st.session_state[KEY] = [new, *others][:MAX_FOLLOWED]


def show_following() -> None:
    """Shows a live section with all submissions of this session, newest first."""
    st.subheader(_("Submitted by you"))
    if not _submitted():
        st.caption(_("Tasks that you submit in this session appear here."))
        return
    frame.live("submit_following", _read, _show, height_px=120)


def _submitted() -> list[Submitted]:
    return list(st.session_state.get(KEY, ()))


def _read() -> Reading[data.Following]:
    known = _submitted()
    return data.follow(
        [one.ids for one in known if not one.is_batch], [(one.ids, one.is_settled) for one in known if one.is_batch]
    )


def _show(found: data.Following) -> None:
    shown = []
    for position, one in enumerate(_submitted()):
        standing = found.batches.get(one.ids)
        if not one.is_batch:
            _show_one(one, found.standings.get(one.ids), position)
        elif standing is not None:  # None: submitted after this was read
            _show_batch(one, standing, position)
            one = replace(one, is_settled=standing.ended >= one.count)
        shown.append(one)
    st.session_state[KEY] = shown


def _show_one(one: Submitted, task: SubmissionStatus | None, position: int) -> None:
    with st.container(border=True, key=f"followed_{one.ids}", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            if task is not None:
                states.show_badge(task.state)
            name = (task.title or task.type) if task is not None else one.ids
            task_button(one.ids, escaped(name, 60), key=f"follow_{one.ids}", icon=":material/open_in_full:")
        if task is None:
            st.caption(_("Unknown task: it was deleted, or is not stored yet."))
            return
        st.caption(_facts(task))
        if task.state == TaskState.IN_PROGRESS:
            st.progress(min(1.0, max(0.0, task.progress or 0.0)))
            st.text(task.progress_message or "")
        if task.error is not None and task.state != TaskState.COMPLETED:
            st.text(one_line(labelled(word(str(task.error.get("class"))), task.error.get("message")), 600))
        if task.has_output and position < WITH_DETAILS:
            _show_output(task, position == 0)


def _facts(task: SubmissionStatus) -> str:
    """Returns its known times in one line."""
    now = base.now()
    parts = [escaped(task.type), _("submitted {time}").format(time=shown_time(task.created_at))]
    if task.state == TaskState.SCHEDULED and task.run_at is not None and task.attempt == 0:
        parts.append(_("starts {time}").format(time=shown_time(task.run_at)))
    if task.started_at is not None:
        ran = (task.finished_at or now) - task.started_at
        parts.append(_("ran {time}").format(time=duration(max(0.0, ran.total_seconds()))))
    if task.attempt > 1:
        parts.append(_("attempt {n} of {most}").format(n=task.attempt, most=task.max_attempts))
    return " · ".join(part.replace(":", "\\:") if part is not parts[0] else part for part in parts)


def _show_output(task: SubmissionStatus, is_newest: bool) -> None:
    if task.output is None:
        st.caption(_("The output is long: see the task's page."))
        return
    with st.expander(_("Output"), expanded=is_newest, key=f"output_{task.id}", icon=":material/output:"):
        st.json(as_shown(task.output)[0], expanded=2)


def _show_batch(one: Submitted, standing: data.BatchStatus, position: int) -> None:
    known = sum(standing.by_state.values())
    title = ngettext("{count} task", "{count} tasks", one.count).format(count=number(one.count))
    with st.container(border=True, key=f"followed_batch_{position}", gap="small"):
        st.markdown(f"**{title}** · {escaped(one.name, 60)}")
        st.progress(
            min(1.0, standing.ended / one.count),
            text=_("{ended} of {count} ended").format(ended=number(standing.ended), count=number(one.count)),
        )
        with st.container(horizontal=True, gap="small"):
            for state in STATES:
                count = standing.by_state.get(state, 0)
                if count:
                    st.badge(f"{number(count)} {word(state)}", color=STATE_COLORS[state])  # type: ignore[arg-type]
        if known < one.count:
            st.caption(_("{count} no longer exist.").format(count=number(one.count - known)))
        if standing.unsuccessful:
            _show_unsuccessful(standing, position)


def _show_unsuccessful(standing: data.BatchStatus, position: int) -> None:
    count = sum(standing.by_state.get(state, 0) for state in TERMINAL if state != TaskState.COMPLETED)
    rows: Sequence[Unsuccessful] = standing.unsuccessful
    if count > len(rows):
        st.caption(
            _("The first {shown} of {count} that did not complete:").format(shown=len(rows), count=number(count))
        )
    show_table(
        pd.DataFrame(
            {
                "task": [shortened_id(row.id) for row in rows],
                "name": [one_line(row.title or row.type, 80) for row in rows],
                "error": [
                    one_line(labelled(word(row.error_class or row.state), row.message or ""), 200) for row in rows
                ],
            }
        ),
        alt=_("Tasks that did not complete"),
        columns={
            "task": task_column([row.id for row in rows], key=f"unsuccessful_{position}_task"),
            "name": st.column_config.TextColumn(_("Name")),
            "error": st.column_config.TextColumn(_("Error"), width="large"),
        },
        key=f"unsuccessful_{position}",
        height="auto" if len(rows) < 8 else 280,
    )
