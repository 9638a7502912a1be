"""Enforces the memory limit of an attempt in its own process, beyond what the process has at the start.

Two mechanisms enforce it. The kernel refuses the process, and each that it starts, private memory of more than the
limit and STACKS_BYTES (RLIMIT_DATA), so that one allocation can't exhaust the host: a MemoryError that a handler
may catch. And the agent checks every SAMPLE_SECONDS what all of them hold together, shared memory included, and has
the whole tree killed if that exceeds the limit. Files that are mapped or cached, also those on file systems in
memory, do not count.
"""

from __future__ import annotations

import contextlib
import math
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import psutil

from taskyard.worker.isolation.kernel import LINUX
from taskyard.worker.isolation.process_tree import descendants

SAMPLE_SECONDS = 0.05
STACKS_BYTES = 64 << 20  # the stacks of some threads, which are hardly ever used up to their size
MEBIBYTE = 1 << 20
_HELD = ("RssAnon", "RssShmem", "VmSwap")  # of /proc/PID/status
_SHARED_OUT = ("Pss_Anon", "Pss_Shmem", "SwapPss")  # of /proc/PID/smaps_rollup: shared pages divided
_ALONE = ("Private_Dirty", "Swap")


class MemoryGuard:
    """Measures from outside what an attempt's process tree has allocated since the guard was made."""

    def __init__(self, pid: int, limit_mib: int) -> None:
        self._pid = pid
        self._limit_bytes = limit_mib * MEBIBYTE
        self._base_bytes = _held_bytes(pid)
        self._max_bytes = self._base_bytes  # that the attempt's own process held
        self._highest_bytes = 0
        self._check_at = monotonic()

    def check(self) -> bool:
        """Returns True if the limit is, or ever was, exceeded; measures again every SAMPLE_SECONDS."""
        now = monotonic()
        if now >= self._check_at:
            self._check_at = now + SAMPLE_SECONDS
            self._highest_bytes = max(self._highest_bytes, self._taken_bytes())
        return self.is_exceeded

    @property
    def is_exceeded(self) -> bool:
        """Returns True if a check found more than the limit."""
        return self._highest_bytes > self._limit_bytes

    @property
    def verdict(self) -> str:
        """Returns one line about an attempt that exceeded the limit."""
        taken_mib = math.ceil(self._highest_bytes / MEBIBYTE * 10) / 10  # rounded up: more than the limit, also as text
        return (
            f"the memory limit of {self._limit_bytes // MEBIBYTE} MiB was exceeded: the handler's process and what it "
            f"started took {taken_mib:.1f} MiB"
        )

    def _taken_bytes(self) -> int:
        """Returns their allocated bytes, never too much: pages shared by several of them count once."""
        own = _held_bytes(self._pid)
        self._max_bytes = max(self._max_bytes, own)
        taken = own - self._base_bytes
        below = descendants(self._pid) if own else set()
        if not below:
            return taken
        alone, shared_out = 0, _rollup_bytes(self._pid, _SHARED_OUT) or 0
        for pid in below:
            divided = _rollup_bytes(pid, _SHARED_OUT)
            if divided is None:  # another user's: it counts more than it can have inherited
                alone += max(0, _held_bytes(pid) - self._max_bytes)
            else:
                shared_out += divided
                alone += _rollup_bytes(pid, _ALONE) or 0
        return max(taken + alone, shared_out - self._base_bytes)


@contextlib.contextmanager
def memory_limit(limit_mib: int) -> Iterator[None]:
    """Refuses this process, and those it starts, private memory beyond the limit within the block (Linux only)."""
    if not LINUX:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = _sum_of(Path("/proc/self/status"), ("VmData",)) or 0
    wanted += limit_mib * MEBIBYTE + STACKS_BYTES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))
    process = os.getpid()
    try:
        yield
    finally:
        if os.getpid() == process:  # a process that the handler forked stays limited
            resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _held_bytes(pid: int) -> int:
    """Returns the bytes of memory that a process holds apart from files; 0 if it has ended."""
    if LINUX:
        return _sum_of(Path(f"/proc/{pid}/status"), _HELD) or 0
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def _rollup_bytes(pid: int, names: tuple[str, ...]) -> int | None:
    return _sum_of(Path(f"/proc/{pid}/smaps_rollup"), names)


def _sum_of(path: Path, names: tuple[str, ...]) -> int | None:
    """Returns the sum of some lines `name: 123 kB`; None if the file can't be read, or has none of them."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    found = [int(line.split()[1]) * 1024 for line in lines if line.partition(":")[0] in names]
    return sum(found) if found else None
