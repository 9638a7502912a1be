"""Confines a command: its user, its file system, its processes. Applied by `supervisor`.

There are two ways; the first one that this system offers is used:

- **namespaces** (root with CAP_SYS_ADMIN, or a user who may make user namespaces): the command has a root directory
of its own, and sees and signals only its own processes. Its first process, the warden, is the first of a process
namespace: when it ends, the kernel kills everything in it.

- **landlock** (Linux 5.13 and newer): the kernel refuses all paths but a few, and access to other processes.

As root the command also gets a user id that nothing else has. Elsewhere the command is refused: it would run with
all of the worker's rights. In both ways a filter of system calls blocks resources that no limit counts. Only the
standard library is imported.
"""

from __future__ import annotations

import contextlib
import os
import site
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from taskyard.worker.isolation.kernel import (
    CLONE_NEWIPC,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    become,
    clone,
    refuse_new_privileges,
)
from taskyard.worker.isolation.sandbox import landlock, private_root, seccomp

NAMESPACES, LANDLOCK = "namespaces", "landlock"
WAYS = (NAMESPACES, LANDLOCK)
NONE_AVAILABLE = (
    "this system can't confine submitted code: run as root or where user namespaces are allowed, "
    "or on Linux 5.13 or newer with Landlock"
)
MAX_IN_MEMORY_BYTES = 64 << 20
SYSTEM_FOLDERS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store")
SYSTEM_FILES = tuple(
    f"/etc/{name}"
    for name in (
        "alternatives", "ca-certificates", "crypto-policies", "group", "host.conf", "hosts", "ld.so.cache",
        "ld.so.conf", "ld.so.conf.d", "localtime", "mime.types", "nsswitch.conf", "os-release", "passwd", "pki",
        "protocols", "resolv.conf", "services", "ssl", "timezone",
    )
)  # fmt: skip
LANDLOCK_READABLE = ("/proc", "/sys/devices/system/cpu")
LANDLOCK_WRITABLE = tuple(f"/dev/{name}" for name in private_root.DEVICES)


@dataclass(frozen=True, slots=True)
class Confinement:
    """The resources that a command may access. `uid` is the user that it gets, None for the current one."""

    uid: int | None
    readable: tuple[str, ...]
    writable: tuple[str, ...]
    hidden: tuple[str, ...]
    root: str  # an empty folder
    in_memory_bytes: int  # for /tmp and /dev/shm each
    reads_all: bool  # whether the user may read what only root may, of the paths above

    def clone(self, way: str) -> int:
        """Forks the warden into its namespaces; returns its pid, in the warden 0. Raises OSError."""
        if way == LANDLOCK:
            return os.fork()
        own_user = 0 if os.geteuid() == 0 else CLONE_NEWUSER
        outside = os.geteuid(), os.getegid()
        pid = clone(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWPID | own_user)
        if pid == 0 and own_user:
            _map_user(*outside)
        return pid

    def enter(self, way: str) -> None:
        """Builds the root, in the warden. Raises OSError."""
        if way == NAMESPACES:
            private_root.build(self.root, self.readable, self.writable, self.hidden, self.in_memory_bytes)

    def drop(self, way: str) -> None:
        """Drops user, files and system calls, as the last step in the command's process. Raises OSError."""
        is_root = os.geteuid() == 0
        if self.uid is not None:
            become(self.uid, reads_all=self.reads_all)
        refuse_new_privileges()  # a set-uid program could not be killed
        if way == LANDLOCK:
            landlock.restrict([*self.readable, *LANDLOCK_READABLE], [*self.writable, *LANDLOCK_WRITABLE])
        is_apart = way == NAMESPACES or is_root
        can_signal = is_apart or landlock.version() >= landlock.SCOPED_SIGNALS_VERSION
        seccomp.restrict(unix_sockets=is_apart, foreign_signals=can_signal)


def _map_user(uid: int, gid: int) -> None:
    """Maps the user to the same number inside a user namespace."""
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w", encoding="utf-8") as file:
            file.write(text)


def ways() -> Sequence[str]:
    """Returns the possible ways on this machine, best first."""
    if not seccomp.is_available():
        return ()
    return WAYS if landlock.version() else (NAMESPACES,)


def programs() -> tuple[str, ...]:
    """Returns the folders and files that a Python program with this interpreter and its packages needs."""
    prefixes = {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix, *site.getsitepackages()}
    found = {*SYSTEM_FOLDERS, *SYSTEM_FILES, *prefixes, *(os.path.realpath(prefix) for prefix in prefixes)}
    program = Path(sys.executable)
    with contextlib.suppress(OSError):
        while program.is_symlink():  # from link to link to the interpreter itself
            found.add(str(program))
            program = program.parent / program.readlink()
    found.add(str(program))
    found.discard("/")
    return tuple(sorted(os.path.normpath(path) for path in found))
