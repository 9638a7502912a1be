"""Reads files of many tasks, CSV or JSON lines, into rows (pure).

A row is a mapping of `submit`'s arguments. In CSV every cell is text, and its meaning depends on the column, or for
`input.<field>` on the type's model (`core.submission.bulk_rows`). An empty cell is no value.

The command line reads its files, of any length, by `read_json_line` too.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from taskyard.core.errors import MISSING, SubmissionError
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.payload.json_literals import max_written_bytes, read_json
from taskyard.core.submission.options import LINE_FIELDS

MAX_ROWS = 50_000
MAX_CELL_CHARACTERS = 1 << 20
FIELDS = (
    "type",
    "input",
    "title",
    "priority",
    "queue",
    "timeout_seconds",
    "delay_seconds",
    "run_at",
    "requires",
    "idempotency_key",
    "max_attempts",
)
INPUT_PREFIX = "input."
DELIMITERS = (",", ";", "\t", "|")
KNOWN = msg("one of {names} or input.<field>", names=", ".join(FIELDS))
# Who submits is whoever uploads the file.
UPLOADED_FIELDS = tuple(name for name in LINE_FIELDS if name != "created_by")
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe\x00\x00", "utf-32"), (b"\x00\x00\xfe\xff", "utf-32"))
_BOMS_16 = ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))

csv.field_size_limit(MAX_CELL_CHARACTERS)  # the module's own limit is less than an input may be long


@dataclass(frozen=True, slots=True)
class Row:
    """A task as written in the file; `number` is the spreadsheet row or the line. `is_text` if it is from CSV."""

    number: int
    values: dict[str, Any]
    is_text: bool


@dataclass(frozen=True, slots=True)
class RowProblem:
    """A problem of a row: the field, its value on one line, and what was expected."""

    row: int
    field: str
    value: str
    expected: str

    @classmethod
    def of(cls, row: int, error: SubmissionError) -> RowProblem:
        """Returns the problem that an error describes."""
        if error.value is MISSING:
            return cls(row, error.field, "", error.expected or msg("a value"))
        value = error.value if isinstance(error.value, str) else repr(error.value)
        return cls(row, error.field, value[:200].encode("utf-8", "replace").decode(), error.expected)


@dataclass(frozen=True, slots=True)
class BulkFile:
    """Holds a file's readable rows and the problems of the others; `digest` is of its content."""

    digest: str
    rows: tuple[Row, ...]
    problems: tuple[RowProblem, ...]


def read_file(content: bytes, name: str = "", input_limit_bytes: int = MAX_CELL_CHARACTERS) -> BulkFile:
    """Reads the rows of a file; its format follows from the name's ending, or else from its beginning.

    Raises SubmissionError if the file as a whole can't be read: not text, unknown or repeated columns, no content, or
    more than MAX_ROWS rows.
    """
    text = decoded(content)
    if not text.strip():
        raise refused("file", name, msg("rows: the file is empty"))
    rows: list[Row] = []
    problems: list[RowProblem] = []
    for found in _json_lines(text, input_limit_bytes) if _is_json(text, name) else _csv_rows(text):
        if isinstance(found, Row):
            rows.append(found)
        else:
            problems.append(found)
        if len(rows) + len(problems) > MAX_ROWS:
            raise refused("file", name, msg("at most {limit:,} rows: split it", limit=MAX_ROWS))
    if not rows and not problems:
        raise refused("file", name, msg("rows below the header"))
    return BulkFile(hashlib.blake2b(content, digest_size=16).hexdigest(), tuple(rows), tuple(problems))


def decoded(content: bytes) -> str:
    """Returns the text of a file in UTF-8, or in UTF-16 or UTF-32 if marked so; raises SubmissionError."""
    encoding, begin = _encoding(content)
    try:
        text = content[begin:].decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, begin + error.start) + 1
        expected = msg(
            "text in UTF-8: line {line} has bytes that are not ({reason}). Save it as CSV UTF-8",
            line=line,
            reason=error.reason,
        )
        raise refused("file", content[begin + error.start :][:20], expected) from None
    at = text.find("\x00")
    if at >= 0:
        line = text.count("\n", 0, at) + 1
        raise refused(
            "file", text[max(0, at - 20) : at + 20], msg("text without NUL characters: line {line} has one", line=line)
        )
    return text.removeprefix("\ufeff")


