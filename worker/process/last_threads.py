"""Ends the program while threads of a task module keep running."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from taskyard.core.threads import OnEscape, start_thread

THREADS_SECONDS = 5.0  # for threads that are no daemons to end by themselves


@contextmanager
def ending_despite_threads() -> Iterator[None]:
    """Ends the process with the block's exit code, at most THREADS_SECONDS after it, and names what still runs.

    The interpreter would wait for ever for a thread that is no daemon.
    """
    try:
        yield
    except SystemExit as end:
        if _left():
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
            with suppress(RuntimeError):  # no thread can be had
                start_thread("last threads", lambda: _end(code), OnEscape.END_THREAD)
        raise


def _left() -> list[threading.Thread]:
    mine = (threading.main_thread(), threading.current_thread())
    return [thread for thread in threading.enumerate() if not thread.daemon and thread not in mine]


def _end(code: int) -> None:
    time.sleep(THREADS_SECONDS)
    names = ", ".join(sorted(thread.name for thread in _left()))
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.write(f"non-daemon threads still run and are abandoned: {names}\n")
        sys.stderr.flush()
    os._exit(code)
