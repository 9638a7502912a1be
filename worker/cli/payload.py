"""Reads submissions from arguments, files and standard input."""

from __future__ import annotations

import re
import sys
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from taskyard.core.errors import SubmissionError
from taskyard.core.payload.json_literals import max_written_bytes, read_json
from taskyard.core.submission.bulk_file import read_json_line
from taskyard.core.submission.options import LINE_FIELDS

STDIN = Path("-")
DATA_LIMIT_BYTES = 64 << 20  # the largest that any installation accepts
Problems = list[SubmissionError]
_POSITION = re.compile(r"^submissions\.(\d+)\.?")


def read_input(text: str | None, file: Path | None, limit_bytes: int) -> Any:
    """Reads a task's input from JSON text or from a file of it (`-` is standard input); raises SubmissionError.

    `limit_bytes` limits inputs, as JSON; see `max_written_bytes`.
    """
    return read_json_value("input", text, file, limit_bytes)


def read_json_value(field: str, text: str | None, file: Path | None, limit_bytes: int) -> Any:
    """Reads the JSON of a field as `read_input` does; None if neither is given. Raises SubmissionError."""
    if file is None:
        return None if text is None else _parsed(field, text.encode("utf-8", "surrogateescape"), limit_bytes)
    with _opened(field, file) as stream:
        return _parsed(field, stream.read(max_written_bytes(limit_bytes) + 1), limit_bytes)


def read_text(file: Path) -> str:
    """Reads a file of text (`-` is standard input); raises SubmissionError."""
    try:
        content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        return content.decode("utf-8-sig")
    except OSError as error:
        raise SubmissionError("file", str(file), f"a readable file ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise SubmissionError("file", str(file), f"text in UTF-8 ({error.reason} at byte {error.start})") from None


def read_data(text: str) -> Any:
    """Reads a signal's data from JSON text; raises SubmissionError."""
    return _parsed("data", text.encode("utf-8", "surrogateescape"), DATA_LIMIT_BYTES)


class JsonLines:
    """The tasks of a JSON Lines file, read one at a time; `defaults` apply to lines without them.

    Lines are read as the dashboard reads those of an uploaded file. Iterating raises SubmissionError, also for a line
    that is too long for an input of `limit_bytes`.
    """

    def __init__(self, file: Path, defaults: Mapping[str, Any], limit_bytes: int) -> None:
        self._file = file
        self._defaults = defaults
        self._limit_bytes = limit_bytes
        self._blank: list[int] = []  # numbers of lines, before the last that was read
        self.last: dict[str, Any] | None = None  # that was read

    def count(self) -> int | None:
        """Returns the number of tasks; None if it is unknown before they are read. Raises SubmissionError."""
        if not self._file.is_file():
            return None
        return sum(1 for _, line in self._lines() if line.strip())

    def __iter__(self) -> Iterator[dict[str, Any]]:
        from taskyard.core.submission.row_arguments import line_arguments

        self._blank = []
        for number, line in self._lines():
            if not line.strip():
                self._blank.append(number)
                continue
            text = _decoded(f"line {number}", line).strip()
            try:
                values = line_arguments(read_json_line(text, self._limit_bytes, LINE_FIELDS))
            except SubmissionError as error:
                raise _of_line(number, error) from None
            self.last = {**self._defaults, **values}
            yield self.last

    def line_of(self, position: int) -> int:
        """Returns the line of a task that was read, by how many came before it."""
        number = position + 1
        for blank in self._blank:
            number += blank <= number
        return number

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        most = max_written_bytes(self._limit_bytes)
        with _opened("file", self._file) as file:
            number = 0
            while line := file.readline(most + 1):
                number += 1
                if number == 1:
                    line = line.removeprefix(BOM_UTF8)
                if len(line) > most:
                    raise SubmissionError(f"line {number}", line[:80], f"a line of at most {most:,} bytes")
                yield number, line


def by_line(
    error: SubmissionError,
    task: Mapping[str, Any] | None,
    problems_of: Callable[[Mapping[str, Any]], Problems],
    line_of: Callable[[int], int] = lambda position: position + 1,
) -> Problems:
    """Returns an error of `submit_many` with its line number instead of its position, and further problems there.

    `task` is the last one read, and so the one that was refused, unless the error is about what is stored.
    """
    found = _POSITION.match(error.field)
    if found is None:
        return [error]
    refused = SubmissionError(error.field[found.end() :], error.value, error.expected)
    problems = [] if task is None else problems_of(task)
    if refused.field.partition(".")[0] not in [problem.field.partition(".")[0] for problem in problems]:
        problems = [refused]
    line = f"line {line_of(int(found[1]))}"
    return [SubmissionError(f"{line}: {one.field}" if one.field else line, one.value, one.expected) for one in problems]


def _of_line(number: int, error: SubmissionError) -> SubmissionError:
    """An error of `read_json_line` with the number of its line."""
    is_whole = error.field.partition(".")[0] == "line"
    field = f"line {number}{error.field.removeprefix('line')}" if is_whole else f"line {number}: {error.field}"
    return SubmissionError(field, error.value, error.expected)


def _parsed(field: str, text: bytes, limit_bytes: int) -> Any:
    most = max_written_bytes(limit_bytes)
    if len(text) > most:
        raise SubmissionError(field, text[:80], f"JSON of at most {most:,} bytes")
    return read_json(field, _decoded(field, text), most)


def _decoded(field: str, text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise SubmissionError(field, text, f"text in UTF-8 ({error.reason} at byte {error.start})") from None


@contextmanager
def _opened(field: str, file: Path) -> Iterator[BinaryIO]:
    if file == STDIN:
        yield sys.stdin.buffer
        return
    try:
        stream = file.open("rb")
    except OSError as error:
        raise SubmissionError(field, str(file), f"a readable file ({error.strerror})") from None
    with stream:
        yield stream
