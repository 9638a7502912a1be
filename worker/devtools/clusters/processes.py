"""Starts commands of a cluster on this host, and kills each with all that it has started."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from taskyard.core.errors import Unavailable
from taskyard.worker.engines.seat_main import SEAT_MODULE

READY_SECONDS = 90.0
LOOK_SECONDS = 0.1


@dataclass(slots=True)
class Running:
    """A process of a cluster's command, and where it writes what it says."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def wait_for_word(self, word: str) -> bool:
        """Returns True once the command has said a word, False if it ends before; raises Unavailable without either."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if word in self.log.read_text("utf-8", "replace"):
                return True
            if not self.is_alive:
                return False
            time.sleep(LOOK_SECONDS)
        raise Unavailable(f"{self.log.name}: {word!r} was not said within {READY_SECONDS:g} s")

    def tree(self) -> list[psutil.Process]:
        """Returns its process and all below it, parents first."""
        try:
            root = psutil.Process(self.process.pid)
            return [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def kill(self) -> None:
        """Kills it with all below it: first the parent, so that nothing starts again."""
        below = self.tree()
        for process in below:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(below, READY_SECONDS)
        self.process.wait()


def run_module(folder: Path, name: str, command: Sequence[str], variables: Mapping[str, str]) -> Running:
    """Starts `python -m COMMAND` with this process's paths; it writes to NAME.log."""
    paths = os.pathsep.join(dict.fromkeys(os.path.abspath(path) for path in sys.path))
    environment = {**os.environ, "PYTHONPATH": paths, "RAY_USAGE_STATS_ENABLED": "0", **variables}
    log = folder / f"{name}.log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    return Running(process, log)


def seats_below(processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    """Returns the seats among some processes: not their keepers, nor what they run."""
    found = []
    for process in processes:
        with suppress(psutil.Error):
            parent = process.parent()
            if parent is not None and SEAT_MODULE in process.cmdline() and SEAT_MODULE in parent.cmdline():
                found.append(process)
    return found


def holder_of(seat: psutil.Process) -> psutil.Process:
    """Returns the engine's process in which a seat's command runs: the parent of its keeper. Raises NoSuchProcess."""
    keeper = seat.parent()
    holder = keeper.parent() if keeper is not None else None
    if holder is None:
        raise psutil.NoSuchProcess(seat.pid)
    return holder


def free_port() -> int:
    """Returns a port of this host that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
