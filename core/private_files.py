"""What a process of Taskyard writes, holds in memory and has in its environment is its user's own.

Only the standard library is imported: `worker.isolation.sandbox.supervisor` needs a quick start.
"""

from __future__ import annotations

import ctypes
import os
import sys

OWNER_ONLY = 0o077
PR_SET_DUMPABLE = 4  # linux/prctl.h


def keep_files_private() -> None:
    """From now on nobody else may read or write what this process, and what it starts, creates.

    Called first in every program of Taskyard; a library does not change the umask of who uses it.
    """
    os.umask(OWNER_ONLY)


def refuse_inspection() -> None:
    """No other process of this user may look into this one: not its memory, nor its environment in /proc.

    A program that it starts is open again; a process that it forks is not. Linux only; raises OSError.
    """
    if sys.platform == "linux" and ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE) failed")
