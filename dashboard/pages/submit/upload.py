"""Draws the upload of many tasks from a file or a pasted text, with templates."""

from __future__ import annotations

import functools

import streamlit as st

from taskyard.core.errors import SubmissionError, TaskyardError
from taskyard.core.humanize import number
from taskyard.core.submission.bulk_file import MAX_ROWS
from taskyard.core.submission.bulk_rows import template_csv, template_json_lines
from taskyard.core.task_types.registry import Registry
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.submit import data, draft
from taskyard.dashboard.pages.submit.bulk_file import ONLY_VALID, Loaded, show_loaded

PASTE = draft.PASTE
EXAMPLE = "type,input.seconds,title\ndiagnostic.sleep,1.5,A nap"
KEY, REFUSED, AWAY = "submit_file", "submit_file_refused", "submit_file_away"
PASTED = "pasted.txt"
PASTE_CHARACTERS = 1_000_000
ENDINGS = ("csv", "tsv", "jsonl", "ndjson", "json", "txt")


def show_upload(types: Registry, fill: str) -> None:
    """Shows the upload, or the file that was read."""
    show_templates(types)
    draft.show_restored_file(is_chosen=KEY in st.session_state)
    uploaded = st.file_uploader(
        _("CSV or JSON lines, at most {count} tasks").format(count=number(MAX_ROWS)),
        type=list(ENDINGS),
        key="submit_upload",
        on_change=_take_upload,
        help=_(
            "Each row or line is a task. Columns or keys: type, input (JSON) or input.<field>, title, priority, queue, "
            "timeout_seconds, delay_seconds, run_at, requires, idempotency_key, max_attempts"
        ).replace("<", "\\<"),
    )
    with st.expander(_("Or paste it"), icon=":material/content_paste:"):
        st.text_area(
            _("CSV or JSON lines"),
            key=PASTE,
            height=160,
            max_chars=PASTE_CHARACTERS,
            placeholder=EXAMPLE,
            persist_state="session",
        )
        st.button(_("Read pasted text"), on_click=_take_paste, icon=":material/check:")
    _show_refused()
    loaded: Loaded | None = st.session_state.get(KEY)
    pasted = str(st.session_state.get(PASTE) or "")
    is_done = loaded is not None and not loaded.left and pasted in ("", loaded.pasted)
    draft.show_many_draft(loaded.name if loaded and not loaded.pasted else "", pasted, fill, is_done=is_done)
    if loaded is not None:
        show_loaded(loaded, None if uploaded is not None else discard)  # the uploader has its own X


def show_templates(types: Registry) -> None:
    """Shows a template file for a chosen type: at first the one of the form."""
    st.session_state.setdefault("submit_template", st.session_state.get("submit_type") or min(types.types))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox(
            _("Template for"), sorted(types.types), key="submit_template", width=260, persist_state="session"
        )
        if name is None:
            return
        for label, text, ending in (
            ("CSV", f"\ufeff{template_csv(types, name)}", "csv"),  # the mark tells spreadsheets that it is UTF-8
            ("JSON lines", template_json_lines(types, name), "jsonl"),
        ):
            st.download_button(
                label,
                functools.partial(str, text),
                file_name=f"{name}.{ending}",
                key=f"template_{ending}",
                icon=":material/download:",
                type="tertiary",
                on_click="ignore",
            )


def _take_upload() -> None:
    uploaded = st.session_state.get("submit_upload")
    if uploaded is None:
        discard()
    else:
        load(uploaded.getvalue(), uploaded.name)


def _take_paste() -> None:
    load(str(st.session_state.get(PASTE) or "").encode("utf-8", "replace"), PASTED)


def discard() -> None:
    """Discards the file; tasks already submitted from it stay."""
    for name in (KEY, REFUSED, AWAY, ONLY_VALID):
        st.session_state.pop(name, None)


def load(content: bytes, name: str) -> None:
    """Reads and checks a file, and keeps it until another one or `discard`."""
    discard()
    is_pasted = name == PASTED
    try:
        checked, known = data.check_file(content, "" if is_pasted else name)
    except SubmissionError as error:
        st.session_state[REFUSED] = error.text
    except TaskyardError as error:
        st.session_state[AWAY] = error.text, content, name
    else:
        shown, pasted = (_("Pasted text"), str(st.session_state.get(PASTE) or "")) if is_pasted else (name, "")
        st.session_state[KEY] = Loaded(shown, checked, known, list(checked.submittable), pasted)


def _show_refused() -> None:
    """Shows why a file can't be read, or can't be checked now."""
    refused = st.session_state.get(REFUSED)
    if refused:
        st.error(escaped(translate(refused), 600), title=_("Can't be read"), icon=":material/error:")
    problem, content, name = st.session_state.get(AWAY, ("", b"", ""))
    if problem:
        st.warning(escaped(translate(problem), 600), title=_("Can't be checked now"), icon=":material/cloud_off:")
        st.button(_("Check again"), icon=":material/refresh:", key="submit_check", on_click=load, args=(content, name))
