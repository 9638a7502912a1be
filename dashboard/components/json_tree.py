"""Shows JSON as a tree, with its exact text to copy and to download."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from taskyard.core.humanize import number
from taskyard.core.i18n import N_
from taskyard.dashboard.i18n import _

MAX_EXACT_INTEGER = 2**53 - 1  # larger integers lose digits in a browser
MAX_TREE_LENGTH = 200_000  # characters of JSON; a larger one is slow to explore
MAX_TEXT_LENGTH = 50_000
EXPANDED_LEVELS = 2
TREE, TEXT = N_("Tree"), N_("Text")


def show_json(value: Any, *, name: str, file_name: str) -> None:
    """Shows a JSON value; `name` tells it apart from others on the page, `file_name` is its download's name."""
    text = as_text(value, indent=2)
    with st.container(horizontal=True, vertical_alignment="center"):
        form = st.segmented_control(
            _("Shown as"),
            [TREE, TEXT],
            default=TREE,
            required=True,
            format_func=_,
            key=f"json_form_{name}",
            label_visibility="collapsed",
        )
        st.download_button(
            _("Download"),
            lambda: text,  # made when it is pressed: a file made before is gone once the page is drawn anew
            file_name=file_name,
            mime="application/json",
            key=f"json_download_{name}",
            icon=":material/download:",
            type="tertiary",
            on_click="ignore",
        )
    if form == TREE and len(text) <= MAX_TREE_LENGTH:
        shown, rounded = as_shown(value)
        st.json(shown, expanded=EXPANDED_LEVELS)
        if rounded:
            st.caption(_("Integers beyond 2^53 are shown as text: a browser would round them."))
        return
    if form == TREE:
        st.caption(_("Too large to show as a tree."))
    if len(text) > MAX_TEXT_LENGTH:
        st.caption(
            _("The first {shown} of {total} characters; download the file to see all.").format(
                shown=number(MAX_TEXT_LENGTH), total=number(len(text))
            )
        )
    st.code(text[:MAX_TEXT_LENGTH], language="json", wrap_lines=True, height=min(480, 60 + 20 * text.count("\n")))


def as_text(value: Any, *, indent: int | None = None) -> str:
    """Returns a JSON value as text with every digit."""
    return json.dumps(value, indent=indent, ensure_ascii=False)


def as_shown(value: Any) -> tuple[Any, bool]:
    """Returns the value for a browser, with integers that it would round as texts, and whether there were any."""
    if isinstance(value, bool) or not isinstance(value, int | list | dict):
        return value, False
    if isinstance(value, int):
        return (str(value), True) if abs(value) > MAX_EXACT_INTEGER else (value, False)
    if isinstance(value, list):
        items = [as_shown(item) for item in value]
        return [item for item, _is in items], any(is_rounded for _item, is_rounded in items)
    pairs = {key: as_shown(item) for key, item in value.items()}
    return {key: item for key, (item, _is) in pairs.items()}, any(is_rounded for _item, is_rounded in pairs.values())
