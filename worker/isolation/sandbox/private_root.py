"""Builds a command's own root directory, in its own mount namespace. Only the standard library is imported.

It holds what programs need to run (read-only), the command's files, a /proc of its own processes, small /tmp and
/dev/shm in memory, and nothing else: no home directories, no sockets of servers, no data of Taskyard.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

from taskyard.worker.isolation.kernel import (
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
    enter_root,
    mount,
)

DEVICES = ("null", "zero", "full", "random", "urandom")
LINKS = {"/dev/fd": "/proc/self/fd", "/dev/stdin": "fd/0", "/dev/stdout": "fd/1", "/dev/stderr": "fd/2"}
IN_MEMORY = ("/dev/shm", "/tmp")  # counted as memory
# Flags that a mount from outside must keep when it is made read-only: statvfs(3) and mount(2) use the same bits
# for the first, other ones for the rest.
_KEPT_FLAGS = 1 | 2 | 4 | 8
_RENAMED_FLAGS = {1024: 1024, 2048: 2048, 4096: 1 << 21}  # ST_NOATIME, ST_NODIRATIME, ST_RELATIME


def build(root: str, readable: Sequence[str], writable: Sequence[str], hidden: Sequence[str], size_bytes: int) -> None:
    """Builds the root at the empty directory `root` and enters it. Raises OSError.

    Every path keeps its place. `hidden` ones are empty, even if they are below a readable one. `size_bytes` is for
    each of IN_MEMORY.
    """
    os.umask(0o022)  # the folders in it are for the command, which may be another user
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    mount("root", root, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=4m,nr_inodes=4096")
    for folder in IN_MEMORY:
        os.makedirs(root + folder, exist_ok=True)
        mount("memory", root + folder, "tmpfs", MS_NOSUID | MS_NODEV, f"mode=1777,size={size_bytes},nr_inodes=4096")
    for path in _outermost(readable):
        _show(root, path, read_only=True)
    for path in hidden:
        _hide(root, path)
    for path in writable:
        _show(root, path, read_only=False)
    _make_devices(root)
    os.makedirs(f"{root}/proc", exist_ok=True)
    with contextlib.suppress(OSError):  # a container that hides parts of its /proc allows no other: there is none then
        mount("proc", f"{root}/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount(None, root, None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)
    enter_root(root)


def _outermost(paths: Sequence[str]) -> list[str]:
    """Returns the paths that are not below another one."""
    kept: list[str] = []
    for path in sorted(set(paths)):
        if not any(path == outer or path.startswith(f"{outer.rstrip('/')}/") for outer in kept):
            kept.append(path)
    return kept


def _show(root: str, path: str, *, read_only: bool) -> None:
    """Mounts a file or folder; a link is recreated, and a missing path is left out."""
    target = root + path
    if os.path.islink(path) and os.path.dirname(path) == "/":
        os.symlink(os.readlink(path), target)  # such as /bin → usr/bin
        return
    if not os.path.exists(path):
        return
    _make_place(target, is_folder=os.path.isdir(path))
    mount(os.path.realpath(path), target, None, MS_BIND | MS_REC)
    flags = MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV | _flags_of(target)
    mount(None, target, None, flags | MS_RDONLY if read_only else flags)


def _hide(root: str, path: str) -> None:
    target = root + path
    if os.path.isdir(target):
        mount("hidden", target, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV, "mode=755,size=4k")
    elif os.path.exists(target):
        mount("/dev/null", target, None, MS_BIND)


def _make_devices(root: str) -> None:
    for name in DEVICES:
        _make_place(f"{root}/dev/{name}", is_folder=False)
        mount(f"/dev/{name}", f"{root}/dev/{name}", None, MS_BIND)
    for link, target in LINKS.items():
        os.symlink(target, root + link)


def _make_place(target: str, *, is_folder: bool) -> None:
    os.makedirs(target if is_folder else os.path.dirname(target), exist_ok=True)
    if not is_folder and not os.path.exists(target):
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))


def _flags_of(path: str) -> int:
    found = os.statvfs(path).f_flag
    return (found & _KEPT_FLAGS) | sum(flag for bit, flag in _RENAMED_FLAGS.items() if found & bit)
