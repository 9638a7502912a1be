"""Has the pages of both releases drawn all the time, each by a process of its own, and counts what went wrong."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from taskyard.core.embedded.servers import Endpoints
from taskyard.worker.devtools.prove import records

READER = Path(__file__).with_name("page_reader.py")
OLD, NEW = "last release", "this release"
ROUNDS = 2  # the first may have begun before the migration
END_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class PagesDrawn:
    """How many pages one release's reader has drawn, and how often it was through with all after the migration."""

    drawn: int = 0
    rounds: int = 0
    problems: tuple[str, ...] = ()


class PageReaders:
    """The readers of both releases; `migrated_at` (monotonic seconds) is when the new schema was there."""

    def __init__(self, folder: Path) -> None:
        self.migrated_at = math.inf
        self._folder = folder
        self._variables: dict[str, str] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def reach(self, endpoints: Endpoints) -> None:
        """Sets how pages reach the servers."""
        self._variables = {
            "TASKYARD_DATABASE_URL": endpoints.database_url,
            "TASKYARD_REDIS_URL": endpoints.redis_url,
            "TASKYARD_DATA_DIR": str(self._folder),
        }

    def start(self, release: str, own: Mapping[str, str], journal: Path) -> None:
        """Starts the reader of a release, which `own` variables choose."""
        with self._log(release).open("ab") as log:
            self._processes[release] = subprocess.Popen(
                [sys.executable, "-P", str(READER), str(journal), str(self._records(release))],
                env={**os.environ, **self._variables, **own},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def have_drawn_all(self) -> bool:
        """Returns True once each reader has begun and ended a round after the migration, or one has ended."""
        has_ended = any(process.poll() is not None for process in self._processes.values())
        return has_ended or all(one.rounds >= ROUNDS for one in self.findings().values())

    def findings(self) -> dict[str, PagesDrawn]:
        """Returns what was drawn, by release."""
        found = {}
        for release, process in self._processes.items():
            lines = records.read(self._records(release))
            problems = [f"{name}: {problem}" for _, name, problem in lines if problem]
            if process.poll() is not None:
                problems.append(f"its reader ended with code {process.returncode}: see {self._log(release)}")
            rounds = sum(at > self.migrated_at for at, name, _ in lines if not name)
            found[release] = PagesDrawn(sum(bool(name) for _, name, _ in lines), rounds, tuple(problems))
        return found

    def stop(self) -> None:
        """Ends the readers."""
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    def _records(self, release: str) -> Path:
        return self._folder / f"pages-{release.replace(' ', '-')}.jsonl"

    def _log(self, release: str) -> Path:
        return self._folder / f"pages-{release.replace(' ', '-')}.log"
