"""Readers of events in a benchmark: one that is refused or does not stay is not taken for one that follows."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from taskyard.worker.devtools.bench.followers import following
from tests.servers import wait_until

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nid: 1\n\n"
Answer = Callable[[asyncio.StreamWriter, int], None]


@contextmanager
def serving(answer: Answer) -> Iterator[tuple[str, Callable[[], None]]]:
    """A server that answers each connection by its number; yields its address, and what ends every second one."""
    loop, started = asyncio.new_event_loop(), threading.Event()
    open_ones: list[asyncio.StreamWriter] = []
    ports: list[int] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        answer(writer, len(open_ones))
        open_ones.append(writer)

    async def serve() -> asyncio.Server:
        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
        started.set()
        return server

    async def end(writers: list[asyncio.StreamWriter]) -> None:
        for writer in writers:
            writer.close()
            with suppress(ConnectionError):  # the other side was faster
                await writer.wait_closed()

    def end_some() -> None:
        asyncio.run_coroutine_threadsafe(end(open_ones[::2]), loop).result(10)

    async def stop() -> None:
        server = serving.result()
        server.close()
        await end(open_ones)
        await server.wait_closed()

    serving = loop.create_task(serve())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    assert started.wait(10)
    try:
        yield f"http://127.0.0.1:{ports[0]}", end_some
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_those_that_stay_and_those_that_do_not_are_counted() -> None:
    with serving(lambda writer, _number: writer.write(HEAD)) as (url, end_some):
        with following(url, 6) as staying:
            pass
        with following(url, 6) as leaving:
            end_some()
            wait_until(lambda: leaving.lost == 3, 10)
    assert staying.lost == 0
    assert leaving.lost == 3


def test_one_that_is_refused_ends_the_measurement() -> None:
    def answer(writer: asyncio.StreamWriter, number: int) -> None:
        writer.write(HEAD if number < 2 else b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n")

    with (
        serving(answer) as (url, _end),
        pytest.raises(RuntimeError, match="can't follow") as caught,
        following(url, 3),
    ):
        pytest.fail("it goes on")
    assert "503" in str(caught.value.__cause__)
