"""Sends signals to tasks while processes die, as a client would: until they are accepted, and once more."""

from __future__ import annotations

import threading
import time
from queue import SimpleQueue

from taskyard.core.errors import TaskyardError, Unavailable
from taskyard.worker.devtools.prove.tasks import SIGNAL
from taskyard.worker.devtools.prove.world import World

RETRY_SECONDS = 0.1
GIVE_UP_SECONDS = 120.0


class Signals:
    """Sends one signal to each task in a thread of its own, until `stop`."""

    def __init__(self, world: World) -> None:
        self.trouble = ""
        self._world = world
        self._tasks: SimpleQueue[str | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="signals", daemon=True)
        self._thread.start()

    def add(self, task_id: str) -> None:
        """Sends this task its signal soon."""
        self._tasks.put(task_id)

    def stop(self) -> None:
        """Returns once all signals were accepted, or given up."""
        self._tasks.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (task_id := self._tasks.get()) is not None:
            give_up_at = time.monotonic() + GIVE_UP_SECONDS
            while not self._is_sent(task_id) and time.monotonic() < give_up_at:
                time.sleep(RETRY_SECONDS)

    def _is_sent(self, task_id: str) -> bool:
        """Returns False if it has to be sent again; whoever does not know that it arrived sends it twice."""
        try:
            for _ in range(2):
                data = {"task_id": task_id}
                self._world.submitter.send_signal(task_id, SIGNAL, data, actor="prove", signal_id="once")
        except Unavailable:
            return False
        except TaskyardError as error:  # what was accepted has to take it
            self.trouble = f"a signal was refused: {error}"
        return True
