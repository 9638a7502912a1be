"""The parts of Streamlit's client that pages ask for at once."""

from __future__ import annotations

import re
from pathlib import Path

import streamlit

from taskyard.dashboard.navigation import VIEWS_BY_NAME
from taskyard.dashboard.server.preloads import ALWAYS, TABLE, WITH_TABLES, files_of, preload_tags
from tests.each import for_each

SCRIPTS = Path(streamlit.__file__).parent / "static" / "static" / "js"


@for_each("kind", [*ALWAYS, TABLE])
def test_each_kind_of_element_has_its_script(kind: str) -> None:
    """A release of Streamlit that is built in another way would be slower, and nobody would see it."""
    assert any(name.startswith(f"{kind}.") for name in files_of(kind))


def test_pages_with_tables_ask_for_more() -> None:
    named = {page: re.findall(r'href="\./static/js/([^"]+)"', preload_tags(page).decode()) for page in ("", "tasks")}
    assert set(named[""]) < set(named["tasks"])
    assert all((SCRIPTS / name).is_file() and named["tasks"].count(name) == 1 for name in named["tasks"])
    assert preload_tags('"><script>') == preload_tags("")
    assert VIEWS_BY_NAME.keys() >= WITH_TABLES
