"""Opens files of the agent's host named in an input: those under TASKYARD_DATA_FOLDERS and no others.

A path is resolved first, every link in it; the result must lie in one of the folders. From the folder on it is
opened one name after the other, following no link, so that no link can be put in its place between the check and
the opening. The opened file must be a regular file with one name: devices, pipes and sockets are never read, nor a
second name (a hard link) of a file that may belong elsewhere, nor the kernel's virtual files (/proc, /sys).
Taskyard's own data and files called `.env` are left out even if a folder above them is allowed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from taskyard.core.config import Settings, settings
from taskyard.core.errors import PermanentError, shortened

SETTING = "TASKYARD_DATA_FOLDERS"
NEVER_READ_NAMES = frozenset({".env"})
# File systems that hold no stored files, but the kernel's interfaces.
KERNEL_FILE_SYSTEMS = frozenset({
    "autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs", "efivarfs",
    "fusectl", "hugetlbfs", "mqueue", "nsfs", "proc", "pstore", "rpc_pipefs", "securityfs", "selinuxfs", "sysfs",
    "tracefs",
})  # fmt: skip
_OPEN = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW | getattr(os, "O_NOCTTY", 0)
_PEEK = getattr(os, "O_PATH", os.O_RDONLY | os.O_NONBLOCK) | os.O_CLOEXEC | os.O_NOFOLLOW


@contextmanager
def opened(path: str | Path, field: str, limit_bytes: int) -> Iterator[BinaryIO]:
    """Opens the file for reading. Raises PermanentError that names `field` if that is not permitted or fails."""
    refusal = _Refusal(field, path)
    root, real = _allowed(path, refusal)
    descriptor = _walk(root, real, refusal)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise refusal.because("is not a regular file")
        if found.st_nlink > 1:
            raise refusal.because(f"has {found.st_nlink} names (hard links), so it may be a file of another folder")
        if found.st_size > limit_bytes:
            raise refusal.because(f"has {found.st_size:,} bytes, expected at most {limit_bytes:,}")
        with open(descriptor, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(descriptor)


def require_allowed(path: str | Path, field: str) -> None:
    """Raises PermanentError that names `field` if a path does not lead into the data folders."""
    _allowed(path, _Refusal(field, path))


def allowed_folder(path: str | Path, field: str) -> Path:
    """Returns the real path of a folder that may be read; raises PermanentError that names `field`."""
    refusal = _Refusal(field, path)
    root, real = _allowed(path, refusal)
    descriptor = _walk(root, real, refusal, is_folder=True)
    os.close(descriptor)
    return real


def folder_of(real: Path) -> Path:
    """Returns the data folder that a real path lies in."""
    return _root_of(real, settings()) or real


def is_allowed(path: Path) -> bool:
    """Returns True if a path leads into the data folders, after following all links."""
    return _root_of(Path(os.path.realpath(path)), settings()) is not None


class _Refusal:
    """Makes the error for a refused path, in one line."""

    def __init__(self, field: str, path: str | Path) -> None:
        self._start = f"{field}: {shortened(str(path))}"

    def because(self, reason: str) -> PermanentError:
        return PermanentError(f"{self._start} {reason}")


def _allowed(path: str | Path, refusal: _Refusal) -> tuple[Path, Path]:
    """Returns the data folder that the path lies in, and the path without links."""
    configured = settings()
    if not configured.data_folders:
        raise refusal.because(
            f"is not accepted: tasks may not read files here; set {SETTING} to the folders that they may read"
        )
    if "\0" in str(path) or not Path(path).is_absolute():
        raise refusal.because("is not accepted, expected an absolute path")
    try:
        real = Path(os.path.realpath(path))
    except (OSError, ValueError) as error:
        raise refusal.because(f"can't be resolved: {error}") from None
    root = _root_of(real, configured)
    if root is None:
        listed = ", ".join(map(str, configured.data_folders))
        raise refusal.because(f"is not accepted: it does not lie under {SETTING} ({listed})")
    return root, real


def _root_of(real: Path, configured: Settings) -> Path | None:
    """Returns the innermost data folder around a real path, if tasks may read there."""
    roots = [Path(os.path.realpath(folder)) for folder in configured.data_folders]
    around = [root for root in roots if real.is_relative_to(root)]
    if not around or not NEVER_READ_NAMES.isdisjoint(part.casefold() for part in real.parts):
        return None
    root = max(around, key=lambda folder: len(folder.parts))
    own = Path(os.path.realpath(configured.data_dir.expanduser()))
    # A configured folder inside Taskyard's own, such as that of the samples, is intended; one around it is not.
    if real.is_relative_to(own) and not (root != own and root.is_relative_to(own)):
        return None
    return root


def _walk(root: Path, real: Path, refusal: _Refusal, *, is_folder: bool = False) -> int:
    """Returns a descriptor of `real`, reached from `root` without following any link."""
    names: Sequence[str] = real.relative_to(root).parts
    try:
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            for number, name in enumerate(names):
                is_last = number == len(names) - 1
                inner = _step(descriptor, name, refusal, is_folder=is_folder or not is_last)
                os.close(descriptor)
                descriptor = inner
            if not is_folder and not names:
                raise refusal.because("is not a regular file")
            if _is_kernel_made(descriptor):
                raise refusal.because("is not accepted: it lies on a file system of the kernel's own")
        except BaseException:
            os.close(descriptor)
            raise
    except FileNotFoundError:
        kind = "folder" if is_folder else "file"
        raise refusal.because(f"is not a {kind} on this agent: No such file or directory") from None
    except OSError as error:
        raise refusal.because(f"can't be opened: {error.strerror or error}") from None
    return descriptor


def _step(folder: int, name: str, refusal: _Refusal, *, is_folder: bool) -> int:
    """Opens one name in a folder. Its kind is checked before: opening a device or pipe may have effects."""
    if is_folder:
        try:
            return os.open(name, _OPEN | os.O_DIRECTORY, dir_fd=folder)
        except NotADirectoryError:
            raise refusal.because("is not a folder on this agent, or changed meanwhile") from None
    peeked = os.open(name, _PEEK, dir_fd=folder)
    try:
        seen = os.fstat(peeked)
        if stat.S_ISDIR(seen.st_mode) or not stat.S_ISREG(seen.st_mode):
            raise refusal.because("is not a regular file")
        descriptor = os.open(name, _OPEN, dir_fd=folder)
    finally:
        os.close(peeked)
    opened_one = os.fstat(descriptor)
    if (opened_one.st_dev, opened_one.st_ino) != (seen.st_dev, seen.st_ino):
        os.close(descriptor)
        raise refusal.because("changed while it was opened")
    return descriptor


def _is_kernel_made(descriptor: int) -> bool:
    """Returns True if an open file is on one of the kernel's own file systems (Linux; elsewhere there are none)."""
    device = os.fstat(descriptor).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
            for line in mounts:
                fields = line.split()
                if fields[2] == wanted:
                    return fields[fields.index("-") + 1] in KERNEL_FILE_SYSTEMS
    except FileNotFoundError:
        pass  # no Linux
    return False
