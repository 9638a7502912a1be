"""The rules of the dashboard, read off its source."""

from __future__ import annotations

import ast
from pathlib import Path

from taskyard.dashboard.navigation import VIEWS_BY_NAME
from tests.each import for_each
from tests.servers import REPOSITORY
from tests.sources import name_of, nodes_of, sources_of, text_of

DASHBOARD = REPOSITORY / "dashboard"
SOURCES = sources_of("dashboard")
# What opens connections, asks servers or keeps caches.
ASKING = (
    "taskyard.core.postgres.store",
    "taskyard.core.postgres.database",
    "taskyard.core.redis.broker",
    "taskyard.core.redis.cache",
    "taskyard.core.redis.connection",
    "taskyard.core.submission.submit",
    "taskyard.core.submission.bulk",
)
UNSAFE = (
    "unsafe_allow_html",
    "unsafe_allow_javascript",
    "st.html",
    "st.iframe",
    "st.write",
    "components.v1",
    "st.components",
)
each_source = for_each("path", SOURCES, name_of)


def imports(path: Path) -> set[str]:
    """The modules whose code this one runs, types left aside."""
    found = set()
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def is_data(path: Path) -> bool:
    """Whether a module reads for pages."""
    return path.parent.name == "data" or path.stem == "data" or path.stem.endswith("_data")


@each_source
def test_only_data_asks_the_servers(path: Path) -> None:
    if is_data(path) or path.name in ("exports.py", "entrance.py"):
        return
    modules = {
        name for name in imports(path) if not name.rpartition(".")[2][:1].isupper()
    }  # a class may be a type only
    asked = {name for name in modules for asking in ASKING if f"{name}.".startswith(f"{asking}.")}
    assert asked == set()


@each_source
def test_only_data_keeps_caches(path: Path) -> None:
    if not is_data(path):
        assert "st.cache_" not in text_of(path)


@each_source
def test_nothing_bypasses_escaping(path: Path) -> None:
    text = text_of(path)
    assert [unsafe for unsafe in UNSAFE if unsafe in text] == []


@each_source
def test_every_table_is_made_harmless_to_spreadsheets(path: Path) -> None:
    if path.name != "tables.py":
        assert "st.dataframe(" not in text_of(path)
        assert "st.data_editor(" not in text_of(path)


def test_every_page_is_known_and_has_a_key_of_its_own() -> None:
    assert {path.parent.name for path in (DASHBOARD / "pages").glob("*/page.py")} == set(VIEWS_BY_NAME)
    keys = [view.key for view in VIEWS_BY_NAME.values() if view.key]
    assert len(keys) == len(set(keys)) == len(VIEWS_BY_NAME) - 1  # a task is reached from others
