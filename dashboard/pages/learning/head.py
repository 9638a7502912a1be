"""Draws what is known, and in one sentence whether predictions hold."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from taskyard.core.humanize import UNKNOWN, number, percent
from taskyard.core.i18n import N_
from taskyard.core.learning.results import LAST, MIN_RESULTS
from taskyard.core.telemetry.learning_live import LearningLive
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.learning.data import GOAL, Held, Now, Verdict, verdict_of

CARD_WIDTH_PX = 190
MOST = 1_000  # a task of microseconds that was predicted like the others is off by more
# What the sentence is about, the colour and the sign before it.
LOOKS: Mapping[Verdict, tuple[str, str]] = {
    Verdict.TOO_FEW: ("gray", "hourglass_empty"),
    Verdict.FINE: ("green", "check_circle"),
    Verdict.TOO_NARROW: ("orange", "unfold_more"),
    Verdict.TOO_WIDE: ("blue", "unfold_less"),
}
OF_LAST: Mapping[Verdict, str] = {
    Verdict.TOO_FEW: N_(
        "Too few results yet: {count} tasks have ended with a prediction since this leader began, and {least} are"
        " needed to judge."
    ),
    Verdict.FINE: N_("{goal} intervals held {share} of the last {count} tasks: fine."),
    Verdict.TOO_NARROW: N_(
        "{goal} intervals held only {share} of the last {count} tasks: they are too narrow. Run times vary more than"
        " they did, or changed."
    ),
    Verdict.TOO_WIDE: N_(
        "{goal} intervals held {share} of the last {count} tasks: they are wider than they need to be."
    ),
}
OF_RANGE: Mapping[Verdict, str] = {
    Verdict.TOO_FEW: N_("Too few results in this time range to judge: {count} tasks, and {least} are needed."),
    Verdict.FINE: N_("{goal} intervals held {share} of {count} tasks in this time range: fine."),
    Verdict.TOO_NARROW: N_("{goal} intervals held only {share} of {count} tasks in this time range: too narrow."),
    Verdict.TOO_WIDE: N_("{goal} intervals held {share} of {count} tasks in this time range: wider than needed."),
}


def show_head(now: Now) -> None:
    """Shows the figures of what the leader has learned, and the sentence."""
    learning = now.learning
    if learning is None:
        text = _("No worker leads, or one of an older release: what is learned is not known. Results are below.")
        st.markdown(f":gray[:material/person_off: {text}]")
        return
    show_sentence(OF_LAST, learning.coverage, learning.tasks, min(LAST, learning.tasks))
    show_figures(learning)


def show_range(held: Held) -> None:
    """Shows the sentence for the results of the chosen range, where those of all tasks are not shown."""
    show_sentence(OF_RANGE, held.coverage, held.tasks, held.tasks)


def show_figures(learning: LearningLive) -> None:
    """Shows the figures side by side."""
    cards = [
        (
            _("Run times known"),
            number(learning.keys),
            _("Of all tasks, of types, of their creators and of sizes of inputs: each has a run time of its own"),
        ),
        (
            _("Coverage, goal {goal}").format(goal=percent(GOAL)),
            percent(learning.coverage),
            _("Share of the last {count} tasks that ran as long as their interval said").format(count=number(LAST)),
        ),
        (
            _("Typically off by"),
            factor_in_words(learning.error_factor),
            _("Run time by predicted run time or the other way round, since this leader began; 1× would be exact"),
        ),
    ]
    if learning.starts is not None:
        cards.append(
            (
                _("Start estimates held"),
                percent(learning.starts.coverage),
                _("Share of the tasks that started within the range that was shown for them while they waited"),
            )
        )
    if learning.hedges_begun:
        cards.append(
            (
                _("Second attempts that won"),
                _("{won} of {begun}").format(won=number(learning.hedges_won), begun=number(learning.hedges_begun)),
                _("They begin beside attempts that take unusually long; counted since this leader began"),
            )
        )
    with st.grid(len(cards), min_column_width=CARD_WIDTH_PX):
        for label, value, help_ in cards:
            st.metric(label, value, border=True, help=help_)


def show_sentence(texts: Mapping[Verdict, str], coverage: float | None, results: int, shown: int) -> None:
    """Shows what to say of `results` of which a share was within its intervals; `shown` are those that are named."""
    verdict = verdict_of(coverage, results)
    color, icon = LOOKS[verdict]
    text = _(texts[verdict]).format(
        goal=percent(GOAL), share=percent(coverage), count=number(shown), least=number(MIN_RESULTS)
    )
    st.markdown(f":{color}[:material/{icon}:] {text}")


def factor_in_words(factor: float | None) -> str:
    """Returns how many times something is something else; more than MOST says no more than that."""
    if factor is None:
        return UNKNOWN
    return _("{factor}×").format(factor=number(factor) if factor <= MOST else f"> {number(MOST)}")
