"""Submits through the API by the shipped client, as several programs would, while the API dies."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from itertools import count
from types import TracebackType
from typing import Any, Self

from taskyard.client import Client
from taskyard.core.errors import Unavailable
from taskyard.worker.devtools.prove import records
from taskyard.worker.devtools.prove.load import Probing
from taskyard.worker.devtools.prove.served_world import ServedWorld

ONE_BY_ONE, TOGETHER = 3, 2  # clients that submit a task at a time, and lists of tasks
LIST_TASKS = 10
PAUSE_SECONDS = 0.3
PREFIX = "of a client: "


@dataclass(slots=True)
class ClientCount:
    """What clients were told: submissions accepted, requests cut off by deaths of the API, and those given up."""

    accepted: int = 0
    cut_off: int = 0
    given_up: list[Probing] = field(default_factory=list)
    trouble: str = ""


class Clients:
    """Submits in threads until the end of a block; every submission has a title of its own, journalled with its id."""

    def __init__(self, world: ServedWorld, counts: ClientCount) -> None:
        self._world = world
        self._counts = counts
        self._mutex = threading.Lock()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(number,), name=f"client {number}", daemon=True)
            for number in range(ONE_BY_ONE + TOGETHER)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Waits for the last answers; the API is restarted for them. Raises Unavailable if they do not come."""
        self._stop.set()
        try:
            self._world.wait(lambda: not any(thread.is_alive() for thread in self._threads), "the end of the clients")
        finally:
            self._counts.cut_off = self._world.api.cut_off

    def _run(self, number: int) -> None:
        tasks = 1 if number < ONE_BY_ONE else LIST_TASKS
        with Client(self._world.api.url, token="") as client:
            for turn in count():
                if self._stop.wait(PAUSE_SECONDS):
                    return
                self._submit(client, [f"{PREFIX}{number}/{turn}/{place}" for place in range(tasks)])

    def _submit(self, client: Client, titles: list[str]) -> None:
        began = time.monotonic()
        try:
            with self._world.api.sending():
                ids = _ids(client, titles)
        except Unavailable as error:
            given_up = Probing(began, time.monotonic() - began, False, False, str(error))
            with self._mutex:
                self._counts.given_up.append(given_up)
        except Exception as error:  # no outage: that breaks the promise, too
            with self._mutex:
                self._counts.trouble = f"a client's request ended in {type(error).__name__}: {error}"
        else:
            for task_id, title in zip(ids, titles, strict=True):
                records.append(self._world.journal, [task_id, {"title": title}])
            with self._mutex:
                self._counts.accepted += len(ids)


def _ids(client: Client, titles: list[str]) -> list[str]:
    tasks: list[dict[str, Any]] = [{"type": "prove.thread", "input": {}, "title": title} for title in titles]
    if len(tasks) == 1:
        return [client.submit(**tasks[0]).id]
    return client.submit_many(tasks)
