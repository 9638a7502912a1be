"""Finds and ends whole trees of processes, whatever they do to get away.

The caller is a "child subreaper" (prctl(2)): a process below it whose parent dies becomes its direct child, also
after setsid and a double fork. So nothing can leave the tree, and once this process has no children but those it
wants to keep, nothing of the rest is left.

Only the standard library is imported: `supervisor` needs a quick start.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
from collections.abc import Collection, Iterable
from pathlib import Path
from time import monotonic, sleep

from taskyard.worker.isolation.kernel import (
    LINUX,
    PR_GET_CHILD_SUBREAPER,
    PR_SET_CHILD_SUBREAPER,
    die_with_parent_thread,
    prctl,
)

KILL_SECONDS = 5.0  # a killed process that is still there then hangs in the kernel
_WAIT_SECONDS = 0.0005

# who is there


def descendants(root: int | None = None, enough: float = float("inf")) -> set[int]:
    """Returns the ids of all processes below `root` (this process by default), zombies included.

    Stops once there are more than `enough`: a full count of a fork bomb takes too long.
    """
    if not LINUX:
        return _portable_descendants(root or os.getpid())
    found: set[int] = set()
    unvisited = [root or os.getpid()]
    while unvisited and len(found) <= enough:
        below = children_of(unvisited.pop()) - found
        found |= below
        unvisited += below
    return found


def children_of(pid: int) -> set[int]:
    """Returns the ids of the direct children; empty if the process is gone."""
    if not LINUX:
        return {child for child, parent in _portable_parents().items() if parent == pid}
    children: set[int] = set()
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                children.update(map(int, file.read().split()))
    except (FileNotFoundError, ProcessLookupError):
        pass  # it, or one of its threads, has just ended; or the system has no /proc
    return children


def has_children() -> bool:
    """Returns True if this process has any child. Reaps ended ones; takes about a microsecond if there is none."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _portable_parents() -> dict[int, int]:
    """Returns the parent of each process, where there is no /proc."""
    table = subprocess.run(["ps", "-axo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    return {int(pid): int(parent) for pid, parent in (line.split() for line in table.splitlines())}


def _portable_descendants(root: int) -> set[int]:
    parents = _portable_parents()
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found and pid not in found}:
        found |= more
    return found - {root}


# who they belong to


def set_subreaper(wanted: bool) -> bool:
    """Makes this process adopt orphans below it (Linux only), or not; returns the setting before."""
    if not LINUX:
        return False
    before = ctypes.c_int()
    prctl(PR_GET_CHILD_SUBREAPER, ctypes.byref(before))
    prctl(PR_SET_CHILD_SUBREAPER, int(wanted))
    return bool(before.value)


def die_with_parent(parent_pid: int) -> None:
    """Makes the kernel kill this process when the thread that started it ends (Linux only).

    Raises ProcessLookupError if `parent_pid` is no longer the parent: it died before this call.
    """
    if LINUX:
        die_with_parent_thread()
    if os.getppid() != parent_pid:
        raise ProcessLookupError(f"the parent process {parent_pid} has ended")


# ending them


def kill_children(spare: Collection[int] = ()) -> dict[int, int]:
    """Kills and reaps every child of this process but `spare`, with all descendants.

    Each tree is stopped first, until two scans find the same processes: a stopped process can't fork between scan
    and kill. Orphans that come up meanwhile are killed as well. Returns the wait status of each reaped child. Gives
    up after KILL_SECONDS on one that hangs in the kernel.
    """
    statuses: dict[int, int] = {}
    give_up_at = monotonic() + KILL_SECONDS
    while doomed := [pid for pid in children_of(os.getpid()) if pid not in spare]:
        for pid in _freeze(doomed):
            _signal(pid, signal.SIGKILL)
        reaped = _reap(doomed)
        statuses |= reaped
        if monotonic() > give_up_at:
            break
        if not reaped:
            sleep(_WAIT_SECONDS)
    return statuses


def kill_marked(entry: str) -> None:
    """Kills every process started with the environment entry `entry`, a "NAME=value" (Linux only), and reaps its
    own.

    For processes orphaned because their subreaper was killed. A process that was started with a different
    environment is not found.
    """
    marked = f"\0{entry}\0".encode()
    give_up_at = monotonic() + KILL_SECONDS
    unreaped: set[int] = set()
    while monotonic() < give_up_at:
        found = [pid for pid in _processes() if marked in b"\0" + _environment(pid)]
        for pid in found:
            _signal(pid, signal.SIGKILL)
        unreaped.update(found)
        unreaped -= _reap(unreaped).keys()
        if not found and unreaped.isdisjoint(children_of(os.getpid())):
            break
        sleep(_WAIT_SECONDS)


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


def send_kill(pid: int) -> None:
    """Kills a process that may be gone; one of another user stays, and the caller finds it again."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()] if LINUX else []


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""  # it has ended, or is another user's


def _freeze(roots: Iterable[int]) -> list[int]:
    """Stops the trees below `roots`; returns their processes, the deepest first."""
    frozen: dict[int, None] = {}
    unseen = list(roots)
    while unseen:
        for pid in unseen:
            frozen[pid] = None
            _signal(pid, signal.SIGSTOP)
        unseen = [child for pid in frozen for child in children_of(pid) if child not in frozen]
    return list(reversed(frozen))


def _reap(pids: Iterable[int]) -> dict[int, int]:
    statuses = {}
    for pid in pids:
        with contextlib.suppress(ChildProcessError):  # a thread of a handler has waited for it
            reaped, status = os.waitpid(pid, os.WNOHANG)
            if reaped:
                statuses[pid] = status
    return statuses


def _signal(pid: int, number: signal.Signals) -> None:
    if pid <= 1:  # kill(2) takes 0 and -1 for whole groups of processes
        raise ValueError(f"process {pid} may not be signalled")
    # What is not ours to signal (a set-uid program) stays, and ends with the loop's deadline.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
