"""Workflows that are written as YAML read back as they were."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.workflows.files import read_workflow
from taskyard.core.workflows.written import written_workflow

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30) | st.sampled_from(
    [
        "true",
        "no",
        "~",
        "",
        "1e5",
        "0x1F",
        "12",
        "2024-01-01",
        "1:30",
        " a ",
        "a: b",
        "- a",
        "a\nb\n",
        "#",
        "&x",
        "null",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(JSON, TEXTS)
def test_a_workflow_reads_back_as_it_was(given_input: object, title: str) -> None:
    document = {"name": "nightly", "title": title, "tasks": {"a": {"type": "x.y", "input": given_input}}}
    assert read_workflow(written_workflow(document)).given == document


def test_it_is_written_for_people() -> None:
    tasks = {"first": {"type": "diagnostic.echo", "input": {"value": {"$ref": "a", "at": "/b"}}, "after": ["a"]}}
    assert written_workflow({"kind": "workflow", "name": "daily", "title": None, "tasks": tasks}).splitlines() == [
        "name: daily",
        "tasks:",
        "  first:",
        "    type: diagnostic.echo",
        "    input:",
        "      value:",
        '        "$ref": a',
        '        at: "/b"',
        "    after:",
        "    - a",
    ]
