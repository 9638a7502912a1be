"""Keeps what is typed into the Submit page in the viewer's browser (dashboard/browser/draft.js).

A session, and what is typed in it, ends with the server's process. The browser keeps a copy of the form until it was
submitted or cleared, or the viewer signed out, and a form that is empty in a new session is filled from it. Of many
tasks it keeps the pasted text, and the name of the file: the file has to be chosen again. What speaks of secrets is not
kept.
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
from taskyard.dashboard.components.times import time_of
from taskyard.dashboard.components.zones import shown_time
from taskyard.dashboard.forms.model_form import ModelForm
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.submit import options as task_options

TYPE, KEY, RESTORED = "submit_type", "submit_draft", "submit_restored"
MODE, MANY, PASTE = "submit_mode", "many", "submit_paste"
RESTORED_FILE, SWITCHED, TAKEN = "submit_restored_file", "submit_switched", "submit_draft_taken"
FormOf = Callable[[TaskType], ModelForm]
EMPTY, TYPED, DONE = "empty", "typed", "done"
MAX_BYTES = 1 << 20
MAX_PASTED = 200_000  # characters: more has to be pasted again
SECRET = re.compile(r"pass(word|phrase|wd)?|secret|token|credential|api_?key|private_?key|auth|env(ironment)?", re.I)


def show_draft(
    known: TaskType | None, form: ModelForm | None, fill: str, *, is_done: bool = False, is_cleared: bool = False
) -> None:
    """Tells the browser what to keep; if it was submitted or cleared, that nothing of it is needed."""
    content: dict[str, Any] = {"state": EMPTY, "fill": fill, "slot": "one", "texts": {}}
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
    _tell(content)


def show_many_draft(file: str, pasted: str, fill: str, *, is_done: bool) -> None:
    """Tells the browser to keep a pasted text and the name of a chosen file; if they were submitted, to forget them."""
    is_kept = len(pasted) <= MAX_PASTED and not SECRET.search(pasted)
    texts = {PASTE: pasted} if is_kept else {}
    again = file or ("" if is_kept else _("Pasted text")) or st.session_state.get(RESTORED_FILE, "")
    state = DONE if is_done else TYPED if again or pasted else EMPTY
    _tell({"state": state, "fill": fill, "slot": MANY, "texts": texts, "file": again})


def _tell(content: Mapping[str, Any]) -> None:
    text = json.dumps({**content, "taken": st.session_state.get(TAKEN, False)})
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


def show_restored_file(*, is_chosen: bool) -> None:
    """Says which file has to be chosen again, until one is chosen."""
    if is_chosen:
        st.session_state.pop(RESTORED_FILE, None)
    name = st.session_state.get(RESTORED_FILE)
    with st.container(key="submit_restored_note"):  # always there: what is below keeps its place, and stays open
        if name:
            _show_note(name)


def _show_note(name: str) -> None:
    text = _("{name} has to be chosen again: a browser does not keep files. No row is submitted twice.")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.warning(text.format(name=escaped(name, 80)), icon=":material/upload_file:")
        st.button(_("Dismiss"), key="submit_dismiss", type="tertiary", on_click=_dismiss)


def _dismiss() -> None:
    st.session_state.pop(RESTORED_FILE, None)


def draw_if_switched() -> None:
    """Has the whole page drawn if the browser's copy was one of many tasks."""
    if st.session_state.pop(SWITCHED, False):
        st.rerun()


def _take(types: Registry, form_of: FormOf) -> None:
    """Fills the page from the browser's copy, unless something was typed meanwhile or it makes no sense."""
    text = str(st.session_state.get(KEY) or "")
    st.session_state[KEY] = ""
    st.session_state[TAKEN] = True  # whatever comes of it: it is not offered again
    try:
        drafts = read_json("draft", text, 2 * MAX_BYTES)
        one, many = drafts["one"], drafts["many"]
        if many is not None:
            _restore_many(many, switches=one is None)
        if one is not None:
            known = types.get(str(one["type"]))
            if st.session_state.get(TYPE) in (None, known.name):
                _restore(known, form_of(known), one)
    except (TaskyardError, KeyError, TypeError, ValueError):
        return  # of another release, say, or of a type that is gone: the form stays empty


def _restore_many(draft: Mapping[str, Any], *, switches: bool) -> None:
    if not st.session_state.get(PASTE):
        st.session_state[PASTE] = str(dict(draft["texts"]).get(PASTE, ""))[:MAX_PASTED]
    if draft["file"]:
        st.session_state[RESTORED_FILE] = str(draft["file"])
    if switches:
        st.session_state[MODE] = MANY
        st.session_state[SWITCHED] = True


def _restore(known: TaskType, form: ModelForm, draft: Mapping[str, Any]) -> None:
    if not (form.is_untouched and task_options.is_untouched()):
        return
    texts = {key: text for key, text in dict(draft["texts"]).items() if isinstance(text, str)}
    task_options.restore(draft["options"], texts)
    form.restore(draft["input"], texts, is_expert=bool(draft["is_expert"]))
    st.session_state[TYPE] = known.name
    st.session_state[RESTORED] = float(draft["at"]) / 1000
