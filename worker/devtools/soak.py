"""Runs for a long time without deaths, and checks that nothing grows that should not."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

import psutil
from rich.console import Console
from rich.table import Table

from taskyard.core.config import Settings
from taskyard.core.errors import TaskyardError
from taskyard.core.postgres.database import queries
from taskyard.worker.devtools.prove.world import World
from taskyard.worker.devtools.slopes import Slope, slope

SUBMITTERS = 8
SAMPLE_SECONDS = 2.0
WARM_UP_SHARE = 0.25  # of the run: caches fill, PostgreSQL touches its shared buffers
MAX_GROWTH_MIB_PER_HOUR = 10.0  # below this, minutes don't tell growth from what allocators do


class Sample(NamedTuple):
    """The totals of one kind of process: resident memory less what is shared (MiB), files, threads."""

    at: float
    memory_mib: float
    files: int
    threads: int


@dataclass(slots=True)
class Watched:
    """The samples of one kind of process after the warm-up."""

    kind: str
    samples: list[Sample]

    @property
    def memory(self) -> Slope:
        return slope([sample.at for sample in self.samples], [sample.memory_mib for sample in self.samples])

    @property
    def is_flat(self) -> bool:
        """Returns True if the samples prove no significant growth."""
        found = self.memory
        return found.per_hour - found.margin <= MAX_GROWTH_MIB_PER_HOUR

    @property
    def grew(self) -> list[str]:
        """Returns files or threads that are more at the end than at any time of the first half.

        PostgreSQL's files don't count: each of its processes keeps every file open that it ever touched, up to
        max_files_per_process, and an I/O worker may see a database's files first after minutes.
        """
        half = len(self.samples) // 2
        if not half:
            return []
        first, last = self.samples[:half], self.samples[-1]
        names = ("threads",) if self.kind == "postgres" else ("files", "threads")
        return [name for name in names if getattr(last, name) > max(getattr(sample, name) for sample in first) + 1]


def run_soak(settings: Settings, *, minutes: float, rate: float) -> int:
    """Works for some minutes and prints what grew; returns 0 if nothing did, else 1."""
    console = Console(stderr=True)
    world = World(settings)
    with world, console.status(f"soaking for {minutes:g} minutes at {rate:g} tasks/s"):
        done, watched, connections = _soak(world, 60 * minutes, rate)
        world.wait(lambda: not world.open_tasks(), "the end of all tasks")
        time.sleep(2 * SAMPLE_SECONDS)
        leftovers, orphans = world.leftovers(), world.stop()
    world.remove()
    _print(done, 60 * minutes, watched, connections, leftovers, orphans)
    is_fine = all(kind.is_flat and not kind.grew for kind in watched) and connections[1] <= connections[0] + 2
    return 0 if is_fine and not any(leftovers.values()) and not orphans else 1


def _soak(world: World, seconds: float, rate: float) -> tuple[int, list[Watched], tuple[int, int]]:
    """Returns (tasks submitted, samples by kind, most connections to PostgreSQL in the first and the second half)."""
    over, counts = threading.Event(), [0] * SUBMITTERS
    threads = [
        threading.Thread(target=_submit, args=(world, rate / SUBMITTERS, over, counts, number))
        for number in range(SUBMITTERS)
    ]
    for thread in threads:
        thread.start()
    began = time.monotonic()
    seen: dict[str, list[Sample]] = {}
    connections = [0, 0]
    try:
        while (passed := time.monotonic() - began) < seconds:
            time.sleep(SAMPLE_SECONDS)
            half = int(passed > seconds / 2)
            connections[half] = max(connections[half], _connections(world))
            if passed >= WARM_UP_SHARE * seconds:
                for kind, processes in world.processes().items():
                    seen.setdefault(kind, []).append(_sample(passed, processes))
    finally:
        over.set()
        for thread in threads:
            thread.join()
    return sum(counts), [Watched(kind, samples) for kind, samples in seen.items()], (connections[0], connections[1])


def _submit(world: World, rate: float, over: threading.Event, counts: list[int], number: int) -> None:
    started = time.monotonic()
    while not over.is_set():
        ahead = started + counts[number] / rate - time.monotonic()
        if ahead > 0 and over.wait(ahead):
            return
        with suppress(TaskyardError):
            world.submitter.submit("diagnostic.noop")
        counts[number] += 1


def _connections(world: World) -> int:
    with world.database.transaction() as tx:
        return int(tx.rows(queries("prove")["connections"], {})[0][0])


def _sample(at: float, processes: Sequence[psutil.Process]) -> Sample:
    memory, files, threads = 0, 0, 0
    for process in processes:
        with suppress(psutil.Error):
            memory += process.memory_full_info().uss
            files += process.num_fds()
            threads += process.num_threads()
    return Sample(at, memory / (1 << 20), files, threads)


def _print(
    done: int,
    seconds: float,
    watched: Sequence[Watched],
    connections: tuple[int, int],
    leftovers: dict[str, int],
    orphans: Sequence[str],
) -> None:
    table = Table(title=f"{done:,} tasks in {seconds / 60:g} minutes ({done / seconds:,.0f}/s)", title_justify="left")
    for column in ("processes", "MiB at first", "at last", "growth per hour (95 %)", "files", "threads", ""):
        table.add_column(column, justify="left" if column in ("processes", "") else "right")
    for kind in watched:
        first, last, growth = kind.samples[0], kind.samples[-1], kind.memory
        verdict = ", ".join([*([] if kind.is_flat else ["memory grows"]), *(f"{name} grow" for name in kind.grew)])
        table.add_row(
            kind.kind,
            f"{first.memory_mib:.1f}",
            f"{last.memory_mib:.1f}",
            f"{growth.per_hour:+.1f} ± {growth.margin:.1f} MiB",
            f"{first.files} → {last.files}",
            f"{first.threads} → {last.threads}",
            verdict or "flat",
        )
    console = Console()
    console.print(table)
    console.print(f"connections to PostgreSQL, most at a time: {connections[0]}, later {connections[1]}")
    console.print("left: " + ", ".join(f"{count} {name}" for name, count in leftovers.items()))
    for orphan in orphans:
        console.print(f"still running: {orphan}", style="red", markup=False)
