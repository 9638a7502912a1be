"""The rules of the dashboard, read off its source."""

from __future__ import annotations

import ast
import re
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
# The modules that show markup of our own, and what they may use for it.
MARKS_UP, OWN_MARKUP = (
    {"dashboard/components/styles.py", "dashboard/components/marks.py", "dashboard/components/log_lines.py"},
    ("st.html",),
)
# Readings that tell of no task, or only those who see all queues and types, or what they are asked for by name.
SAME_FOR_ALL = {
    "failures._details",
    "system.checks",
    "system.leadership",
    "system.lines",
    "system.server_versions",
    "system.servers_now",
    "system.storage",
    "webhooks.deliveries",
    "webhooks.hooks",
    "webhooks.webhooks",
}
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
def test_pages_read_only_as_their_viewer(path: Path) -> None:
    """What is shared between viewers goes by what they see (dashboard.data.readings), and only that module shares."""
    if path.parent.name == "data" and path.stem in ("base", "readings", "viewer"):
        return
    names = {name.rpartition(".")[2] for name in imports(path) if name.startswith("taskyard.dashboard.data.base.")}
    assert "shared" not in names
    assert "base.shared" not in text_of(path)


@each_source
def test_every_reading_has_a_viewer(path: Path) -> None:
    """A reading that shows all viewers the same says so by the name of its parameter."""
    for node in nodes_of(path):
        if isinstance(node, ast.FunctionDef) and any("seen(" in ast.unparse(one) for one in node.decorator_list):
            assert [argument.arg for argument in node.args.args[:2]] in (
                ["servers", "sight"],
                ["servers", "_sight"],
            ), node.name
            if node.args.args[1].arg == "_sight":
                assert f"{path.parent.name}.{node.name}" in SAME_FOR_ALL


def test_no_name_is_left_over() -> None:
    known = {
        f"{path.parent.name}.{node.name}"
        for path in SOURCES
        for node in nodes_of(path)
        if isinstance(node, ast.FunctionDef)
    }
    assert known >= SAME_FOR_ALL


@each_source
def test_nothing_bypasses_escaping(path: Path) -> None:
    text = text_of(path)
    own = OWN_MARKUP if name_of(path) in MARKS_UP else ()
    assert [unsafe for unsafe in UNSAFE if unsafe in text and unsafe not in own] == []


@each_source
def test_every_table_is_made_harmless_to_spreadsheets(path: Path) -> None:
    if path.name != "tables.py":
        assert "st.dataframe(" not in text_of(path)
        assert "st.data_editor(" not in text_of(path)


def test_every_page_is_known_and_has_a_key_of_its_own() -> None:
    assert {path.parent.name for path in (DASHBOARD / "pages").glob("*/page.py")} == set(VIEWS_BY_NAME)
    keys = [view.key for view in VIEWS_BY_NAME.values() if view.key]
    assert len(keys) == len(set(keys)) == len(VIEWS_BY_NAME) - 1  # a task is reached from others


@each_source
def test_amounts_are_shown_by_one_formatter(path: Path) -> None:
    if path.name == "field_widgets.py":
        return  # a limit of a field is shown with all its digits
    formats = [node.format_spec for node in nodes_of(path) if isinstance(node, ast.FormattedValue) and node.format_spec]
    assert [ast.unparse(spec) for spec in formats if {",", "%"} & set(_literal(spec))] == []


def _literal(spec: ast.expr) -> str:
    """The fixed parts of a format, without those of times."""
    parts = spec.values if isinstance(spec, ast.JoinedStr) else []
    text = "".join(str(part.value) for part in parts if isinstance(part, ast.Constant))
    return "" if re.search("%[a-zA-Z]", text) else text
