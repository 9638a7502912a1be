"""Measures an attempt's usage: CPU seconds and peak memory."""

from __future__ import annotations

import contextlib
import resource
from pathlib import Path

import psutil

from taskyard.core.protocol import AttemptEnd
from taskyard.worker.isolation.kernel import LINUX

_RSS_UNIT_BYTES = 1024 if LINUX else 1  # of ru_maxrss, see getrusage(2)
_FORGET_PEAK = "5"  # for /proc/self/clear_refs, see proc(5)
_NEW_PEAK_BYTES = 1 << 20


def highest_resident_bytes() -> int:
    """Returns this process's peak memory in bytes since its start, or since its last reset."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT_BYTES


class Meter:
    """Measures one attempt after the other in a process that runs them alone.

    CPU counts the process and its ended children. The peak is that of the process, or of its largest child: an
    attempt that stays below an earlier one's peak by less than a mebibyte shows that peak.
    """

    def __init__(self) -> None:
        self.cpu_seconds, self._peak_bytes, self._child_peak_bytes = _used()

    def charge(self, done: AttemptEnd) -> None:
        """Adds to an outcome the usage since the one before."""
        cpu_seconds, peak_bytes, child_peak_bytes = _used()
        done.cpu_seconds = cpu_seconds - self.cpu_seconds
        new_child_peak_bytes = child_peak_bytes if child_peak_bytes > self._child_peak_bytes else 0
        done.peak_memory_bytes = max(peak_bytes, new_child_peak_bytes)
        if peak_bytes > self._peak_bytes + _NEW_PEAK_BYTES:
            _forget_peak()
            peak_bytes = highest_resident_bytes()
        self.cpu_seconds, self._peak_bytes, self._child_peak_bytes = cpu_seconds, peak_bytes, child_peak_bytes


def usage_of_ended(pid: int, cpu_seconds_before: float) -> tuple[float | None, int | None]:
    """Returns CPU seconds since `cpu_seconds_before`, and peak memory in bytes, of a process that has to be killed.

    Also of one that died and is not reaped yet, whose memory is gone already. None for unknown values.
    """
    try:
        cpu_seconds = max(0.0, sum(psutil.Process(pid).cpu_times()[:4]) - cpu_seconds_before)
    except (psutil.Error, OSError):
        cpu_seconds = None
    return cpu_seconds, _peak_of(pid)


def _used() -> tuple[float, int, int]:
    """Returns CPU seconds of this process and its ended children, its peak memory and the largest child's in bytes."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_seconds = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    return cpu_seconds, own.ru_maxrss * _RSS_UNIT_BYTES, children.ru_maxrss * _RSS_UNIT_BYTES


def _forget_peak() -> None:
    if LINUX:
        with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w", encoding="utf-8") as file:
            file.write(_FORGET_PEAK)


def _peak_of(pid: int) -> int | None:
    """Returns the peak memory of a live process in bytes; None if unknown."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), None)
