"""Files of tasks whose fields have the wrong type: one clear line for each, and never anything else."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from taskyard.core.errors import SubmissionError
from taskyard.core.submission.bulk_file import FIELDS, read_file
from taskyard.core.submission.bulk_rows import Checked, check_rows
from taskyard.core.submission.validate import Limits
from taskyard.core.task_types.registry import registry
from tests.effort import BULK_CASES

LIMITS = Limits(1 << 20, 1 << 20)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
WRONG: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 1e308, 10**25, "", " ", "x", "NaN", "1", [], [1], [None], [[]], {}, {"a": 1},
    {"": {}}, "\u0000", "\ud800", "x" * 5000, ["x"] * 100, "2026-02-30", "9999-12-31T23:59:59-14:00", "12e9d",
)  # fmt: skip


def checked(content: bytes, name: str = "tasks.jsonl") -> Checked:
    return check_rows(read_file(content, name), registry.load(), LIMITS, NOW)


def lines(found: Checked) -> list[str]:
    return [f"{problem.row}: {problem.field}: {problem.value} → {problem.expected}" for problem in found.problems]


@pytest.mark.parametrize("field", [*FIELDS, "input.value", "input.a.b"])
@pytest.mark.parametrize("value", WRONG, ids=lambda value: repr(value)[:20])
def test_a_field_of_another_type_is_one_line_or_accepted(field: str, value: Any) -> None:
    row = {"type": "diagnostic.echo", field: value}
    content = json.dumps(row).encode() + b'\n{"type": "diagnostic.noop"}\n'

    found = checked(content)

    assert found.count == 2
    assert len(found.problems) <= 1
    for problem in found.problems:
        assert problem.row == 1
        assert problem.field
        assert problem.expected
        str(problem.expected).encode()
        problem.value.encode()


@pytest.mark.parametrize(
    ("row", "line"),
    [
        ({"type": 5}, "type: 5 → "),
        ({"type": ["diagnostic.noop"]}, "type: ['diagnostic.noop'] → "),
        ({"type": "diagnostic.noop", "priority": 3}, "priority: 3 → "),
        ({"type": "diagnostic.noop", "timeout_seconds": "soon"}, "timeout_seconds: soon → "),
        ({"type": "diagnostic.noop", "timeout_seconds": True}, "timeout_seconds: True → "),
        ({"type": "diagnostic.noop", "max_attempts": 2.5}, "max_attempts: 2.5 → "),
        ({"type": "diagnostic.noop", "requires": {"gpu": 1}}, "requires: {'gpu': 1} → "),
        ({"type": "diagnostic.noop", "requires": [1]}, "requires"),
        ({"type": "diagnostic.noop", "run_at": 12}, "run_at: 12 → "),
        ({"type": "diagnostic.noop", "title": ["a"]}, "title: ['a'] → "),
        ({"type": "diagnostic.noop", "queue": None, "idempotency_key": {}}, "idempotency_key: {} → "),
        ({"type": "diagnostic.sleep", "input": []}, "input: [] → "),
        ({"type": "diagnostic.sleep", "input": {"seconds": "long"}}, "input.seconds: "),
        ({"type": "diagnostic.sleep", "input.seconds": [1]}, "input.seconds: "),
    ],
)
def test_it_names_field_value_and_what_was_expected(row: dict[str, Any], line: str) -> None:
    found = lines(checked(json.dumps(row).encode()))

    assert len(found) == 1
    assert found[0].startswith(f"1: {line}")


JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8), st.sampled_from(["x"])
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=6,
)
NAMES = st.one_of(st.sampled_from([*FIELDS, "input.value", "input.a.b", "input.a"]), st.text(max_size=5))
CELLS = st.one_of(st.text(max_size=10), st.sampled_from(["１", "1e999", "[", "{}", "nan", "\x7f"]))
TYPES = st.one_of(st.sampled_from(sorted(registry.load().types)), JSON)


@settings(max_examples=BULK_CASES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(type_=TYPES, row=st.dictionaries(NAMES, JSON, max_size=4))
@example("diagnostic.echo", {"input.a": 1, "input.a.b": 2})
@example({}, {"input.a": 1})
def test_every_row_is_accepted_or_has_its_line(type_: Any, row: dict[str, Any]) -> None:
    found = checked(json.dumps({**row, "type": type_}).encode())

    assert found.count == 1
    assert all("\n" not in str(problem.expected) for problem in found.problems)


@settings(max_examples=BULK_CASES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    cells=st.lists(
        st.one_of(st.text(max_size=10), st.sampled_from(["１", "1e999", "[", "{}", "nan", "\x7f"])),
        min_size=4,
        max_size=4,
    )
)
def test_every_cell_is_accepted_or_has_its_line(cells: list[str]) -> None:
    quoted = ",".join('"' + cell.replace('"', '""') + '"' for cell in cells)
    header = "type,input.seconds,max_attempts,requires,run_at"
    content = f"{header}\r\ndiagnostic.sleep,{quoted}\r\n".encode("utf-8", "replace")
    try:
        found = checked(content, "tasks.csv")
    except SubmissionError as error:
        text = str(error)
    else:
        text = "expected" if found.count == 1 else ""
    assert "expected" in text
