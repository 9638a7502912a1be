"""Loads structlog without what it would use to draw tracebacks in colours: 4 MB and a tenth of a process's start."""

from __future__ import annotations

import sys
from typing import Any, cast

_UNWANTED = ("better_exceptions", "colorama", "greenlet", "rich", "twisted")  # it does without those that are absent


def load_structlog_alone() -> None:
    """Loads structlog as if these libraries were absent, which they are not for anybody else.

    Called before the process has a second thread. Does nothing if structlog is loaded.
    """
    modules = cast("dict[str, Any]", sys.modules)
    hidden = [name for name in _UNWANTED if name not in modules]
    modules.update(dict.fromkeys(hidden))  # None: not found, see "The import system" of Python's reference
    try:
        import structlog  # noqa: F401 - for who imports it later
    finally:
        for name in hidden:
            del modules[name]
