"""What is submitted, from arguments, files and standard input."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TextIO

from core.errors import SubmissionError, shortened

STDIN = Path("-")
_POSITION = re.compile(r"^submissions\.(\d+)\.?")


def read_input(text: str | None, file: Path | None) -> Any:
    """A task's input from JSON text or from a file of it (`-` is standard input); raises SubmissionError."""
    if file is None:
        return None if text is None else _parsed("input", text)
    try:
        content = sys.stdin.read() if file == STDIN else file.read_text(encoding="utf-8")
    except OSError as error:
        raise SubmissionError("input", str(file), f"a readable file ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise SubmissionError("input", str(file), f"text in UTF-8 ({error.reason} at byte {error.start})") from None
    return _parsed("input", content)


class JsonLines:
    """The tasks of a JSON Lines file, one at a time; `defaults` are added to each.

    Line n is task n - 1; only the file's end may have blank lines. Iterating raises SubmissionError.
    """

    def __init__(self, file: Path, defaults: Mapping[str, Any]) -> None:
        self._file = file
        self._defaults = defaults

    def count(self) -> int | None:
        """How many tasks there are; None if that can't be known before they are read."""
        if not self._file.is_file():
            return None
        with self._opened() as lines:
            return sum(1 for line in lines if line.strip())

    def __iter__(self) -> Iterator[dict[str, Any]]:
        blank = 0
        with self._opened() as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    blank = blank or number
                    continue
                if blank:
                    raise SubmissionError(f"line {blank}", "", "a task, blank lines only at the end")
                task = _parsed(f"line {number}", line)
                if not isinstance(task, dict):
                    raise SubmissionError(f"line {number}", line.strip(), 'an object such as {"type": …, "input": …}')
                yield {**self._defaults, **task}

    def _opened(self) -> Any:
        try:
            stream: TextIO = sys.stdin if self._file == STDIN else self._file.open(encoding="utf-8", errors="strict")
        except OSError as error:
            raise SubmissionError("file", str(self._file), f"a readable file ({error.strerror})") from None
        return nullcontext(stream) if self._file == STDIN else stream


def by_line(error: SubmissionError) -> SubmissionError:
    """An error of `submit_many` with the number of its line in place of its position."""
    found = _POSITION.match(error.field)
    if found is None:
        return error
    rest = error.field[found.end() :]
    field = f"line {int(found[1]) + 1}" + (f": {rest}" if rest else "")
    return SubmissionError(field, error.value, error.expected)


def _parsed(field: str, text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise SubmissionError(field, shortened(text), "JSON of fewer levels") from None
    except ValueError as error:
        raise SubmissionError(field, text, f"JSON ({error})") from None
