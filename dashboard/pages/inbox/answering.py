"""Draws the form of one question: approve, decline, delegate.

It is outside of the sections that refresh themselves, so nothing that was typed is lost by a refresh. It stays when
somebody else answers meanwhile, or the time runs out, with what was typed and without the buttons, until the viewer
closes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import streamlit as st

from taskyard.core.access.permissions import Permission
from taskyard.core.errors import NotPermitted, SubmissionError, TaskyardError
from taskyard.core.i18n import N_
from taskyard.core.payload.typed_text import MAX_REASON_LENGTH
from taskyard.core.questions.question import Decision, Question, QuestionState
from taskyard.core.submission.schema_fields import schema_fields
from taskyard.dashboard.components import address
from taskyard.dashboard.components.dialogs import ask
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.permitted import button, reason_of
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.components.zones import shown_time
from taskyard.dashboard.data.base import now
from taskyard.dashboard.data.viewer import viewer
from taskyard.dashboard.forms.field_widgets import show_problem, translated_problem
from taskyard.dashboard.forms.model_form import FormWords, ModelForm
from taskyard.dashboard.forms.placed import place
from taskyard.dashboard.i18n import _, labelled
from taskyard.dashboard.pages.inbox import data

QUESTION = "question"  # in the address
DONE_KEY, FAILED_KEY, DELEGATE_KEY = "inbox_done", "inbox_failed", "inbox_delegate"
BEGUN_KEY = "inbox_begun"  # the form that the viewer has open
REASON = "reason"  # the field of a problem
MAX_NAME_LENGTH = 64
ANSWER_WORDS = FormWords(
    "data", N_("Expert mode: the whole answer as JSON"), N_("Answer as JSON"), N_("This answer needs no data.")
)


class Begun(NamedTuple):
    """The form of a question as it was when the viewer could still send it."""

    question_id: str
    has_data: bool
    is_touched: bool


WITHOUT_ANSWER: Mapping[QuestionState, str] = {
    QuestionState.EXPIRED: N_("Its time ran out, {time}."),
    QuestionState.WITHDRAWN: N_("Its task no longer waits for an answer, {time}."),
}


@st.fragment
def show_form(question: Question) -> None:
    """Shows the form of a question that is open, or that ended while the viewer had its form open.

    Its inputs rerun nothing else on the page.
    """
    is_open = question.state is QuestionState.OPEN
    begun = begun_with(question.id)
    if not is_open and begun is None:
        return
    with st.container(border=True, key="inbox_form"):
        notice = st.container(key="inbox_notice")  # always there, so that what is below stays the same to the browser
        form, others = show_data(question, begun)
        is_overtaken = not is_open or (form is not None and bool(question.approvals))
        reason = show_reason(question, [one for one in others if one.field == REASON])
        for problem in others:
            if problem.field != REASON:
                text = labelled(problem.field, translated_problem(problem))
                st.error(escaped(text, 600), icon=":material/error:")
        if is_overtaken:
            with notice:
                show_overtaken(question)
        else:
            is_touched = bool(reason) or (form is not None and not form.is_untouched)
            st.session_state[BEGUN_KEY] = Begun(question.id, form is not None, is_touched)
        if is_open:
            show_buttons(question, None if is_overtaken else form, reason)


def begun_with(question_id: str) -> Begun | None:
    """Returns what the viewer's open form was, if it is that of this question."""
    begun: Begun | None = st.session_state.get(BEGUN_KEY)
    return begun if begun is not None and begun.question_id == question_id else None


def show_data(question: Question, begun: Begun | None) -> tuple[ModelForm | None, list[SubmissionError]]:
    """Shows what is approved; returns its form, if there is one, and the problems that were not shown at its fields."""
    failed: SubmissionError | None = st.session_state.get(FAILED_KEY)
    others: list[SubmissionError] = [] if failed is None else [*(failed.parts or (failed,))]
    form = form_of(question, begun)
    if form is not None:
        own = [one for one in others if one.field == REASON]  # also if the answer has a field of this name
        placed, others = place([one for one in others if one.field != REASON], form.paths, ("input.", "data."))
        others += own
        form.show(placed)
    elif question.approvals and question.schema is not None:
        name = escaped(question.approvals[0].person)
        st.caption(_("You approve the same as {name} did; decline if you do not agree.").format(name=name))
    return form, others


def show_reason(question: Question, problems: Sequence[SubmissionError]) -> str:
    """Shows the field for the reason with its problems; returns the reason."""
    reason = st.text_input(
        _("Reason"),
        max_chars=MAX_REASON_LENGTH,
        key=f"inbox_reason_{question.id}",
        placeholder=_("needed to decline"),
        help=_("Kept in the audit log; the task gets it, too."),
        autocomplete="off",
        persist_state="session",
    )
    for problem in problems:
        show_problem(problem)
    return str(reason or "")


def show_overtaken(question: Question) -> None:
    """Shows who decided what meanwhile, and when; what was typed stays below until the viewer closes it."""
    text = _("{what} What you typed was not sent:").format(what=what_happened(question))
    st.warning(text, icon=":material/person_alert:")
    if question.state is QuestionState.OPEN:
        name = escaped(question.approvals[0].person)
        st.caption(_("You approve the same as {name} did; decline if you do not agree.").format(name=name))
    st.button(_("Discard what I typed"), icon=":material/close:", key="inbox_dismiss", on_click=dismiss)


def leave() -> None:
    """Forgets an open form into which nothing was typed; others are there again when the viewer comes back."""
    begun: Begun | None = st.session_state.get(BEGUN_KEY)
    if begun is not None and not begun.is_touched:
        dismiss()


def dismiss() -> None:
    """Closes the form of a question that went on without it; for a button's callback."""
    st.session_state.pop(BEGUN_KEY, None)
    st.session_state.pop(FAILED_KEY, None)


def what_happened(question: Question) -> str:
    """Returns, as Markdown, what ended a question or what was approved meanwhile: who did it, and when."""
    wanted = Decision.DECLINED if question.state is QuestionState.DECLINED else Decision.APPROVED
    last = next((one for one in reversed(question.answers) if one.decision is wanted), None)
    if question.state in (QuestionState.EXPIRED, QuestionState.WITHDRAWN) or last is None:
        text = _(WITHOUT_ANSWER.get(question.state, WITHOUT_ANSWER[QuestionState.WITHDRAWN]))
        return text.format(time=escaped(shown_time(question.ended_at or now())))
    text = _("{name} declined it, {time}.") if wanted is Decision.DECLINED else _("{name} approved it, {time}.")
    return text.format(name=escaped(last.person), time=escaped(shown_time(last.at)))


def form_of(question: Question, begun: Begun | None) -> ModelForm | None:
    """Returns the form of what is approved; None without data, or if somebody had approved some before.

    It starts with the answer that was not accepted, if the question is asked again for that, to be corrected.
    """
    has_data = not question.approvals and question.state is QuestionState.OPEN if begun is None else begun.has_data
    if question.schema is None or not has_data:
        return None
    is_known = question.refused_data is not None and data.is_mine(question) and viewer().may(Permission.PAYLOAD_READ)
    start = question.refused_data if is_known else {}
    return ModelForm(f"inbox_input_{question.id}", schema_fields(question.schema), ANSWER_WORDS, start)


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
    st.session_state.pop(BEGUN_KEY, None)
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
