"""Reads a recorded workload from a CSV file, plain or by gzip (pure but for the reading)."""

from __future__ import annotations

import csv
import gzip
import io
import math
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from taskyard.core.errors import SubmissionError, shortened
from taskyard.core.i18n import msg
from taskyard.core.learning.keys import Keys, keys_of, size_by
from taskyard.core.learning.prediction import MAX_SECONDS
from taskyard.core.models import Lane
from taskyard.core.payload.culprits import refused
from taskyard.core.simulation.workload import Agent, Workload
from taskyard.core.states import Priority

REQUIRED = ("arrival_s", "type", "creator", "duration_s")
OPTIONAL = ("queue", "priority")
NO_ATTRIBUTES = ("arrival_s", "duration_s")  # of a task that is submitted: no run time is predicted by them
MAX_TASKS = 2_000_000
MAX_SPAN_SECONDS = MAX_SECONDS  # from the first arrival to the last one
_GZIP = b"\x1f\x8b"
_PRIORITIES = {priority.label: int(priority) for priority in Priority}
_PRIORITIES |= {str(int(priority)): int(priority) for priority in Priority}
_NUMBER = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?\s*", re.ASCII | re.IGNORECASE)  # float() takes 1_0, too
_NOT_FINITE = re.compile(r"\s*[+-]?(nan|inf|infinity)\s*", re.ASCII | re.IGNORECASE)
_CSV = msg("CSV in UTF-8, plain or by gzip")


def read_trace(path: Path, agents: Sequence[Agent], predict_by: Sequence[str] = ()) -> Workload:
    """Returns the tasks of a file in order of arrival; raises SubmissionError, with the line.

    Times count from the first arrival. Run times are predicted by type, creator and size: the columns `predict_by`,
    else all others whose values are numbers.
    """
    with _opened(path) as file:
        reader = csv.reader(file)
        header = [name.strip() for name in next(reader, [])]
        _check_header(header, predict_by)
        rows = list(_rows(reader, header))
    if not rows:
        raise refused("trace", str(path), msg("a file with at least one task"))
    others = [name for name in header if name and name not in REQUIRED + OPTIONAL]
    named = list(dict.fromkeys(predict_by))
    of_numbers = [name for name in named or others if _is_of_numbers(name, rows)]
    return _workload(rows, named or of_numbers, agents)


@contextmanager
def _opened(path: Path) -> Iterator[io.TextIOBase]:
    """Opens the file as text; raises SubmissionError also for what goes wrong while it is read."""
    try:
        with path.open("rb") as raw:
            is_gzip = raw.read(2) == _GZIP
            raw.seek(0)
            with io.TextIOWrapper(gzip.GzipFile(fileobj=raw) if is_gzip else raw, "utf-8-sig", newline="") as text:
                yield text
    except (gzip.BadGzipFile, zlib.error, EOFError, UnicodeDecodeError, csv.Error):
        raise refused("trace", str(path), _CSV) from None
    except OSError as error:
        raise refused(
            "trace", str(path), msg("a file that can be read ({reason})", reason=error.strerror or "")
        ) from None


def _check_header(header: Sequence[str], predict_by: Sequence[str]) -> None:
    for place, name in enumerate(header):
        if name and name in header[:place]:
            raise refused("line 1", name[:200], msg("each column only once"))
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        expected = msg("a first line with the columns {names}", names=", ".join(REQUIRED))
        raise refused("trace", ",".join(header)[:200], expected)
    known = [name for name in header if name and name not in NO_ATTRIBUTES]
    for name in predict_by:
        if name not in known:
            raise refused("predict_by", name, msg("one of {names}", names=", ".join(known)))


