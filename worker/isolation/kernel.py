"""Wraps the system calls that Python has no functions for (Linux). Only the standard library is imported."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import signal
import struct
import sys

LINUX = sys.platform == "linux"
MACHINE = platform.machine()

PR_SET_PDEATHSIG, PR_SET_KEEPCAPS, PR_SET_SECCOMP = 1, 8, 22
PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 36, 37, 38  # linux/prctl.h
PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 47, 2
CAP_DAC_READ_SEARCH, _CAPABILITY_VERSION = 2, 0x20080522  # linux/capability.h
CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID = 0x00020000, 0x08000000, 0x10000000, 0x20000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MNT_DETACH = 2
_ARG_END = 49  # the field of /proc/PID/stat, from 1
_CLONE = {"x86_64": 56, "aarch64": 220}
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}

_libc = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, *values: object) -> None:
    """Calls prctl(2). Raises OSError."""
    given = [*values, *([0] * (4 - len(values)))]
    as_longs = [ctypes.c_ulong(value) if isinstance(value, int) else value for value in given]
    _checked(_libc.prctl(option, *as_longs), f"prctl {option}")


def die_with_parent_thread() -> None:
    """Makes the kernel kill this process when the thread that made it ends."""
    prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))


def show_last_argument(text: bytes) -> None:
    """Shows `text` as this process's last argument in `ps` (Linux only), as far as that one was as long.

    The kernel shows the memory in which it put the arguments when the program began: proc(5), `arg_end` of `stat`.
    """
    if not LINUX:
        return
    with open("/proc/self/cmdline", "rb") as file:
        length = len(file.read().removesuffix(b"\0").rpartition(b"\0")[2])
    with open("/proc/self/stat", "rb") as file:
        end = int(file.read().rpartition(b")")[2].split()[_ARG_END - 3])
    ctypes.memmove(end - 1 - length, text[:length].ljust(length), length)


def run_ahead() -> None:
    """Gives this process a higher priority than its children where allowed (Linux, CAP_SYS_NICE)."""
    if LINUX:
        policy = os.SCHED_RR | os.SCHED_RESET_ON_FORK
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(0, policy, os.sched_param(os.sched_get_priority_min(os.SCHED_RR)))


def refuse_new_privileges() -> None:
    """Ignores set-uid bits from now on, here and in started programs (Linux only)."""
    if LINUX:
        prctl(PR_SET_NO_NEW_PRIVS, 1)


def become(uid: int, *, reads_all: bool) -> None:
    """Changes this process, which is root's, to another user.

    With `reads_all` it keeps one right, also in the programs that it becomes: to read whatever it can see. Raises
    OSError.
    """
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    prctl(PR_SET_KEEPCAPS, int(reads_all))
    os.setresuid(uid, uid, uid)
    if reads_all:
        right = 1 << CAP_DAC_READ_SEARCH
        header = ctypes.c_char_p(struct.pack("Ii", _CAPABILITY_VERSION, 0))
        rights = ctypes.c_char_p(struct.pack("6I", right, right, right, 0, 0, 0))
        _checked(_libc.capset(header, rights), "capset")
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_READ_SEARCH)


def clone(flags: int) -> int:
    """Forks like os.fork, into new namespaces; the caller must have one thread. Raises OSError."""
    if MACHINE not in _CLONE:
        raise OSError(38, f"no clone on {MACHINE}")
    zero = ctypes.c_ulong(0)
    pid: int = _libc.syscall(
        ctypes.c_long(_CLONE[MACHINE]), ctypes.c_ulong(flags | int(signal.SIGCHLD)), zero, zero, zero, zero
    )
    _checked(pid, "clone")
    return pid


def mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    """Calls mount(2). Raises OSError."""
    encoded = [None if text is None else os.fsencode(text) for text in (source, target, kind, options)]
    result = _libc.mount(encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), encoded[3])
    _checked(result, f"mount {target}")


def enter_root(folder: str) -> None:
    """Makes `folder`, a mount of its own, the root directory, and releases the old one. Raises OSError."""
    os.chdir(folder)
    _checked(_libc.syscall(ctypes.c_long(_PIVOT_ROOT[MACHINE]), b".", b"."), "pivot_root")
    _checked(_libc.umount2(b".", MNT_DETACH), "umount of the former root")
    os.chdir("/")


def syscall(number: int, *values: object) -> int:
    """Runs a system call by its number; raises OSError."""
    as_longs = [ctypes.c_long(value) if isinstance(value, int) else value for value in values]
    return _checked(_libc.syscall(ctypes.c_long(number), *as_longs), f"system call {number}")


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result
