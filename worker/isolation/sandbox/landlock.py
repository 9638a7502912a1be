"""Restricts this process's file access by Landlock(7) (Linux 5.13 and newer). Only the standard library is imported."""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Sequence

from taskyard.worker.isolation.kernel import LINUX, syscall

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same numbers on every architecture
VERSION_FLAG, PATH_BENEATH = 1, 1
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
TRUNCATE, IOCTL_DEV = 1 << 14, 1 << 15
READ = EXECUTE | READ_FILE | READ_DIR
FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV  # that a rule for a file may have
RIGHTS_BY_VERSION = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 4: 0x7FFF, 5: 0xFFFF}
SCOPES = 0b11  # abstract Unix sockets and signals of processes outside, from version 6 on
SCOPED_SIGNALS_VERSION = 6


def version() -> int:
    """Returns the kernel's Landlock version; 0 for none."""
    if not LINUX:
        return 0
    try:
        return syscall(CREATE_RULESET, 0, 0, VERSION_FLAG)
    except OSError:
        return 0


def restrict(readable: Sequence[str], writable: Sequence[str]) -> None:
    """Restricts this process and its descendants to these paths and what is below; needs no_new_privs.

    Other processes can't be traced, and from version 6 on not be signalled either. Raises OSError.
    """
    found = version()
    rights = RIGHTS_BY_VERSION.get(found, RIGHTS_BY_VERSION[5])
    attributes = struct.pack("QQQ", rights, 0, SCOPES if found >= SCOPED_SIGNALS_VERSION else 0)
    size = 24 if found >= SCOPED_SIGNALS_VERSION else 16 if found >= 4 else 8
    ruleset = syscall(CREATE_RULESET, ctypes.c_char_p(attributes), size, 0)
    try:
        for paths, allowed in ((readable, READ), (writable, rights)):
            for path in paths:
                _allow(ruleset, path, allowed & rights)
        syscall(RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # it does not exist, or can't be reached anyway
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= FILE_RIGHTS
        rule = struct.pack("=Qi", rights, descriptor)
        syscall(ADD_RULE, ruleset, PATH_BENEATH, ctypes.c_char_p(rule), 0)
    finally:
        os.close(descriptor)
