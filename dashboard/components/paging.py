"""Shows a long list page by page: what a page leaves out is not sent to the browser with each refresh."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import streamlit as st

from taskyard.core.humanize import number
from taskyard.dashboard.i18n import _

CARDS, ROWS = 12, 100  # of a page

Item = TypeVar("Item")


def page_of(items: Sequence[Item], size: int, *, key: str) -> Sequence[Item]:
    """Returns one page of the items; shows paging controls above it if there are several."""
    pages = -(-len(items) // size)
    if pages <= 1:
        return items
    if st.session_state.get(key, 1) > pages:  # there were more
        del st.session_state[key]
    with st.container(horizontal=True, vertical_alignment="center"):
        first = (st.pagination(pages, key=key) - 1) * size
        last = min(first + size, len(items))
        text = _("{first}–{last} of {count}")
        st.caption(text.format(first=number(first + 1), last=number(last), count=number(len(items))), width="content")
    return items[first:last]
