"""Files of many tasks: what is read from them, and what is said about what can't be."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.errors import SubmissionError
from taskyard.core.submission.bulk_file import FIELDS, MAX_ROWS, decoded, read_file
from taskyard.core.submission.bulk_rows import (
    Checked,
    check_rows,
    in_chunks,
    rekeyed,
    row_key,
    template_csv,
    template_json_lines,
)
from taskyard.core.submission.validate import Limits
from taskyard.core.task_types.registry import registry
from tests.shipped import SHIPPED_NAMES

TYPES = registry.load()
NOW = datetime(2026, 1, 1, tzinfo=UTC)
CELLS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), max_size=12)
HEADERS = st.lists(
    st.sampled_from([name for name in FIELDS if name not in ("type", "input")]) | st.just("input.value"), unique=True
)


def checked(content: bytes | str, name: str = "") -> Checked:
    data = content.encode() if isinstance(content, str) else content
    return check_rows(read_file(data, name), TYPES, Limits(1 << 20, 1 << 20), NOW)


def refusal(content: bytes | str, name: str = "") -> str:
    with pytest.raises(SubmissionError) as refused:
        read_file(content.encode() if isinstance(content, str) else content, name)
    return str(refused.value)


def told(found: Checked) -> list[tuple[int, str]]:
    return [(problem.row, problem.field) for problem in found.problems]


@given(
    HEADERS.flatmap(lambda names: st.tuples(st.just(names), st.lists(st.lists(CELLS, min_size=12, max_size=12)))),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_what_a_csv_writer_wrote_is_read(file: tuple[list[str], list[list[str]]], delimiter: str, encoding: str):
    names, rows = file
    header = ["type", *names]
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\r\n")
    expected: dict[int, dict[str, str]] = {}
    writer.writerow([*header, ""] if len(header) == 1 else header)  # one column alone has no delimiter to tell
    for number, cells in enumerate(rows, 2):
        writer.writerow(["diagnostic.echo", *cells[: len(names)]])
        filled = {key: cell for key, cell in zip(names, cells, strict=False) if cell.strip()}
        expected[number] = {"type": "diagnostic.echo", **filled}
    content = out.getvalue().encode(encoding)
    if not rows:
        assert "rows below the header" in refusal(content, "x.csv")
        return

    found = read_file(content, "x.csv")

    assert found.problems == ()
    assert {row.number: row.values for row in found.rows} == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | st.floats(-1e9, 1e9) | CELLS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(CELLS, inner, max_size=3),
    max_leaves=5,
)


@given(st.lists(JSON, min_size=1, max_size=5), st.booleans())
def test_json_lines_are_read_as_they_were_written(values: list[Any], is_ascii: bool):
    rows = [{"type": "diagnostic.echo", "input": {"value": value}} for value in values]
    text = "\n\n".join(json.dumps(row, ensure_ascii=is_ascii) for row in rows)

    found = checked(text)

    assert found.problems == ()
    assert [good.arguments["input"] for good in found.submittable] == [row["input"] for row in rows]
    assert [good.row for good in found.submittable] == [1 + 2 * n for n in range(len(rows))]


@given(st.binary(max_size=200), st.sampled_from(["a.csv", "a.jsonl", ""]))
def test_any_bytes_are_read_or_refused(content: bytes, name: str):
    with contextlib.suppress(SubmissionError):
        assert checked(content, name).count


def test_cells_mean_what_their_columns_say() -> None:
    text = (
        "type;input.script;input.args;input.timeout_seconds;title;priority;queue;timeout_seconds;max_attempts;requires;"
        "run_at;idempotency_key\r\n"
        'code.run;123;"[""-v"", ""2""]";5;007;high;nightly;60;2;gpu, linux;2026-02-01T10:00:00+01:00;k-1\r\n'
    )
    [good] = checked(text).submittable
    assert good.arguments == {
        "type": "code.run",
        "input": {"script": "123", "args": ["-v", "2"], "timeout_seconds": 5},
        "title": "007",
        "priority": "high",
        "queue": "nightly",
        "timeout_seconds": 60.0,
        "max_attempts": 2,
        "requires": ["gpu", "linux"],
        "run_at": "2026-02-01T10:00:00+01:00",
        "idempotency_key": "k-1",
    }


def test_every_bad_row_is_told_with_its_number_field_value_and_what_was_expected() -> None:
    text = "\n".join(
        [
            "type,input.seconds,priority,delay_seconds,max_attempts",
            "diagnostic.sleep,1,high,0,1",
            "",
            "diagnostic.sleep,-1,high,,",
            "diagnostic.nope,1,high,,",
            "diagnostic.sleep,1,huge,,",
            "diagnostic.sleep,1,high,soon,",
            "diagnostic.sleep,1,high,1,2.5",
            "diagnostic.sleep,1,high,1,2,surplus",
            ",1,high,1,2",
        ]
    )
    found = checked(text)
    assert [good.row for good in found.submittable] == [2]
    assert told(found) == [
        (4, "input.seconds"),
        (5, "type"),
        (6, "priority"),
        (7, "delay_seconds"),
        (8, "max_attempts"),
        (9, "row"),
        (10, "type"),
    ]
    assert [problem.value for problem in found.problems][2:5] == ["huge", "soon", "2.5"]
    assert found.problems[2].expected == "one of low, medium, high, urgent"
    assert found.count == 8


def test_all_that_is_wrong_with_a_row_is_told() -> None:
    text = "\n".join(
        [
            "type,input.seconds,input.nonsense,priority,max_attempts,requires",
            "diagnostic.sleep,-1,1,huge,0,gpu",
            "diagnostic.nope,1,,huge,1,GPU",
            ",1,,huge,1,",
            "diagnostic.sleep,1,,high,1,gpu linux",
        ]
    )
    found = checked(text)
    assert told(found) == [
        (2, "priority"),
        (2, "input.seconds"),
        (2, "input.nonsense"),
        (2, "max_attempts"),
        (3, "type"),
        (3, "requires.0"),
        (3, "priority"),
        (4, "type"),
        (4, "priority"),
    ]
    assert (found.count, found.refused, [good.row for good in found.submittable]) == (4, 3, [5])


def test_all_that_is_wrong_with_a_line_is_told() -> None:
    lines = [
        '{"type": "diagnostic.sleep", "input": {"seconds": "x"}, "priority": "hi", "title": " ", "run_at": "soon"}'
    ]
    assert told(checked("\n".join(lines))) == [(1, "title"), (1, "priority"), (1, "input.seconds"), (1, "run_at")]


def test_bad_lines_do_not_hide_the_good_ones() -> None:
    lines = [
        '{"type": "diagnostic.noop"}',
        "nonsense",
        '["a list"]',
        '{"type": "diagnostic.noop", "nonsense": 1}',
        '{"type": "diagnostic.noop", "type": "diagnostic.echo"}',
        '{"type": "diagnostic.echo", "input": {"value": "\\u0000"}}',
        '{"type": "diagnostic.echo", "input": {"value": "\\ud800"}}',
        '{"type": "diagnostic.echo", "input": {"value": NaN}}',
        '{"type": "diagnostic.echo", "input": ' + "[" * 100 + "]" * 100 + "}",
        '{"input": {}}',
        '{"type": 3}',
        '{"type": "diagnostic.sleep", "input.seconds": 2}',
        '{"type": "diagnostic.sleep", "input": {}, "input.seconds": 2}',
    ]
    found = checked("\n".join(lines))
    assert [good.row for good in found.submittable] == [1, 12]
    assert found.submittable[1].arguments["input"] == {"seconds": 2}
    assert [row for row, _field in told(found)] == [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"  \n ", "the file is empty"),
        (b"type,title\n", "rows below the header"),
        (b"typ,title\na,b\n", "columns' names"),
        (b"type,title,title\na,b,c\n", "each column only once"),
        (b"title\nx\n", "a column named type"),
        (b"type,input,input.x\na,b,c\n", "either a column input"),
        (b'type,title\n"a,b\n', "from line 2 on, unexpected end of data"),
        (b"type,title\ndiagnostic.noop,a\x00b\n", "line 2 has one"),
        ("type,title\ndiagnostic.noop,Größe\n".encode("cp1252"), "line 2 has bytes that are not"),
        (b'[{"type": "diagnostic.noop"}]', "not one list"),
        (b"type,title\na," + b"x" * ((1 << 20) + 1), "field larger than field limit"),
    ],
)
def test_a_file_that_can_not_be_used_is_refused_as_a_whole(content: bytes, said: str) -> None:
    assert said in refusal(content)


def test_who_submits_is_not_up_to_an_uploaded_file() -> None:
    found = checked('{"type": "diagnostic.noop", "created_by": "ann"}\n{"type": "diagnostic.noop", "after": []}')
    assert told(found) == [(1, "created_by")]
    assert found.problems[0].expected.startswith("one of the fields type, input, title")


def test_a_cell_with_null_is_a_value_and_null_on_a_line_is_none() -> None:
    [cell] = checked("type,input.value\ndiagnostic.echo,null\n").submittable
    [line] = checked('{"type": "diagnostic.noop", "input.value": null, "queue": null}').submittable
    assert cell.arguments["input"] == {"value": None}
    assert set(line.arguments) == {"type", "idempotency_key"}


def test_too_many_rows_are_refused() -> None:
    assert "at most 50,000 rows" in refusal("type\n" + "diagnostic.noop\n" * (MAX_ROWS + 1), "a.csv")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_spreadsheets_encodings_are_told_apart(encoding: str) -> None:
    text = "type,title\r\ndiagnostic.noop,Größe\r\n"
    assert decoded(text.encode(encoding)) == text


def test_the_same_key_twice_is_refused() -> None:
    found = checked("type,idempotency_key\ndiagnostic.noop,a\ndiagnostic.noop,a\n")
    assert told(found) == [(3, "idempotency_key")]
    assert "row 2 has it too" in found.problems[0].expected


def test_rows_have_keys_of_the_content_and_their_number() -> None:
    text = "type,idempotency_key\ndiagnostic.noop,\ndiagnostic.noop,mine\n"
    first, second = checked(text), checked(text)
    keys = [good.arguments["idempotency_key"] for good in first.submittable]
    assert keys == [row_key(first.digest, 2), "mine"]
    assert keys == [good.arguments["idempotency_key"] for good in second.submittable]
    assert checked(text + "\n").digest != first.digest
    again = [good.arguments["idempotency_key"] for good in rekeyed(first.submittable, first.digest, "x")]
    assert again == [f"{row_key(first.digest, 2)}-x", "mine"]


@pytest.mark.parametrize("name", SHIPPED_NAMES)
def test_templates_are_accepted_once_what_is_required_is_filled_in(name: str) -> None:
    required = {"code.run": "input.script", "analysis.profile": "input", "code.metrics": "input"}
    required["testing.pytest"] = "input"
    for found in (checked(template_csv(TYPES, name), "t.csv"), checked(template_json_lines(TYPES, name), "t.jsonl")):
        assert found.count == 1
        assert [problem.field for problem in found.problems] == [field for field in [required.get(name)] if field]


def test_chunks_are_all_the_rows() -> None:
    rows = checked("type\n" + "diagnostic.noop\n" * 5, "a.csv").submittable
    assert [len(chunk) for chunk in in_chunks(rows, 2)] == [2, 2, 1]
    assert [row for chunk in in_chunks(rows, 2) for row in chunk] == list(rows)
