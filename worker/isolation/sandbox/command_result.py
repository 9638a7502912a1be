"""Says how a command under limits has ended."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass

from taskyard.core.errors import ResourceLimitError

# Words by which programs report the kernel's refusal: the last lines of stderr → the limit.
REFUSALS = (
    ("memory_bytes", re.compile(r"MemoryError|Cannot allocate memory|bad_alloc|out of memory", re.I)),
    ("file_bytes", re.compile(r"\[Errno 27\]|File too large|File size limit")),
    ("open_files", re.compile(r"\[Errno 24\]|Too many open files")),
)
LIMIT_TEXTS = {
    "wall_seconds": "wall time limit of {:g} s",
    "cpu_seconds": "CPU time limit of {:g} s",
    "memory_bytes": "memory limit of {:,} bytes",
    "file_bytes": "limit on the size of a file of {:,} bytes",
    "disk_bytes": "limit on the work directory of {:,} bytes",
    "processes": "limit of {} processes",
    "open_files": "limit of {} open files",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a command may use. Memory and CPU hold for each process and for all together, `file_bytes` for
    each file, `open_files` for each process, `output_bytes` is kept of stdout and of stderr each."""

    wall_seconds: float = 60.0
    cpu_seconds: float = 30.0
    memory_bytes: int = 512 << 20
    file_bytes: int = 64 << 20
    disk_bytes: int = 256 << 20
    processes: int = 32
    open_files: int = 256
    output_bytes: int = 64 << 10


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The end of a command. `limit` names the field of Limits that stopped it, if one did."""

    exit_code: int | None
    signal: str | None
    stdout: str
    stderr: str
    stdout_truncated: bool
    stderr_truncated: bool
    wall_seconds: float
    cpu_seconds: float
    peak_memory_bytes: int
    left_processes: int  # were still running when the command ended, and were killed
    limit: str | None

    def raise_for_limit(self, limits: Limits, what: str) -> None:
        """Raises ResourceLimitError that names the limit, if one was hit: call it when the end is not as expected.

        A limit that the kernel enforces by refusing is recognised by what the command said last.
        """
        last_words = self.last_words()
        limit = self.limit or next((name for name, pattern in REFUSALS if pattern.search(last_words)), None)
        if limit is not None:
            text = LIMIT_TEXTS[limit].format(getattr(limits, limit))
            raise ResourceLimitError(f"{what} hit its {text}{last_words}")

    def print_output(self) -> None:
        """Prints what the command printed: so an attempt's log has it, also where the attempt fails."""
        sys.stdout.write(self.stdout)
        sys.stdout.flush()
        sys.stderr.write(self.stderr)
        sys.stderr.flush()

    def last_words(self, lines: int = 3) -> str:
        """Returns the last lines of stderr as the end of a one-line message; empty if there are none."""
        last = [line.strip() for line in self.stderr.splitlines() if line.strip()][-lines:]
        return f": {' | '.join(last)[-500:]}" if last else ""
