"""Draws the waits of a replay: on record, with the policies that act, and with another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from taskyard.core.humanize import number, percent
from taskyard.core.i18n import N_
from taskyard.core.simulation.figures import MAX_DEVIATION, MAX_DEVIATION_SECONDS, Figures, Row
from taskyard.core.simulation.replay import RECORDED, REPLAYED, Replay
from taskyard.core.states import Priority
from taskyard.core.views.replays import ReplayedSpan
from taskyard.dashboard.components.empty import show_nothing
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.paging import ROWS, page_of
from taskyard.dashboard.components.policies import policy_name
from taskyard.dashboard.components.states import word
from taskyard.dashboard.components.tables import show_table, table_height, value_column
from taskyard.dashboard.components.times import duration, span, time_of
from taskyard.dashboard.components.zones import shown_time
from taskyard.dashboard.i18n import _, ngettext
from taskyard.dashboard.pages.learning.comparisons import signed_percent

FIGURES: Mapping[str, str] = {
    "mean": N_("Mean"),
    "p50": N_("p50"),
    "p95": N_("p95"),
    "p99": N_("p99"),
    "longest": N_("Longest"),
}
DOUBTFUL = "⚠"
NAME_WIDTH_PX, FIGURE_WIDTH_PX = 230, 170


@dataclass(frozen=True, slots=True)
class Shown:
    """A row of a table of waits: of what, with which policy, its figures in seconds and how they are read."""

    queue: str
    priority: str
    policy: str
    tasks: int
    seconds: Mapping[str, float]
    words: Mapping[str, str]


def show_result(found: ReplayedSpan, queue: str) -> None:
    """Shows what was replayed of a queue or of all (empty), whether to believe it, and the waits: of all tasks, then by
    queue and priority.
    """
    begin, end = (escaped(shown_time(time_of(at))) for at in (found.since, found.until))
    if found.replay is None:
        text = _("No attempt ended from {begin} to {end}.")
        if found.is_of_others:
            text = _("No attempt of queue {queue} ended from {begin} to {end}, only of other queues.")
        show_nothing(text.format(queue=escaped(queue), begin=begin, end=end), "inbox")
        return
    _show_what(found, found.replay, begin, end)
    first, *others = found.replay.rows
    _show_table(shown_of(found.replay, [first]), key="learning_replay_all", has_queues=False)
    if any(found.replay.distrusted(row) for row in found.replay.rows):
        _show_doubts()
    if others:
        st.markdown(f"**{_('By queue and priority')}**")
        shown = page_of(others, ROWS // 3, key="learning_replay_page")
        _show_table(shown_of(found.replay, shown), key="learning_replay_rows", has_queues=True)


def _show_what(found: ReplayedSpan, replay: Replay, begin: str, end: str) -> None:
    attempts = ngettext("{count} attempt", "{count} attempts", replay.tasks).format(count=number(replay.tasks))
    agents = ngettext("{count} agent", "{count} agents", replay.agents).format(count=number(replay.agents))
    parts = [_("{attempts} from {begin} to {end}, {agents}").format(
        attempts=attempts, begin=begin, end=end, agents=agents
    )]  # fmt: skip
    if found.is_cut:
        parts.append(_("there are more: these are the last ones"))
    if replay.never_started:
        text = ngettext(
            "{count} attempt found no agent in a replay and is left out",
            "{count} attempts found no agent in a replay and are left out",
            replay.never_started,
        )
        parts.append(text.format(count=number(replay.never_started)))
    st.caption(" · ".join(parts))
    if not replay.has_waited:
        st.info(_("Nothing waited for a second: no policy can gain anything."), icon=":material/hourglass_disabled:")
    if replay.base == replay.compared:
        st.info(_("This is the policy that acts: there is nothing to compare it with."), icon=":material/drag_handle:")


def _show_doubts() -> None:
    text = _(
        "Figures with {sign} are not to be trusted: there the replay of the policies that act is off the record by more"
        " than {share} and {duration}."
    ).format(sign=DOUBTFUL, share=percent(MAX_DEVIATION), duration=span(MAX_DEVIATION_SECONDS))
    st.warning(text, icon=":material/warning:")


def shown_of(replay: Replay, rows: Sequence[Row]) -> list[Shown]:
    """Returns for each row a line on record, one with the policies that act, and one with the other policy."""
    found = []
    for row in rows:
        doubtful = replay.distrusted(row)
        for name, figures in row.waits.items():
            base = row.waits[replay.base] if name == replay.compared != replay.base else None
            found.append(
                Shown(
                    row.queue or "",
                    "" if row.priority is None else word(Priority(row.priority).label),
                    _name(name),
                    figures.count,
                    {figure: getattr(figures, figure) for figure in FIGURES},
                    _words(figures, base, [] if name == RECORDED else doubtful),
                )
            )
    return found


def _name(name: str) -> str:
    if name == RECORDED:
        return _("recorded")
    if name == REPLAYED:
        return _("what acts, replayed")
    return _("{policy}, replayed").format(policy=policy_name(name))


def _words(figures: Figures, base: Figures | None, doubtful: Sequence[str]) -> dict[str, str]:
    """Returns each figure with its change from `base`, and a sign if it is not to be trusted."""
    changes = figures.changes(base) if base is not None else {}
    found = {}
    for name in FIGURES:
        parts = [DOUBTFUL] if name in doubtful else []
        parts.append(duration(getattr(figures, name)))
        change = changes.get(name)
        if change is not None:
            parts.append(f"({signed_percent(change)})")
        found[name] = " ".join(parts)
    return found


def _show_table(rows: Sequence[Shown], *, key: str, has_queues: bool) -> None:
    cells = [
        {
            **({"queue": one.queue, "priority": one.priority, "waits": one.policy, "tasks": one.tasks}
               if has_queues else {"waits": one.policy}),
            **one.seconds,
        }
        for one in rows
    ]  # fmt: skip
    show_table(
        pd.DataFrame(cells),
        alt=_("Waits on record, replayed with what acts, and with the other policy"),
        columns={
            "queue": st.column_config.TextColumn(_("Queue"), pinned=True, width=130),
            "priority": st.column_config.TextColumn(_("Priority"), width=90),
            "waits": st.column_config.TextColumn(_("Waits"), width=NAME_WIDTH_PX),
            "tasks": st.column_config.NumberColumn(_("Tasks"), format="localized", width=80),
            **{name: value_column(_(label), width=FIGURE_WIDTH_PX) for name, label in FIGURES.items()},
        },
        words={name: [one.words[name] for one in rows] for name in FIGURES},
        key=key,
        height=table_height(len(cells)),
    )
