"""Ends whole trees of processes, even those that try to escape.

The caller is a "child subreaper" (prctl(2)): a process below it whose parent dies becomes its direct child, also
after setsid and a double fork. So nothing can leave the tree, and once this process has no children but those it
wants to keep, nothing of the rest is left.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from collections.abc import Collection, Iterable
from pathlib import Path
from time import monotonic, sleep

import psutil

from taskyard.worker.isolation.kernel import LINUX
from taskyard.worker.isolation.process_tree import children_of, set_subreaper

PR_SET_PDEATHSIG = 1  # linux/prctl.h
KILL_SECONDS = 5.0  # a killed process that still exists after this hangs in the kernel
_WAIT_SECONDS = 0.0005


def become_subreaper() -> None:
    """Makes orphans below this process its children (Linux; elsewhere init adopts them)."""
    set_subreaper(True)


def die_with_parent(parent_pid: int) -> None:
    """Makes the kernel kill this process when the thread that started it ends (Linux only).

    Raises ProcessLookupError if `parent_pid` is no longer the parent: it died before this call.
    """
    if LINUX and ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent_pid:
        raise ProcessLookupError(f"the parent process {parent_pid} has ended")


def has_children() -> bool:
    """Returns True if this process has any child. Reaps ended ones; takes about a microsecond if there is none."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def kill_children(spare: Collection[int] = ()) -> dict[int, int]:
    """Kills and reaps every child of this process but `spare`, with all descendants.

    Each tree is stopped first, until two scans find the same processes: a stopped process can't fork between scan
    and kill. Orphans that come up meanwhile are killed as well. Returns the wait status of each reaped child. Gives
    up after KILL_SECONDS on one that hangs in the kernel.
    """
    statuses: dict[int, int] = {}
    give_up_at = monotonic() + KILL_SECONDS
    while doomed := [pid for pid in _children(os.getpid()) if pid not in spare]:
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
        if not found and unreaped.isdisjoint(_children(os.getpid())):
            break
        sleep(_WAIT_SECONDS)


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
        unseen = [child for pid in frozen for child in _children(pid) if child not in frozen]
    return list(reversed(frozen))


def _reap(pids: Iterable[int]) -> dict[int, int]:
    statuses = {}
    for pid in pids:
        with contextlib.suppress(ChildProcessError):  # a thread of a handler has waited for it
            reaped, status = os.waitpid(pid, os.WNOHANG)
            if reaped:
                statuses[pid] = status
    return statuses


def _children(pid: int) -> Collection[int]:
    if LINUX:
        return children_of(pid)
    try:
        return [child.pid for child in psutil.Process(pid).children()]
    except psutil.NoSuchProcess:
        return ()


def _signal(pid: int, number: signal.Signals) -> None:
    if pid <= 1:  # kill(2) takes 0 and -1 for whole groups of processes
        raise ValueError(f"process {pid} may not be signalled")
    # What is not ours to signal (a set-uid program) stays, and ends with the loop's deadline.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
