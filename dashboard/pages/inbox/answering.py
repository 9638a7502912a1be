"""Draws the form of one open question: approve, decline, delegate.

It is outside of the sections that refresh themselves, so nothing that was typed is lost by a refresh.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from taskyard.core.errors import NotPermitted, SubmissionError, TaskyardError
from taskyard.core.payload.typed_text import MAX_REASON_LENGTH
from taskyard.core.questions.question import Decision, Question, QuestionState
from taskyard.core.submission.schema_fields import schema_fields
from taskyard.dashboard.components import address
from taskyard.dashboard.components.dialogs import ask
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.permitted import button, reason_of
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.forms.field_widgets import translated_problem
from taskyard.dashboard.forms.model_form import ModelForm
from taskyard.dashboard.forms.placed import place
from taskyard.dashboard.i18n import _, labelled
from taskyard.dashboard.pages.inbox import data

QUESTION = "question"  # in the address
DONE_KEY, FAILED_KEY, DELEGATE_KEY = "inbox_done", "inbox_failed", "inbox_delegate"
MAX_NAME_LENGTH = 64


@st.fragment
def show_form(question: Question) -> None:
    """Shows the form of an open question. Its inputs rerun nothing else on the page."""
    failed: SubmissionError | None = st.session_state.get(FAILED_KEY)
    form = form_of(question)
    with st.container(border=True, key="inbox_form"):
        others: list[SubmissionError] = [] if failed is None else [*(failed.parts or (failed,))]
        if form is not None:
            placed, others = place(others, form.paths, ("input.", "data."))
            form.show(placed)
        elif question.approvals and question.schema is not None:
            name = escaped(question.approvals[0].person)
            st.caption(_("You approve the same as {name} did; decline if you do not agree.").format(name=name))
        reason = st.text_input(
            _("Reason"),
            max_chars=MAX_REASON_LENGTH,
            key=f"inbox_reason_{question.id}",
            placeholder=_("needed to decline"),
            help=_("Kept in the audit log; the task gets it, too."),
            autocomplete="off",
            persist_state="session",
        )
        for problem in others:
            text = labelled(problem.field, translated_problem(problem))
            st.error(escaped(text, 600), icon=":material/error:")
        show_buttons(question, form, str(reason or ""))


def form_of(question: Question) -> ModelForm | None:
    """Returns the form of what is approved; None without data, or if somebody has approved some already."""
    if question.schema is None or question.approvals:
        return None
    return ModelForm(f"inbox_input_{question.id}", schema_fields(question.schema))


def show_buttons(question: Question, form: ModelForm | None, reason: str) -> None:
    """Shows the buttons of the form, and does what one asks for."""
    barred = "" if data.is_mine(question) else _("This question is not asked of you, or you have answered it.")
    with st.container(horizontal=True, vertical_alignment="center"):
        is_approved = st.button(
            _("Approve"),
            type="primary",
            icon=":material/check:",
            key="inbox_approve",
            shortcut="Mod+Enter",
            **button(barred),
        )
        is_declined = st.button(_("Decline"), icon=":material/close:", key="inbox_decline", **button(barred))
        if st.button(_("Delegate"), icon=":material/forward_to_inbox:", key="inbox_delegate_button"):
            st.session_state[DELEGATE_KEY] = question.id
            st.rerun()
    if is_approved or is_declined:
        answer(question, form, Decision.APPROVED if is_approved else Decision.DECLINED, reason)


def answer(question: Question, form: ModelForm | None, decision: Decision, reason: str) -> None:
    """Answers with what the form holds, and goes back to the list; problems are shown in the form."""
    st.session_state.pop(FAILED_KEY, None)
    given: Any = None
    try:
        if form is not None and decision is Decision.APPROVED:
            given, problems = form.value()
            if problems:
                first = problems[0]
                first.parts = tuple(problems)
                raise first
        ended = data.answer(question.id, decision, given, reason)
    except SubmissionError as error:
        st.session_state[FAILED_KEY] = error
        st.rerun()
    except NotPermitted as error:
        st.error(reason_of(error), icon=":material/lock:")
        return
    except TaskyardError as error:
        st.error(escaped(translate(error), 600), icon=":material/error:")
        return
    st.session_state[DONE_KEY] = done_text(ended, decision)
    address.change(question=None)
    st.rerun()


def done_text(ended: Question, decision: Decision) -> str:
    """Returns what became of an answer."""
    if ended.state is QuestionState.OPEN:
        left = ended.needs - len(ended.approvals)
        return _("Approved; approvals that are still needed: {count}").format(count=left)
    return _("Approved: the task goes on") if decision is Decision.APPROVED else _("Declined: the task goes on")


def ask_to_delegate(question_id: str) -> None:
    """Opens the dialog that lets one more person answer."""

    def fields() -> str:
        st.caption(_("One more person may answer then; you still may."))
        return str(
            st.text_input(_("Name of the person"), max_chars=MAX_NAME_LENGTH, key=f"delegate_to_{question_id}") or ""
        ).strip()

    def act(to: str, reason: str) -> str:
        is_changed = data.delegate(question_id, to, reason)
        text = _("{name} may answer now") if is_changed else _("{name} may answer already")
        return text.format(name=escaped(to))

    ask(
        f"delegate_{question_id}",
        _("Delegate"),
        fields,
        act,
        label=_("Delegate"),
        is_reason_required=False,
    )
