"""Sets clocks, takes descriptors, and stops processes for a while."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import psutil

from taskyard.worker.devtools.prove.people import plan

if TYPE_CHECKING:
    from taskyard.worker.devtools.prove.people.yard import Yard

OFFSETS_SECONDS = {
    "back an hour": -3600.0,
    "ahead a day": 86_400.0,
    "ahead three years": 94_608_000.0,
    "back two minutes": -120.0,
}


@contextmanager
def set_the_clock(yard: Yard, act: plan.Act) -> Iterator[None]:
    """Sets the clock of workers and agents, and later sets it right again."""
    yard.clock.set(OFFSETS_SECONDS[act.way])
    try:
        yield
    finally:
        yard.clock.set(0.0)


@contextmanager
def take_descriptors(yard: Yard, act: plan.Act) -> Iterator[None]:
    """Lowers a process's limit of open files to what it has, and later raises it again."""
    processes = yard.agents() if act.way == "descriptors of an agent" else yard.worker_processes()
    victim = _one_of(processes, act.which)
    before = None
    if victim is not None:
        with suppress(psutil.Error):
            before = victim.rlimit(resource.RLIMIT_NOFILE)
            victim.rlimit(resource.RLIMIT_NOFILE, (victim.num_fds(), before[1]))
    try:
        yield
    finally:
        if victim is not None and before is not None:
            with suppress(psutil.Error):
                victim.rlimit(resource.RLIMIT_NOFILE, before)


@contextmanager
def freeze(yard: Yard, act: plan.Act) -> Iterator[None]:
    """Stops a process, or all agents, as a debugger or a full host does, and lets it continue."""
    if act.way == "all agents":
        victims = yard.agents()
    else:
        one = _one_of(yard.agents() if act.way == "an agent" else yard.worker_processes(), act.which)
        victims = [] if one is None else [one]
    for victim in victims:
        with suppress(psutil.Error):
            victim.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for victim in victims:
            with suppress(psutil.Error):
                victim.send_signal(signal.SIGCONT)


def _one_of(processes: Sequence[psutil.Process], which: float) -> psutil.Process | None:
    return processes[int(which * len(processes))] if processes else None
