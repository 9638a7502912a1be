"""Keeps ends of attempts on local disk while Redis is away, so that not even the agent's death loses them: results,
and what is handed back, which else would cost an attempt.

Each boot has one file, with one line of JSON per flush. The agent that wrote it removes it once Redis has the
results; for an agent that died, its supervisor sends them before it reports the death.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import structlog

from taskyard.core.protocol import AttemptEnd, Pair, Released, Report, decode_reports, encode

FOLDER = "spool"
SUFFIX = ".results.jsonl"

log = structlog.get_logger(__name__)


class Spool:
    """The file of one boot; it exists only while results wait in it."""

    def __init__(self, data_dir: Path, agent_id: str) -> None:
        self._path = _path_of(data_dir, agent_id)
        self._kept: set[tuple[Pair, ...]] = set()

    def keep(self, reports: Sequence[Report]) -> None:
        """Writes those ends among these reports that it does not have yet; they are on disk when this returns.

        A disk error is logged: the results still wait in memory.
        """
        ends = {pairs: report for report in reports if (pairs := _ended_by(report)) and pairs not in self._kept}
        if not ends:
            return
        try:
            self._append(encode(list(ends.values())) + b"\n")
        except OSError as error:
            log.error("spool.refused", path=str(self._path), reason=str(error), results=len(ends))
            return
        if not self._kept:
            log.warning("spool.waiting", path=str(self._path))
        self._kept.update(ends)

    def clear(self) -> None:
        """Removes the file, since Redis has everything."""
        if self._kept:
            self._kept.clear()
            self._path.unlink(missing_ok=True)

    def _append(self, line: bytes) -> None:
        is_new = not self._path.exists()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def spooled_by(data_dir: Path, agent_id: str) -> list[Path]:
    """Returns the file of a boot, if it left one."""
    path = _path_of(data_dir, agent_id)
    return [path] if path.exists() else []


def left_behind(data_dir: Path) -> list[Path]:
    """Returns the files of all boots."""
    return sorted((data_dir / FOLDER).glob(f"*{SUFFIX}"))


def read(path: Path) -> Iterator[list[Report]]:
    """Yields the results in a file in portions; a line cut short by a crash is left out, its attempt runs again."""
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            yield decode_reports(line)
        except ValueError as error:
            log.warning("spool.unreadable", path=str(path), line=number, reason=str(error))


def _ended_by(report: Report) -> tuple[Pair, ...]:
    """Returns the attempts that a report ends."""
    if isinstance(report, Released):
        return tuple((task_id, attempt) for task_id, attempt in report.pairs)
    return ((report.task_id, report.attempt),) if isinstance(report, AttemptEnd) else ()


def _path_of(data_dir: Path, agent_id: str) -> Path:
    return data_dir / FOLDER / f"{agent_id.replace(':', '@').replace('/', '_')}{SUFFIX}"
