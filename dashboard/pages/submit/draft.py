"""Keeps what is typed into the form of one task in the viewer's browser (dashboard/browser/draft.js).

A session, and what is typed in it, ends with the server's process. The browser keeps a copy of the form until it was
submitted or cleared, or the viewer signed out, and a form that is empty in a new session is filled from it. Fields
whose names speak of secrets are not kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from taskyard.core.errors import TaskyardError
from taskyard.core.payload.json_literals import read_json
from taskyard.core.task_types.registry import Registry, TaskType
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.marks import show_mark
from taskyard.dashboard.components.times import shown_time, time_of
from taskyard.dashboard.forms.model_form import ModelForm
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.submit import options as task_options

TYPE, KEY, RESTORED = "submit_type", "submit_draft", "submit_restored"
FormOf = Callable[[TaskType], ModelForm]
EMPTY, TYPED, DONE = "empty", "typed", "done"
MAX_BYTES = 1 << 20
SECRET = re.compile(r"pass(word|phrase|wd)?|secret|token|credential|api_?key|private_?key|auth|env(ironment)?", re.I)


def show_draft(
    known: TaskType | None, form: ModelForm | None, fill: str, *, is_done: bool = False, is_cleared: bool = False
) -> None:
    """Tells the browser what to keep; if it was submitted or cleared, that nothing of it is needed."""
    content: dict[str, Any] = {"state": EMPTY, "fill": fill, "texts": {}}
    if known is not None and form is not None:
        value, texts = form.draft(SECRET)
        chosen = task_options.draft()
        is_empty = form.is_untouched and task_options.is_untouched()
        content |= {
            "state": DONE if is_done or (is_cleared and is_empty) else EMPTY if is_empty else TYPED,
            "type": known.name,
            "input": value,
            "texts": {**texts, **chosen.pop("texts")},
            "options": chosen,
            "is_expert": form.is_expert,
        }
    text = json.dumps(content)
    if len(text) <= MAX_BYTES:
        show_mark("draft", text)


def show_field(types: Registry, form_of: FormOf) -> None:
    """Draws the hidden field by which the browser hands its copy in."""
    st.text_area(_("Draft"), key=KEY, on_change=_take, args=(types, form_of), label_visibility="hidden", height=68)


def show_restored() -> None:
    """Says that the form was filled from the browser's copy."""
    at = st.session_state.get(RESTORED)
    if at is not None:
        text = _("Restored from this browser: what was typed by {time}. Clear discards it.")
        st.caption(text.format(time=escaped(shown_time(time_of(at)))))


def _take(types: Registry, form_of: FormOf) -> None:
    """Fills the form from the browser's copy, unless something was typed meanwhile or it makes no sense."""
    text = str(st.session_state.get(KEY) or "")
    st.session_state[KEY] = ""
    try:
        draft = read_json("draft", text, MAX_BYTES)
        known = types.get(str(draft["type"]))
        if st.session_state.get(TYPE) in (None, known.name):
            _restore(known, form_of(known), draft)
    except (TaskyardError, KeyError, TypeError, ValueError):
        return  # of another release, say, or of a type that is gone: the form stays empty


def _restore(known: TaskType, form: ModelForm, draft: Mapping[str, Any]) -> None:
    if not (form.is_untouched and task_options.is_untouched()):
        return
    texts = {key: text for key, text in dict(draft["texts"]).items() if isinstance(text, str)}
    task_options.restore(draft["options"], texts)
    form.restore(draft["input"], texts, is_expert=bool(draft["is_expert"]))
    st.session_state[TYPE] = known.name
    st.session_state[RESTORED] = float(draft["at"]) / 1000
