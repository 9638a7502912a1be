"""How much memory a handler's process and everything below it use, and whether that is more than its type allows."""

from __future__ import annotations

from collections.abc import Iterator

import psutil

from worker.handlers.proctree import LINUX, children_of, proportional_bytes, resident_bytes

SAMPLE_SECONDS = 0.05
MEBIBYTE = 1 << 20


class MemoryWatch:
    """Looks at one attempt's process now and then; between two looks it may be overshot."""

    def __init__(self, pid: int, limit_mib: int) -> None:
        self._pid, self._limit_mib = pid, limit_mib
        self.problem: str | None = None  # why the attempt has to be killed

    def is_over(self) -> bool:
        """Looks; notes the problem and returns True if it is too much."""
        limit = self._limit_mib * MEBIBYTE
        used = _used_bytes(self._pid, limit)
        if used <= limit:
            return False
        self.problem = (
            f"its process used {used / MEBIBYTE:,.0f} MiB of memory, with all that it started: "
            f"its type allows {self._limit_mib:,} MiB"
        )
        return True


def _used_bytes(root: int, limit: int) -> int:
    """Memory of a tree of processes. What looks like too much is counted again, with shared pages only once."""
    if not LINUX:
        return _used_elsewhere(root)
    pids = list(_tree(root))
    used = sum(map(resident_bytes, pids))
    return used if used <= limit else sum(map(proportional_bytes, pids))


def _tree(root: int) -> Iterator[int]:
    unseen = [root]
    while unseen:
        pid = unseen.pop()
        yield pid
        unseen += children_of(pid)


def _used_elsewhere(root: int) -> int:
    try:
        process = psutil.Process(root)
        return sum(one.memory_info().rss for one in (process, *process.children(recursive=True)))
    except psutil.Error:
        return 0