def _rows(reader: Iterator[list[str]], header: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yields each task with the number of its line."""
    for count, cells in enumerate(reader):
        number = count + 2
        if not cells:
            continue
        if len(cells) != len(header):
            expected = msg("{count} cells, one a column", count=len(header))
            raise refused(f"line {number}", ",".join(cells)[:200], expected)
        if count >= MAX_TASKS:
            raise refused("trace", count, msg("at most {limit} tasks", limit=f"{MAX_TASKS:,}"))
        yield number, dict(zip(header, cells, strict=True))


def _workload(rows: Sequence[tuple[int, dict[str, str]]], sizes: Sequence[str], agents: Sequence[Agent]) -> Workload:
    lanes: dict[Lane, int] = {}
    keys: dict[Keys, int] = {}
    fields = tuple((name,) for name in sizes)
    found = []
    for (number, row), arrival in zip(rows, _arrivals(rows), strict=True):
        lane = Lane(row.get("queue") or "default", row["type"])
        size = size_by(fields, {name: _size(row[name]) for name in sizes})
        found.append(
            (
                arrival,
                _run_seconds(number, row),
                lanes.setdefault(lane, len(lanes)),
                keys.setdefault(keys_of(row["type"], row["creator"], size), len(keys)),
                _priority(number, row),
            )
        )
    found.sort(key=lambda task: task[0])
    ready, runs, lane_places, key_places, priorities = (list(column) for column in zip(*found, strict=True))
    return Workload(
        ready, list(ready), runs, lane_places, list(lanes), key_places, list(keys), priorities, list(agents)
    )


def _arrivals(rows: Sequence[tuple[int, dict[str, str]]]) -> list[float]:
    """Returns the seconds from the first arrival to each of them."""
    found = []
    for number, row in rows:
        at = _finite(row["arrival_s"])
        if at is None:
            raise _refused_cell(number, row, "arrival_s", msg("seconds from any moment, a finite number"))
        found.append(at)
    first, last = min(found), max(found)
    if not last - first <= MAX_SPAN_SECONDS:
        first_line, first_row = rows[found.index(first)]
        expected = msg(
            "at most {most} seconds after the first arrival, which is {first} in line {line}",
            most=f"{MAX_SPAN_SECONDS:,.0f}",
            first=shortened(first_row["arrival_s"]),
            line=first_line,
        )
        raise _refused_cell(*rows[found.index(last)], "arrival_s", expected)
    return [at - first for at in found]


def _run_seconds(number: int, row: dict[str, str]) -> float:
    seconds = _finite(row["duration_s"])
    if seconds is None or not 0 <= seconds <= MAX_SECONDS:
        expected = msg("seconds from {least} to {most}", least=0, most=f"{MAX_SECONDS:g}")
        raise _refused_cell(number, row, "duration_s", expected)
    return seconds


def _priority(number: int, row: dict[str, str]) -> int:
    text = row.get("priority", "")
    if not text:
        return int(Priority.MEDIUM)
    found = _PRIORITIES.get(text.strip().lower())
    if found is None:
        raise _refused_cell(number, row, "priority", msg("one of {names}", names=", ".join(_PRIORITIES)))
    return found


def _size(text: str) -> float | str:
    number = _finite(text)
    return text if number is None else number


def _is_of_numbers(name: str, rows: Sequence[tuple[int, dict[str, str]]]) -> bool:
    """Returns False if a column has any text; raises SubmissionError if one of nothing but numbers has e.g. `nan`."""
    wrong = None
    for number, row in rows:
        text = row[name]
        if _finite(text) is not None:
            continue
        if not (_NUMBER.fullmatch(text) or _NOT_FINITE.fullmatch(text)):
            return False
        wrong = wrong or (number, row)
    if wrong is not None:
        raise _refused_cell(*wrong, name, msg("a finite number"))
    return True


def _refused_cell(number: int, row: dict[str, str], name: str, expected: str) -> SubmissionError:
    return refused(f"line {number}: {name}", row[name][:200], expected)


def _finite(text: str) -> float | None:
    """Returns a number; None if it is too large, or none."""
    if _NUMBER.fullmatch(text) is None:
        return None
    number = float(text)
    return number if math.isfinite(number) else None
