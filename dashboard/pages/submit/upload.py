"""Draws the upload of many tasks from a file or a pasted text, with templates."""

from __future__ import annotations

import streamlit as st

from taskyard.core.errors import TaskyardError
from taskyard.core.humanize import number
from taskyard.core.submission.bulk_file import MAX_ROWS
from taskyard.core.submission.bulk_rows import template_csv, template_json_lines
from taskyard.core.task_types.registry import Registry
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.submit import data
from taskyard.dashboard.pages.submit.bulk_file import ONLY_VALID, Loaded, show_loaded

EXAMPLE = "type,input.seconds,title\ndiagnostic.sleep,1.5,A nap"
KEY = "submit_file"
PASTED = "pasted.txt"
PASTE_CHARACTERS = 1_000_000
ENDINGS = ("csv", "tsv", "jsonl", "ndjson", "json", "txt")


def show_upload(types: Registry) -> None:
    """Shows the upload, or the file that was read."""
    show_templates(types)
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
            key="submit_paste",
            height=160,
            max_chars=PASTE_CHARACTERS,
            placeholder=EXAMPLE,
            persist_state="session",
        )
        st.button(_("Read pasted text"), on_click=_take_paste, icon=":material/check:")
    refused = st.session_state.get(f"{KEY}_refused")
    if refused:
        st.error(escaped(translate(refused), 600), title=_("Can't be read"), icon=":material/error:")
    loaded: Loaded | None = st.session_state.get(KEY)
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
                text,
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
    load(str(st.session_state.get("submit_paste") or "").encode("utf-8", "replace"), PASTED)


def discard() -> None:
    """Discards the file; tasks already submitted from it stay."""
    for name in (KEY, f"{KEY}_refused", ONLY_VALID):
        st.session_state.pop(name, None)


def load(content: bytes, name: str) -> None:
    """Reads and checks a file, and keeps it until another one or `discard`."""
    discard()
    try:
        checked = data.check_file(content, "" if name == PASTED else name)
    except TaskyardError as error:
        st.session_state[f"{KEY}_refused"] = error.text
        return
    try:
        known = data.count_known(checked.submittable)
    except TaskyardError:
        known = None  # what can't be checked now is reported by the first attempt to submit
    st.session_state[KEY] = Loaded(
        _("Pasted text") if name == PASTED else name, checked, known, list(checked.submittable)
    )
