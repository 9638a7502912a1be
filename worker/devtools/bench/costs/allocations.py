"""Counts the memory allocations of this process, of all its threads and of its libraries."""

from __future__ import annotations

import gc
import importlib.util
import tempfile
from collections.abc import Callable
from pathlib import Path

FREEING = ("FREE", "PYMALLOC_FREE", "MUNMAP")


def can_count() -> bool:
    """Returns True if memray is installed, which the extra `dev` brings."""
    return importlib.util.find_spec("memray") is not None


def allocations(act: Callable[[], object]) -> dict[str, int]:
    """Returns how many blocks of memory `act` asked for: of Python's allocator, and of the C library.

    What objects are made of that Python keeps for reuse, such as small tuples, asks for none. The collector is off
    meanwhile, since it takes some of these away at times of its own.
    """
    from memray import AllocatorType, FileReader, Tracker

    freeing = {AllocatorType[name] for name in FREEING}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "allocations"
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            with Tracker(file, trace_python_allocators=True):
                act()
        finally:
            if was_enabled:
                gc.enable()
        reader = FileReader(file)
        try:
            return {"allocations": sum(record.allocator not in freeing for record in reader.get_allocation_records())}
        finally:
            reader.close()
