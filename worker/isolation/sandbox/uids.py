"""Reserves a user id for each run of submitted code, where this process may change its user (root)."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import random
import stat
from collections.abc import Iterator
from pathlib import Path

from taskyard.core.errors import TransientError

# What systemd keeps for users that exist as long as a service runs (systemd.exec(5), DynamicUser=).
FIRST_UID, LAST_UID = 61184, 65519
FOLDERS = (Path("/run/taskyard-uids"), Path("/tmp/taskyard-uids"))
TRIES = 200


@contextlib.contextmanager
def reserved_uid() -> Iterator[int | None]:
    """Reserves an unused user id within the block; yields None if this process is not root and can't change its
    user.

    The id is reserved by a lock on a file shared by all Taskyards of a host, and no process has it. Raises
    TransientError if there is none.
    """
    if os.geteuid() != 0:
        yield None
        return
    folder = _lock_folder()
    taken = _uids_of_processes()
    for uid in random.sample(range(FIRST_UID, LAST_UID + 1), TRIES):
        if uid in taken or _has_name(uid):
            continue
        descriptor = os.open(folder / str(uid), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield uid
            return
        finally:
            os.close(descriptor)
    raise TransientError(f"none of {TRIES} user ids from {FIRST_UID} on is free for submitted code")


def _lock_folder() -> Path:
    for folder in FOLDERS:
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            found = folder.lstat()
        except OSError:
            continue
        if stat.S_ISDIR(found.st_mode) and found.st_uid == 0 and not found.st_mode & 0o022:
            return folder
    raise TransientError(f"neither {FOLDERS[0]} nor {FOLDERS[1]} can be a folder of root's own")


def _uids_of_processes() -> set[int]:
    found = set()
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                found.add(entry.stat().st_uid)
    return found


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True
