"""Follows events by many connections while something is measured, and counts those that did not stay."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from taskyard.worker.devtools.bench.http_load import Client

CONNECT_SECONDS = 60.0
POLL_SECONDS = 0.05


@dataclass(slots=True)
class Followers:
    """Readers of all events; `lost` counts those whose stream has ended while they were to read it."""

    readers: int
    lost: int = 0
    _is_over: threading.Event = field(default_factory=threading.Event)
    _are_connected: threading.Event = field(default_factory=threading.Event)
    _error: BaseException | None = None

    def run(self, url: str) -> None:
        """Follows until the measurement is over."""
        try:
            asyncio.run(self._follow(url))
        except BaseException as error:  # for the thread that measures
            self._error = error
        finally:
            self._are_connected.set()

    def wait_until_connected(self) -> None:
        """Returns once all follow; raises RuntimeError if one of them was refused."""
        if not self._are_connected.wait(CONNECT_SECONDS):
            raise RuntimeError(f"the {self.readers} readers are not connected after {CONNECT_SECONDS:g} s")
        if self._error is not None:
            raise RuntimeError("the readers can't follow events") from self._error

    def end(self) -> None:
        """Ends them."""
        self._is_over.set()

    async def _follow(self, url: str) -> None:
        clients: list[Client] = []
        try:
            for _ in range(self.readers):
                client = Client(url)
                await client.open()
                clients.append(client)
                if (status := await client.get("/api/v1/events")) != 200:
                    raise RuntimeError(f"a reader of events was answered with {status}")
            tasks = [asyncio.create_task(client.read_to_end()) for client in clients]
            self._are_connected.set()
            while not self._is_over.is_set():
                await asyncio.sleep(POLL_SECONDS)
                self.lost = sum(task.done() for task in tasks)  # ended or broken off
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            for client in clients:
                client.close()
            await asyncio.sleep(0)  # lets them close before the loop does


@contextmanager
def following(url: str, readers: int) -> Iterator[Followers]:
    """Has readers follow all events of the API at `url` during the block; the count of lost ones is known after it.

    Raises RuntimeError if one of them is refused.
    """
    found = Followers(readers)
    thread = threading.Thread(target=found.run, args=(url,))
    thread.start()
    try:
        found.wait_until_connected()
        yield found
    finally:
        found.end()
        thread.join()
