"""Generates load while processes die: a stream of submissions, and a probe once a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from taskyard.core.errors import TaskyardError
from taskyard.worker.devtools.prove import records
from taskyard.worker.devtools.prove.signals import Signals
from taskyard.worker.devtools.prove.world import World

PROBE_SECONDS = 1.0
PROBE_PATIENCE_SECONDS = 5.0
RETRY_SECONDS = 0.05
MEANT = ("failures", "hopeless", "suspends")  # what of an input decides how its task is meant to end


def accept(world: World, task: dict[str, Any]) -> str:
    """Submits a task and journals it once it is accepted; raises what the submission raises."""
    task_id = world.submitter.submit(**task)
    records.append(world.journal, [task_id, {name: task["input"][name] for name in MEANT if name in task["input"]}])
    return task_id


class Load:
    """Submits at a fixed rate in its own thread, until `stop`."""

    def __init__(self, world: World, tasks: Iterator[dict[str, Any]]) -> None:
        self.refused = 0
        self.trouble = ""
        self._world = world
        self._tasks = tasks
        self._signals = Signals(world)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Submits no more, and sends the signals that are still to be sent; the installation has to answer for that."""
        self._stop.set()
        self._thread.join()
        self._signals.stop()
        self.trouble = self.trouble or self._signals.trouble

    def _run(self) -> None:
        while not self._stop.wait(1 / self._world.tasks_per_second):
            try:
                task = next(self._tasks)
                task_id = accept(self._world, task)
                if task["input"].get("suspends") == "signal":
                    self._signals.add(task_id)
            except TaskyardError:
                self.refused += 1
            except Exception as error:  # neither accepted nor clearly refused: that breaks the promise too
                self.trouble = f"a submission ended in {type(error).__name__}: {error}"


@dataclass(frozen=True, slots=True)
class Probing:
    """A probe: its time (monotonic seconds), its duration, whether the first try and any try succeeded."""

    at: float
    seconds: float
    first_try: bool
    succeeded: bool
    reason: str = ""


class Probe:
    """Submits a task and reads it back once a second, as a client with PROBE_PATIENCE_SECONDS would."""

    def __init__(self, world: World) -> None:
        self.probings: list[Probing] = []
        self._world = world
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="probe", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(PROBE_SECONDS):
            self.probings.append(self._probe())

    def _probe(self) -> Probing:
        began, reason, is_first = time.monotonic(), "", True
        while True:
            try:
                task_id = accept(self._world, {"type": "prove.thread", "input": {}, "priority": "high"})
                self._world.submitter.result(task_id, timeout_seconds=0)
            except Exception as error:  # whatever it is, the client got no answer
                reason = f"{type(error).__name__}: {error}"
            else:
                return Probing(began, time.monotonic() - began, is_first, True, reason)
            if time.monotonic() - began > PROBE_PATIENCE_SECONDS:
                return Probing(began, time.monotonic() - began, False, False, reason)
            is_first = False
            time.sleep(RETRY_SECONDS)
