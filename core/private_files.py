"""Keeps a process's files, memory and environment private to its user.

Only the standard library is imported: `worker.isolation.sandbox.supervisor` needs a quick start.
"""

from __future__ import annotations

import ctypes
import os
import sys

OWNER_ONLY = 0o077
PR_SET_DUMPABLE = 4  # linux/prctl.h


def keep_files_private() -> None:
    """Makes all files that this process and its children create from now on private to its user.

    Called first in every program of Taskyard; a library does not change its caller's umask.
    """
    os.umask(OWNER_ONLY)


def refuse_inspection() -> None:
    """Keeps other processes of this user from inspecting this one: its memory, or its environment in /proc.

    A program that it starts is open again; a process that it forks is not. Linux only; raises OSError.
    """
    if sys.platform == "linux" and ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE) failed")
