"""Keeps the collector of garbage away from what a process has imported."""

from __future__ import annotations

import gc


def keep_imported() -> None:
    """Exempts what there is by now from collections, and begins with them.

    Called once modules and settings are there: they stay, and need not be scanned repeatedly. Until then a program
    may do without collections: imports leave hardly any garbage.
    """
    gc.freeze()
    gc.enable()
