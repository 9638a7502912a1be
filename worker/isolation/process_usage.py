"""Measures what processes use: CPU time, memory and disk space.

Only the standard library is imported: `supervisor` needs a quick start.
"""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Sequence

PAGE_BYTES = resource.getpagesize()
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
MIN_FILE_BYTES = 4096  # that an entry counts, so that empty files are bounded too


def processes_of_user() -> int:
    """Returns how many threads this user's processes have: what RLIMIT_NPROC counts (Linux only)."""
    total = 0
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if entry.stat().st_uid == os.getuid():
                    total += len(os.listdir(f"/proc/{entry.name}/task"))
    return total


def cpu_seconds_of(pid: int) -> float:
    """Returns the CPU seconds of a process and its reaped children (proc(5), stat, fields 14 to 17)."""
    fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return sum(map(int, fields[11:15])) / CLOCK_TICKS


def resident_bytes(pid: int) -> int:
    fields = _read(f"/proc/{pid}/statm").split()
    return int(fields[1]) * PAGE_BYTES if fields else 0


def proportional_bytes(pid: int) -> int:
    """Returns the memory of a process in bytes, with shared pages divided among its users (proc(5), smaps_rollup)."""
    for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""  # the process has ended, or the system has no /proc


def disk_bytes(directory: str, enough: float) -> int:
    """Returns the bytes that the files below a directory take on disk; stops once it is more than `enough`."""
    total, unvisited = 0, [directory]
    while unvisited and total <= enough:
        try:
            with os.scandir(unvisited.pop()) as entries:
                for entry in entries:
                    total += max(entry.stat(follow_symlinks=False).st_blocks * 512, MIN_FILE_BYTES)
                    if entry.is_dir(follow_symlinks=False):
                        unvisited.append(entry.path)
        except OSError:
            continue  # removed or made unreadable by the command meanwhile
    return total


def unlinked_bytes(pids: set[int], directory: str) -> int:
    """Returns the disk bytes of files that were removed, or never had a name, and are still open or mapped.

    Those on the directory's file system count, each once.
    """
    try:
        device = os.stat(directory).st_dev
    except OSError:
        return 0
    found: dict[int, int] = {}
    for pid in pids:
        for kind in ("fd", "map_files"):
            with contextlib.suppress(OSError):  # it has ended, or may not be inspected
                for entry in os.listdir(f"/proc/{pid}/{kind}"):
                    with contextlib.suppress(OSError):
                        seen = os.stat(f"/proc/{pid}/{kind}/{entry}")
                        if seen.st_nlink == 0 and seen.st_dev == device:
                            found[seen.st_ino] = max(seen.st_blocks * 512, MIN_FILE_BYTES)
    return sum(found.values())


def in_memory_bytes(root_of: int, folders: Sequence[str]) -> int:
    """Returns the bytes of in-memory file systems that a process sees at these places."""
    total = 0
    for folder in folders:
        with contextlib.suppress(OSError):
            found = os.statvfs(f"/proc/{root_of}/root{folder}")
            total += (found.f_blocks - found.f_bfree) * found.f_frsize
    return total
