"""Code that coverage must not trace."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def untraced() -> Iterator[None]:
    """Neither this thread nor those that it starts are traced.

    In CPython 3.11 a traced thread gets into no function while an exception is under way to another
    thread, which takes as long as that thread is in a call into C.
    """
    own_trace, threads_trace = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)  # type: ignore[arg-type]
    try:
        yield
    finally:
        threading.settrace(threads_trace)  # type: ignore[arg-type]
        sys.settrace(own_trace)
