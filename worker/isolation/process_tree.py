"""Reads the members and the resource usage of a process tree from the system.

Only the standard library is imported: `supervisor` needs a quick start.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
from collections.abc import Sequence

from taskyard.worker.isolation.kernel import (
    LINUX,
    PR_GET_CHILD_SUBREAPER,
    PR_SET_CHILD_SUBREAPER,
    PR_SET_NO_NEW_PRIVS,
    prctl,
)

PAGE_BYTES = resource.getpagesize()
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
MIN_FILE_BYTES = 4096  # that an entry counts, so that empty files are bounded too


def descendants(root: int | None = None, enough: float = float("inf")) -> set[int]:
    """Returns the ids of all processes below `root` (this process by default), zombies included.

    Stops once there are more than `enough`: a full count of a fork bomb takes too long.
    """
    if not LINUX:
        return _portable_descendants(root)
    found: set[int] = set()
    unvisited = [root or os.getpid()]
    while unvisited and len(found) <= enough:
        below = children_of(unvisited.pop()) - found
        found |= below
        unvisited += below
    return found


def children_of(pid: int) -> set[int]:
    """Returns the ids of the direct children; empty if the process is gone."""
    children: set[int] = set()
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                children.update(map(int, file.read().split()))
    except (FileNotFoundError, ProcessLookupError):
        pass  # it, or one of its threads, has just ended; or the system has no /proc
    return children


def _portable_descendants(root: int | None) -> set[int]:
    table = subprocess.run(["ps", "-axo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(pid): int(parent) for pid, parent in (line.split() for line in table.splitlines())}
    found = {root or os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found and pid not in found}:
        found |= more
    return found - {root or os.getpid()}


def send_kill(pid: int) -> None:
    """Kills a process that may be gone; one of another user stays, and the caller finds it again."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def kill_groups(pids: set[int]) -> None:
    """Kills the process groups of these processes, but never this process's own.

    The kernel signals a group in one step that no fork slips through, so a fork bomb that stays in
    its groups ends here, however many processes it has. Process by process would be a race.
    """
    groups = set()
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            groups.add(os.getpgid(pid))
    for group in groups - {os.getpgrp()}:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


def run_ahead() -> None:
    """Gives this process a higher priority than its children where allowed (Linux, CAP_SYS_NICE)."""
    if LINUX:
        policy = os.SCHED_RR | os.SCHED_RESET_ON_FORK
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(0, policy, os.sched_param(os.sched_get_priority_min(os.SCHED_RR)))


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


def set_subreaper(wanted: bool) -> bool:
    """Makes this process adopt orphans below it (Linux only), or not; returns the setting before."""
    if not LINUX:
        return False
    before = ctypes.c_int()
    prctl(PR_GET_CHILD_SUBREAPER, ctypes.byref(before))
    prctl(PR_SET_CHILD_SUBREAPER, int(wanted))
    return bool(before.value)


def refuse_new_privileges() -> None:
    """Ignores set-uid bits from now on, here and in started programs (Linux only)."""
    if LINUX:
        prctl(PR_SET_NO_NEW_PRIVS, 1)