def _encoding(content: bytes) -> tuple[str, int]:
    """Returns the encoding and its byte order mark's length; without a mark UTF-8, unless every other byte is 0."""
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            return encoding, 0 if encoding == "utf-32" else len(mark)
    for mark, encoding in _BOMS_16:
        if content.startswith(mark):
            return encoding, len(mark)
    head = content[:64]
    if len(head) >= 4 and not len(content) % 2:
        if not any(head[1::2]) and all(head[::2]):
            return "utf-16-le", 0
        if not any(head[::2]) and all(head[1::2]):
            return "utf-16-be", 0
    return "utf-8", 0


def _is_json(text: str, name: str) -> bool:
    ending = name.rpartition(".")[2].lower()
    if ending in ("jsonl", "ndjson", "json"):
        return True
    return ending not in ("csv", "tsv") and text.lstrip()[:1] in ("{", "[")


def read_json_line(line: str, input_limit_bytes: int, fields: Collection[str]) -> dict[str, Any]:
    """Returns what one line of JSON lines says: its `fields`, and input.<field>.

    Raises SubmissionError, whose field is `line` or the key that is wrong.
    """
    most = max_written_bytes(input_limit_bytes)
    if len(line) > most or len(line.encode("utf-8", "surrogatepass")) > most:
        raise refused("line", line[:80], msg("a line of at most {limit:,} bytes", limit=most))
    values = read_json("line", line, most)
    if not isinstance(values, dict) or "type" not in values:
        example = '{"type": "diagnostic.noop", "input": {}}'
        raise refused("line", line[:80], msg("an object such as {example}", example=example))
    for key in values:
        if not _is_one_of(fields, key):
            expected = msg("one of the fields {names}, or input.<field>", names=", ".join(fields))
            raise refused(key[:80], values[key], expected)
    return values


def _json_lines(text: str, input_limit_bytes: int) -> Iterator[Row | RowProblem]:
    if text.lstrip().startswith("["):
        raise refused("file", text.lstrip()[:20], msg("JSON lines: an object on each line, not one list"))
    for number, line in enumerate(text.split("\n"), 1):  # not splitlines: JSON strings may hold its other separators
        if not line.strip():
            continue
        try:
            yield Row(number, read_json_line(line.strip(), input_limit_bytes, UPLOADED_FIELDS), is_text=False)
        except SubmissionError as error:
            yield RowProblem.of(number, error)


def _csv_rows(text: str) -> Iterator[Row | RowProblem]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    header: list[str] = []
    number = 0
    while True:
        number += 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # The rest can't be told from the inside of a cell, so nothing of the file is used.
            raise refused(
                "file",
                f"row {number}",
                msg("CSV: from line {line} on, {reason}", line=reader.line_num, reason=_shown(error)),
            ) from None
        if not any(cell.strip() for cell in cells):
            continue
        if not header:
            header = _header(cells)
        elif len(cells) > len(header) and any(cell.strip() for cell in cells[len(header) :]):
            surplus = ", ".join(cells[len(header) :])
            yield RowProblem.of(
                number, refused("row", surplus, msg("{count} cells, as the header has", count=len(header)))
            )
        else:
            # zip: a short row lacks its last cells, as spreadsheets write it
            values = {key: cell for key, cell in zip(header, cells, strict=False) if cell.strip()}
            yield Row(number, values, is_text=True)


def _shown(error: csv.Error) -> str:
    return str(error).replace("\t", "\\t")


def _delimiter(text: str) -> str:
    """Returns the header's delimiter: the candidate that occurs most often outside quotes."""
    head = re.sub(r'"[^"]*"', "", text.lstrip("\r\n").partition("\n")[0])
    return max(DELIMITERS, key=head.count)


def _header(cells: Sequence[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    for name, count in Counter(names).items():
        if not _is_one_of(FIELDS, name):
            raise refused("header", name, msg("a first row with the columns' names, each {known}", known=KNOWN))
        if count > 1:
            raise refused("header", name, msg("each column only once"))
    if "type" not in names:
        raise refused("header", ", ".join(names), msg("a column named type"))
    if "input" in names and any(name.startswith(INPUT_PREFIX) for name in names):
        raise refused("header", ", ".join(names), msg("either a column input with JSON, or columns input.<field>"))
    return names


def _is_one_of(fields: Collection[str], name: str) -> bool:
    return name in fields or (name.startswith(INPUT_PREFIX) and all(name.split(".")))
