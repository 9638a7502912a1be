"""Reads submissions from arguments, files and standard input."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from taskyard.core.errors import SubmissionError
from taskyard.core.payload.json_literals import read_json
from taskyard.core.submission.options import LINE_FIELDS

STDIN = Path("-")
ESCAPES = 6  # bytes of one that is written as \\u0061
OTHER_BYTES = 1 << 20  # white space, titles, names
Problems = list[SubmissionError]
_POSITION = re.compile(r"^submissions\.(\d+)\.?")


def read_input(text: str | None, file: Path | None, limit_bytes: int) -> Any:
    """Reads a task's input from JSON text or from a file of it (`-` is standard input); raises SubmissionError.

    `limit_bytes` limits inputs, as JSON; see `most_written`.
    """
    if file is None:
        return None if text is None else _parsed("input", text.encode("utf-8", "surrogateescape"), limit_bytes)
    with _opened("input", file) as stream:
        return _parsed("input", stream.read(most_written(limit_bytes) + 1), limit_bytes)


def most_written(limit_bytes: int) -> int:
    """Returns the most bytes that a JSON text may have whose compact form has at most `limit_bytes`, within reason."""
    return ESCAPES * limit_bytes + OTHER_BYTES


class JsonLines:
    """The tasks of a JSON Lines file, read one at a time; `defaults` apply to lines without them.

    Line n is task n - 1, so blank lines may only be at the end. Iterating raises SubmissionError, also for a line
    that is too long for an input of `limit_bytes`.
    """

    def __init__(self, file: Path, defaults: Mapping[str, Any], limit_bytes: int) -> None:
        self._file = file
        self._defaults = defaults
        self._limit_bytes = limit_bytes
        self.last: dict[str, Any] | None = None  # that was read

    def count(self) -> int | None:
        """Returns the number of tasks; None if it is unknown before they are read. Raises SubmissionError."""
        if not self._file.is_file():
            return None
        return sum(1 for _, line in self._lines() if line.strip())

    def __iter__(self) -> Iterator[dict[str, Any]]:
        blank = 0
        for number, line in self._lines():
            if not line.strip():
                blank = blank or number
            elif blank:
                raise SubmissionError(f"line {blank}", "", "a task: blank lines may only be at the end")
            else:
                self.last = {**self._defaults, **_task(f"line {number}", line.strip(), self._limit_bytes)}
                yield self.last

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        most = most_written(self._limit_bytes)
        with _opened("file", self._file) as file:
            number = 0
            while line := file.readline(most + 1):
                number += 1
                if len(line) > most:
                    raise SubmissionError(f"line {number}", line[:80], f"a line of at most {most:,} bytes")
                yield number, line


def by_line(
    error: SubmissionError, task: Mapping[str, Any] | None, problems_of: Callable[[Mapping[str, Any]], Problems]
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
    line = f"line {int(found[1]) + 1}"
    return [SubmissionError(f"{line}: {one.field}" if one.field else line, one.value, one.expected) for one in problems]


def _task(field: str, line: bytes, limit_bytes: int) -> dict[str, Any]:
    task = _parsed(field, line, limit_bytes)
    if not isinstance(task, dict) or "type" not in task:
        raise SubmissionError(field, task, 'an object such as {"type": "diagnostic.noop", "input": {}}')
    for name in task:
        if name not in LINE_FIELDS:
            raise SubmissionError(f"{field}: {name}", task[name], f"one of the fields {', '.join(LINE_FIELDS)}")
    return task


def _parsed(field: str, text: bytes, limit_bytes: int) -> Any:
    most = most_written(limit_bytes)
    if len(text) > most:
        raise SubmissionError(field, text[:80], f"JSON of at most {most:,} bytes")
    try:
        return read_json(field, text.decode(), most)
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
