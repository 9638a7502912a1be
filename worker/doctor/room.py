"""Checks this machine's resources: descriptors, processes, disks, inodes, shared memory."""

from __future__ import annotations

import os
import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path

from taskyard.core.health.check import Check, fine, problem, warning
from taskyard.core.humanize import byte_size

MIN_FREE_DISK_BYTES = 1 << 30
MIN_FREE_TEMPORARY_BYTES = 64 << 20
MIN_FREE_SHARED_BYTES = 32 << 20
MIN_FREE_INODES = 10_000
MIN_OPEN_FILES = 1024
MIN_PROCESSES = 512
SHARED_MEMORY = Path("/dev/shm")


def room_checks(data_dir: Path) -> Iterator[Check]:
    """Checks that the data folder, the temporary folder and shared memory have room."""
    folder = data_dir.expanduser().absolute()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    yield from _folder_checks("disk", existing, f"the disk of {folder}", MIN_FREE_DISK_BYTES)
    temporary = Path(tempfile.gettempdir())
    try:
        with tempfile.TemporaryFile():
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        yield problem(
            "temporary folder",
            f"{temporary} takes no file: {reason}",
            "make room there, or set TMPDIR: each handler's process needs one",
        )
    else:
        yield from _folder_checks("temporary folder", temporary, str(temporary), MIN_FREE_TEMPORARY_BYTES)
    if SHARED_MEMORY.is_dir():
        yield from _folder_checks("shared memory", SHARED_MEMORY, str(SHARED_MEMORY), MIN_FREE_SHARED_BYTES)
    yield limits_check()


def limits_check() -> Check:
    """Checks that this user may have enough files and processes; each slot runs a process of its own."""
    limits = {
        "open files (ulimit -n)": (resource.RLIMIT_NOFILE, MIN_OPEN_FILES),
        "processes (ulimit -u)": (resource.RLIMIT_NPROC, MIN_PROCESSES),
    }
    low = []
    for name, (limit, least) in limits.items():
        soft = resource.getrlimit(limit)[0]
        if soft != resource.RLIM_INFINITY and soft < least:
            low.append(f"{soft} {name}, expected {least} or more")
    cgroup = _pids_limit()
    if cgroup is not None and cgroup < MIN_PROCESSES:
        low.append(f"{cgroup} processes (the container's pids limit), expected {MIN_PROCESSES} or more")
    if low:
        return warning("process limits", "; ".join(low), "raise them: agents run each task in a process of its own")
    return fine("process limits", f"enough for {os.cpu_count()} CPUs")


def _folder_checks(name: str, folder: Path, where: str, min_bytes: int) -> Iterator[Check]:
    found = os.statvfs(folder)
    free = found.f_bavail * found.f_frsize
    text = f"{byte_size(free)} free"
    if free < min_bytes:
        yield warning(name, text, f"free space on {where}: at least {byte_size(min_bytes)}")
    else:
        yield fine(name, text)
    if found.f_files and found.f_favail < MIN_FREE_INODES:  # a file system without a fixed number says 0
        text = f"{found.f_favail} inodes free"
        yield warning(f"{name} inodes", text, f"remove files on {where}: expected {MIN_FREE_INODES} or more free")


def _pids_limit() -> int | None:
    """Returns the process limit of this control group; None if there is none."""
    for path in ("/sys/fs/cgroup/pids.max", "/sys/fs/cgroup/pids/pids.max"):
        try:
            text = Path(path).read_text(encoding="utf-8").strip()
        except OSError:
            continue
        return int(text) if text.isdigit() else None
    return None
