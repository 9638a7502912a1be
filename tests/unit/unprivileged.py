"""Runs a piece of Python as another user: `python -m tests.unit.unprivileged nobody FILE ARGUMENT …`, as root.

With `root` in place of `nobody` it stays root, but the interpreter can be reached by others.

The interpreter may lie in a folder that only root may pass through, so it is mounted into an open one first, in a
mount namespace that ends with the process. Prints "skipped: …" if this root may not do that.
"""

from __future__ import annotations

import os
import runpy
import sys
import tempfile

from taskyard.worker.isolation.kernel import CLONE_NEWNS, MS_BIND, MS_PRIVATE, MS_REC, mount, syscall

NOBODY = 65534
UNSHARE = {"x86_64": 272, "aarch64": 97}


def open_interpreter() -> None:
    """Lets everybody reach the interpreter; raises OSError if this process may not."""
    os.umask(0o022)
    syscall(UNSHARE[os.uname().machine], CLONE_NEWNS)
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    _open_up(os.path.realpath(sys.base_prefix))


def become_nobody() -> None:
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def _open_up(prefix: str) -> None:
    """Makes a folder reachable for everybody in this mount namespace."""
    parents = [prefix]
    while parents[-1] != "/":
        parents.append(os.path.dirname(parents[-1]))
    closed = [path for path in parents[1:] if not os.stat(path).st_mode & 0o001]
    if not closed:
        return
    aside = tempfile.mkdtemp()
    mount(prefix, aside, None, MS_BIND | MS_REC)
    mount("open", closed[-1], "tmpfs", 0, "mode=755")
    os.makedirs(prefix)
    mount(aside, prefix, None, MS_BIND | MS_REC)


if __name__ == "__main__":
    try:
        open_interpreter()
        if sys.argv[1] == "nobody":
            become_nobody()
    except OSError as error:
        print(f"skipped: {error}")
        sys.exit(0)
    sys.argv = sys.argv[2:]
    runpy.run_path(sys.argv[0], run_name="__main__")
