"""Reads a recorded workload from a CSV file, plain or by gzip (pure but for the reading)."""

from __future__ import annotations

import csv
import gzip
import io
import math
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from taskyard.core.errors import SubmissionError
from taskyard.core.i18n import msg
from taskyard.core.learning.keys import Keys, keys_of, size_by
from taskyard.core.learning.prediction import MAX_SECONDS
from taskyard.core.models import Lane
from taskyard.core.payload.culprits import refused
from taskyard.core.simulation.workload import Agent, Workload
from taskyard.core.states import Priority

REQUIRED = ("arrival_s", "type", "creator", "duration_s")
OPTIONAL = ("queue", "priority")
MAX_TASKS = 2_000_000
_GZIP = b"\x1f\x8b"
_PRIORITIES = {priority.label: int(priority) for priority in Priority}
_PRIORITIES |= {str(int(priority)): int(priority) for priority in Priority}
_CSV = msg("CSV in UTF-8, plain or by gzip")


def read_trace(path: Path, agents: Sequence[Agent], predict_by: Sequence[str] = ()) -> Workload:
    """Returns the tasks of a file in order of arrival; raises SubmissionError, with the line.

    Run times are predicted by type, creator and size: the columns `predict_by`, else all others whose values are
    numbers.
    """
    with _opened(path) as file:
        reader = csv.reader(file)
        header = [name.strip() for name in next(reader, [])]
        _check_header(header, predict_by)
        rows = list(_rows(reader, header))
    if not rows:
        raise refused("trace", str(path), msg("a file with at least one task"))
    others = [name for name in header if name not in REQUIRED + OPTIONAL]
    sizes = list(predict_by) or [name for name in others if all(_is_number(row[name]) for _, row in rows)]
    return _workload(rows, sizes, agents)


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
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        expected = msg("a first line with the columns {names}", names=", ".join(REQUIRED))
        raise refused("trace", ",".join(header)[:200], expected)
    for name in predict_by:
        if name not in header:
            raise refused("predict_by", name, msg("one of {names}", names=", ".join(header)))


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
    for number, row in rows:
        lane = Lane(row.get("queue") or "default", row["type"])
        size = size_by(fields, {name: float(row[name]) if _is_number(row[name]) else row[name] for name in sizes})
        found.append(
            (
                _seconds(number, row, "arrival_s", 0.0),
                _seconds(number, row, "duration_s", 0.0),
                lanes.setdefault(lane, len(lanes)),
                keys.setdefault(keys_of(row["type"], row["creator"], size), len(keys)),
                _priority(number, row.get("priority", "")),
            )
        )
    found.sort(key=lambda task: task[0])
    ready, runs, lane_places, key_places, priorities = (list(column) for column in zip(*found, strict=True))
    return Workload(
        ready, list(ready), runs, lane_places, list(lanes), key_places, list(keys), priorities, list(agents)
    )


def _seconds(number: int, row: dict[str, str], name: str, least: float) -> float:
    text = row[name]
    seconds = float(text) if _is_number(text) else math.nan
    if not least <= seconds <= MAX_SECONDS:
        raise _refused_cell(number, name, text, msg("seconds from {least} to {most}", least=0, most=f"{MAX_SECONDS:g}"))
    return seconds


def _priority(number: int, text: str) -> int:
    if not text:
        return int(Priority.MEDIUM)
    found = _PRIORITIES.get(text.strip().lower())
    if found is None:
        raise _refused_cell(number, "priority", text, msg("one of {names}", names=", ".join(_PRIORITIES)))
    return found


def _refused_cell(number: int, name: str, text: str, expected: str) -> SubmissionError:
    return refused(f"line {number}: {name}", text[:200], expected)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
