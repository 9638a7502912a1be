"""Makes the processes of several agents from one, which has imported what all of them need.

They share its memory until they change it, and its imports take the time of one. Each becomes a child of the pool's
process, as if that had started it: its parent, a process in between, ends at once, and the pool adopts orphans
meanwhile (prctl(2), PR_SET_CHILD_SUBREAPER). The caller must have one thread.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Sequence

import msgspec

from taskyard.worker.agents.launch import Launch
from taskyard.worker.isolation.kernel import show_last_argument


def divide(launches: Sequence[Launch], made_fd: int) -> Launch:
    """Makes a process for each agent but the first; returns, in each of the processes, the launch that is its own.

    Writes a line with its place among the launches and its process id to the pipe `made_fd` for each that was made,
    and closes the pipe after the last one.
    """
    gc.freeze()  # a collection would write to memory that they share
    own = launches[0]
    for place, launch in enumerate(launches[1:], start=1):
        try:
            if _is_new(place, made_fd):
                own = launch
                break
        except OSError:
            break  # the system allows no more processes; the pool starts the others, or says that it can't
    os.close(made_fd)
    for launch in launches:
        if launch is not own:
            for descriptor in launch.descriptors:
                os.close(descriptor)
    show_last_argument(msgspec.json.encode(own))  # to who looks for one of them
    return own


def _is_new(place: int, made_fd: int) -> bool:
    """Forks twice; returns True in the second process. Raises OSError if the system refuses the first one."""
    between = os.fork()
    if between:
        os.waitpid(between, 0)
        return False
    try:
        new = os.fork()
    except OSError:
        os._exit(1)
    if new:
        os.write(made_fd, f"{place} {new}\n".encode())
        os._exit(0)
    return True
