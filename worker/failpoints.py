"""Defines named places at which `prove` can make a process die; they cost nothing otherwise.

With TASKYARD_FAILPOINTS naming a folder, a process that reaches a place dies there at once if the folder holds a
file of the place's name; the file is deleted then, so that it kills once.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

COLLECTED = "collected"  # results are read, nothing is committed
COMMITTED = "committed"  # the tick is committed, nothing is published
PUBLISHED = "published"  # it is published, the leader's memory is not updated yet
PLACES = (COLLECTED, COMMITTED, PUBLISHED)
VARIABLE = "TASKYARD_FAILPOINTS"

_folder = Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None


def failpoint(place: str) -> None:
    """Dies here if requested."""
    if _folder is not None and _fires(_folder / place):
        os.kill(os.getpid(), signal.SIGKILL)


def arm(folder: Path, place: str) -> None:
    """Makes the next process that reaches `place` die there."""
    (folder / place).touch()


def disarm(folder: Path) -> None:
    """Removes requests that no process has reached."""
    for place in PLACES:
        (folder / place).unlink(missing_ok=True)


def _fires(armed: Path) -> bool:
    try:
        armed.unlink()
    except FileNotFoundError:
        return False
    return True
