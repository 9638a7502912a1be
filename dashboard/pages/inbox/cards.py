"""Draws questions: a card each in the lists, and all that is known of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import streamlit as st

from taskyard.core.access.permissions import Permission
from taskyard.core.questions.in_vain_text import in_vain_texts
from taskyard.core.questions.question import QUESTION_STATE_WORDS, Decision, GivenAnswer, Question, QuestionState
from taskyard.core.questions.rules import answer_of, person_of
from taskyard.dashboard.components.json_tree import show_json
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.permitted import lacking
from taskyard.dashboard.components.task_links import task_button
from taskyard.dashboard.components.times import duration
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.components.zones import shown_time
from taskyard.dashboard.data.base import now
from taskyard.dashboard.data.viewer import viewer
from taskyard.dashboard.i18n import _, ngettext
from taskyard.dashboard.pages.inbox import data

STATE_COLORS = {
    QuestionState.OPEN: "orange",
    QuestionState.ANSWERED: "green",
    QuestionState.DECLINED: "red",
    QuestionState.EXPIRED: "gray",
    QuestionState.WITHDRAWN: "gray",
}
SOON_SECONDS = 3600.0  # a deadline that is nearer stands out
LONG_CONTEXT, LONG_CONTEXT_LINES = 1_200, 12  # characters, and breaks between lines: more scrolls in its box
CONTEXT_HEIGHT_PX = 200
MAX_TEXT_LENGTH = 400  # characters of a question or a reason


def show_questions(found: Sequence[Question], open_question: Callable[[str], None]) -> None:
    """Shows a card for each question, with a button that calls `open_question`."""
    for question in found:
        with st.container(border=True, gap="xsmall", key=f"question_{question.id}"):
            show_head(question)
            is_mine = data.is_mine(question)
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                label, icon = (_("Answer"), "edit_square") if is_mine else (_("Show"), "visibility")
                if st.button(
                    label,
                    icon=f":material/{icon}:",
                    key=f"open_{question.id}",
                    type="primary" if is_mine else "secondary",
                ):
                    open_question(question.id)
                name = question.title or question.type
                task_button(question.task_id, escaped(name, 80), key=f"task_{question.id}", icon=":material/task:")


def show_head(question: Question) -> None:
    """Shows a question's state, its text, who is asked and since when."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        color = STATE_COLORS[question.state]
        st.badge(_(QUESTION_STATE_WORDS[question.state]), color=color)  # type: ignore[arg-type]
        if question.state is QuestionState.OPEN:
            show_own(question)
        if question.needs > 1:
            done = min(len(question.approvals), question.needs)
            st.badge(_("{done} of {needs} approvals").format(done=done, needs=question.needs), color="blue")
    st.markdown(f"**{escaped(question.text, MAX_TEXT_LENGTH)}**")
    at = now()
    facts = [_("asked {age} ago").format(age=duration(max(0.0, (at - question.asked_at).total_seconds())))]
    facts.append(_("of {names}").format(names=escaped(", ".join((*question.of, *question.delegated_to)))))
    if question.submitted_by:
        facts.append(_("task of {name}").format(name=escaped(person_of(question.submitted_by))))
    st.caption(" · ".join(facts))
    for why in in_vain_texts(question.unreached, question.lacking, question.needs, question.not_by_submitter):
        st.markdown(f":orange[:material/person_off: {escaped(translate(why))}]")
    if question.state is QuestionState.OPEN and question.deadline is not None:
        left = (question.deadline - at).total_seconds()
        text = _("Its time runs out in {left}, {time}").format(
            left=duration(max(0.0, left)), time=escaped(shown_time(question.deadline))
        )
        st.markdown(f":orange[:material/timer: {text}]" if left < SOON_SECONDS else f":material/timer: {text}")
    elif question.ended_at is not None:
        st.caption(_("Ended {time}").format(time=escaped(shown_time(question.ended_at))))


def show_own(question: Question) -> None:
    """Shows whether the viewer is asked, or why not."""
    who = viewer()
    if data.is_mine(question):
        st.badge(_("asked of you"), color="violet", icon=":material/person:")
    elif answer_of(question, person_of(who.name)) is not None:
        st.badge(_("answered by you"), color="gray")
    elif data.may_delegate(question) and who.may(Permission.QUESTION_ANSWER):
        st.badge(_("submitted by you: somebody else must answer"), color="gray")


def show_refused(question: Question) -> None:
    """Shows which earlier answer was not accepted, if the question is asked again for that."""
    if question.refused is None:
        return
    text = _("The answer of {names} was not accepted by the handler: {reason}").format(
        names=escaped(", ".join(question.refused.people)), reason=escaped(question.refused.reason, MAX_TEXT_LENGTH)
    )
    st.warning(text, icon=":material/replay:")


def show_context(question: Question) -> None:
    """Shows what the task says about its question, as the text that it is."""
    if not question.context:
        return
    if hidden := lacking(Permission.PAYLOAD_READ):
        st.caption(_("Context"))
        st.caption(hidden)
        return
    is_long = len(question.context) > LONG_CONTEXT or question.context.count("\n") > LONG_CONTEXT_LINES
    with st.expander(_("Context"), expanded=True, key="inbox_context"):
        height: Literal["content"] | int = CONTEXT_HEIGHT_PX if is_long else "content"
        st.code(question.context, language=None, wrap_lines=True, height=height)


def show_answers(answers: Sequence[GivenAnswer]) -> None:
    """Shows what people have said."""
    if not answers:
        return
    text = ngettext("{count} answer", "{count} answers", len(answers))
    st.caption(text.format(count=len(answers)))
    for one in answers:
        with st.container(border=True, gap="xsmall"):
            is_approved = one.decision is Decision.APPROVED
            said = _("{name} approved, {time}") if is_approved else _("{name} declined, {time}")
            icon = ":green[:material/check:]" if is_approved else ":red[:material/close:]"
            st.markdown(f"{icon} {said.format(name=escaped(one.person), time=escaped(shown_time(one.at)))}")
            if one.reason:
                st.text(one.reason)
            if one.data is not None:
                show_json(one.data, name=f"answer_{one.person}", file_name=f"answer-{one.person}.json")
