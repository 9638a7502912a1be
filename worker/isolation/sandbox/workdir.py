"""Makes temporary directories that are removed even if their process is killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

DIRECTORY_PREFIX, NEW_PREFIX = "taskyard-work-", "taskyard-new-"


@contextlib.contextmanager
def work_directory() -> Iterator[Path]:
    """Makes a temporary directory that is removed at the end of the block.

    It is locked while in use: the next call removes those of killed processes.
    """
    parent = Path(tempfile.gettempdir())
    _remove_abandoned(parent)
    path = Path(tempfile.mkdtemp(prefix=NEW_PREFIX, dir=parent))
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # It gets its searchable name only now, so that it is never found without a lock.
        path = path.rename(parent / path.name.replace(NEW_PREFIX, DIRECTORY_PREFIX, 1))
        yield path
    finally:
        remove_tree(path)
        os.close(descriptor)


def remove_tree(path: Path) -> None:
    """Removes a directory whatever a command left in it, including unreadable or very deep directories."""
    try:
        shutil.rmtree(path)
    except (OSError, RecursionError):
        subprocess.run(["chmod", "-R", "u+rwx", str(path)], capture_output=True, check=False)
        subprocess.run(["rm", "-rf", str(path)], capture_output=True, check=True)


def _remove_abandoned(parent: Path) -> None:
    for path in parent.glob(f"{DIRECTORY_PREFIX}*"):
        try:
            if path.is_symlink() or path.stat().st_uid != os.getuid():
                continue
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:
            continue  # just removed by its owner
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_tree(path)
        except BlockingIOError:
            pass  # in use
        finally:
            os.close(descriptor)
