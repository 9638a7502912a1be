"""Draws what a task asks people, with links to the Inbox."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from taskyard.core.models import AuditEvent
from taskyard.core.questions.question import QUESTION_STATE_WORDS, Question, QuestionState
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.i18n import _, enumerated
from taskyard.dashboard.navigation import INBOX

SHOWN = 10


def has_asked(events: Sequence[AuditEvent]) -> bool:
    """Returns True if a task with these events has asked something."""
    return any(event.event == "question_asked" for event in events)


def show_asked(found: Sequence[Question]) -> None:
    """Shows a task's questions, an open one first, and who answered."""
    for question in found[:SHOWN]:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            is_open = question.state is QuestionState.OPEN
            st.badge(_(QUESTION_STATE_WORDS[question.state]), color="orange" if is_open else "gray")
            st.markdown(f":material/help: {escaped(question.text)}", width="content")
            if question.answers:
                st.caption(enumerated([escaped(one.person) for one in question.answers]), width="content")
            st.page_link(
                INBOX.path,
                label=_("Answer") if is_open else _("Show"),
                icon=":material/inbox:",
                query_params={"question": question.id},
            )
    if len(found) > SHOWN:
        st.caption(_("and {count} more").format(count=len(found) - SHOWN))
