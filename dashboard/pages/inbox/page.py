"""Draws the Inbox: what tasks ask people."""

from collections.abc import Sequence
from functools import partial

import streamlit as st

from taskyard.core.errors import SubmissionError
from taskyard.core.i18n import N_
from taskyard.core.questions.errors import QuestionNotFound
from taskyard.core.questions.question import Question, QuestionState
from taskyard.dashboard.components import address
from taskyard.dashboard.components.choices import show_choice
from taskyard.dashboard.components.dialogs import rerun_unless_open, tell
from taskyard.dashboard.components.empty import show_nothing
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.task_links import task_button
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.inbox import answering, cards, data
from taskyard.dashboard.pages.inbox.answering import DELEGATE_KEY, DONE_KEY, FAILED_KEY, QUESTION
from taskyard.dashboard.pages.task.panel import show_panel
from taskyard.dashboard.shell import frame

SECTIONS = {"open": N_("Unanswered"), "ended": N_("Answered")}


def open_question(question_id: str) -> None:
    """Opens a question on the whole page, which outlives a refresh."""
    st.session_state.pop(FAILED_KEY, None)
    address.change(question=question_id)
    st.rerun()


def close_question() -> None:
    """Goes back to the list; for a button's callback."""
    answering.leave()
    st.session_state.pop(FAILED_KEY, None)
    address.change(question=None)


def show_open(found: Sequence[Question]) -> None:
    """Shows the open questions, the viewer's first."""
    if not found:
        text = _("Nobody waits for an answer. Tasks ask by `context.ask(…)` in their handlers.")
        show_nothing(text, "mark_email_read")
    cards.show_questions(data.own_first(found), open_question)


def show_ended(found: Sequence[Question]) -> None:
    """Shows the questions that ended in the last days."""
    if not found:
        show_nothing(_("No question was answered in the last 7 days."), "history")
    cards.show_questions(found, open_question)
    if len(found) == data.MAX_ENDED:
        st.caption(_("Showing the newest {count}.").format(count=len(found)))


def show_one(question_id: str) -> None:
    """Shows one question with its form; what changes by itself is apart from what the viewer types into."""
    st.button(
        _("All questions"),
        icon=":material/arrow_back:",
        type="tertiary",
        key="inbox_back",
        on_click=close_question,
    )
    try:
        first = data.one(question_id).value
    except (QuestionNotFound, SubmissionError):
        show_nothing(_("There is no such question."), "search_off")
        return
    was_open = first is not None and first.state is QuestionState.OPEN
    known = len(first.answers) if first is not None else 0

    def show(question: Question) -> None:
        if was_open != (question.state is QuestionState.OPEN) or len(question.answers) != known:
            rerun_unless_open()  # the form below is that of another state
        cards.show_head(question)
        name = question.title or question.type
        task_button(question.task_id, escaped(name, 80), key="inbox_task", icon=":material/task:")

    frame.live("inbox_question", partial(data.one, question_id), show, about=question_id, height_px=150)
    if first is None:
        return
    cards.show_refused(first)
    cards.show_context(first)
    answering.show_form(first)
    cards.show_answers(first.answers)


frame.header(_("Inbox"), _("What tasks ask people"))
tell()
if done := st.session_state.pop(DONE_KEY, None):
    st.toast(done, icon=":material/check:")
if delegated := st.session_state.pop(DELEGATE_KEY, None):
    answering.ask_to_delegate(delegated)
if asked := st.query_params.get(QUESTION):
    show_one(asked)
else:
    section = show_choice(_("Which questions"), SECTIONS, "show", "open")
    if section == "ended":
        frame.live("inbox_ended", data.ended, show_ended, every_seconds=5.0, height_px=300)
    else:
        frame.live("inbox", data.open_questions, show_open, height_px=300)
show_panel()
