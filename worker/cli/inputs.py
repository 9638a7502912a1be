"""What is submitted, from arguments, files and standard input."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from core.errors import SubmissionError

STDIN = Path("-")
LINE_FIELDS = (
    "type",
    "input",
    "title",
    "queue",
    "priority",
    "timeout_seconds",
    "max_attempts",
    "delay_seconds",
    "run_at",
    "requires",
    "idempotency_key",
    "after",
    "created_by",
)
_POSITION = re.compile(r"^submissions\.(\d+)\.?")


def read_input(text: str | None, file: Path | None) -> Any:
    """A task's input from JSON text or from a file of it (`-` is standard input); raises SubmissionError."""
    if file is None:
        return None if text is None else _parsed("input", text.encode("utf-8", "surrogateescape"))
    with _opened("input", file) as stream:
        return _parsed("input", stream.read())


class JsonLines:
    """The tasks of a JSON Lines file, one at a time; `defaults` hold for lines without them.

    Line n is task n - 1, so blank lines may only be at the end. Iterating raises SubmissionError.
    """

    def __init__(self, file: Path, defaults: Mapping[str, Any]) -> None:
        self._file = file
        self._defaults = defaults

    def count(self) -> int | None:
        """How many tasks there are; None if that can't be known before they are read."""
        if not self._file.is_file():
            return None
        with _opened("file", self._file) as lines:
            return sum(1 for line in lines if line.strip())

    def __iter__(self) -> Iterator[dict[str, Any]]:
        blank = 0
        with _opened("file", self._file) as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    blank = blank or number
                elif blank:
                    raise SubmissionError(f"line {blank}", "", "a task: blank lines may only be at the end")
                else:
                    yield {**self._defaults, **_task(f"line {number}", line.strip())}


def by_line(error: SubmissionError) -> SubmissionError:
    """An error of `submit_many` with the number of its line in place of its position."""
    found = _POSITION.match(error.field)
    if found is None:
        return error
    rest = error.field[found.end() :]
    field = f"line {int(found[1]) + 1}" + (f": {rest}" if rest else "")
    return SubmissionError(field, error.value, error.expected)


def _task(field: str, line: bytes) -> dict[str, Any]:
    task = _parsed(field, line)
    if not isinstance(task, dict) or "type" not in task:
        raise SubmissionError(field, task, 'an object such as {"type": "diagnostic.noop", "input": {}}')
    for name in task:
        if name not in LINE_FIELDS:
            raise SubmissionError(f"{field}: {name}", task[name], f"one of the fields {', '.join(LINE_FIELDS)}")
    return task


def _parsed(field: str, text: bytes) -> Any:
    try:
        return json.loads(text.decode())
    except RecursionError:
        raise SubmissionError(field, text, "JSON of fewer levels") from None
    except UnicodeDecodeError as error:
        raise SubmissionError(field, text, f"text in UTF-8 ({error.reason} at byte {error.start})") from None
    except ValueError as error:
        raise SubmissionError(field, text.decode(), f"JSON ({error})") from None


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
