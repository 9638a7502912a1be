"""Counts what clients and a server say to each other, by passing it on: the same for every statement and driver."""

from __future__ import annotations

import asyncio
import struct
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

PIECE_BYTES = 1 << 16
START_SECONDS = 10.0
# A message of PostgreSQL's server: its kind, and its length without the kind.
_HEADER = struct.Struct(">cI")
_Answer = TypeVar("_Answer")
_COMPLETE, _READY, _IDLE = b"C", b"Z", b"I"


class Relay:
    """Listens on a port of this host for the length of a block, and passes everything on to a server's socket.

    What is counted has been counted before its receiver gets it. A round trip begins with the first bytes that a
    client sends after the server's last ones: a pipeline is one, and so is a script.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._ways: set[asyncio.Task[None]] = set()  # two for each connection
        self._server: asyncio.Server | None = None
        self.round_trips = self.bytes_sent = self.bytes_received = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._talk, "127.0.0.1", 0))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def port(self) -> int:
        """Returns the port to connect to."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def counts(self) -> dict[str, int]:
        """Returns what was counted so far."""
        return {
            "round_trips": self.round_trips,
            "bytes_sent": self.bytes_sent,
            "bytes_received": self.bytes_received,
        }

    def _reader(self) -> Callable[[bytes], None] | None:
        """Returns what reads the server's side of a new connection; None if nothing does."""
        return None

    def _run(self, work: Coroutine[Any, Any, _Answer]) -> _Answer:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(START_SECONDS)

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        for way in self._ways:
            way.cancel()
        while self._ways:
            await asyncio.sleep(0)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_unix_connection(self._path)
        was_answered, read = True, self._reader()

        def note_sent(data: bytes) -> None:
            nonlocal was_answered
            self.round_trips += was_answered
            was_answered = False
            self.bytes_sent += len(data)

        def note_received(data: bytes) -> None:
            nonlocal was_answered
            was_answered = True
            self.bytes_received += len(data)
            if read is not None:
                read(data)

        ways = [_pass_on(reader, to_server, note_sent), _pass_on(from_server, writer, note_received)]
        running = [asyncio.create_task(way) for way in ways]
        self._ways.update(running)
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)  # one side has hung up
        for way in running:
            way.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        to_server.close()
        writer.close()
        self._ways.difference_update(running)


class PostgresRelay(Relay):
    """Counts statements that were completed and transactions that ended, too, as the server tells of them."""

    statements = transactions = 0

    def counts(self) -> dict[str, int]:
        """Returns what was counted so far."""
        return {**super().counts(), "statements": self.statements, "transactions": self.transactions}

    def _reader(self) -> Callable[[bytes], None]:
        rest, is_greeted = bytearray(), False

        def read(data: bytes) -> None:
            nonlocal is_greeted
            rest.extend(data)
            while len(rest) >= _HEADER.size:
                kind, length = _HEADER.unpack_from(rest)
                if len(rest) <= length:
                    return
                is_ready = kind == _READY
                self.statements += kind == _COMPLETE
                self.transactions += is_ready and is_greeted and rest[_HEADER.size : _HEADER.size + 1] == _IDLE
                is_greeted = is_greeted or is_ready
                del rest[: length + 1]

        return read


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, note: Callable[[bytes], None]) -> None:
    while data := await reader.read(PIECE_BYTES):
        note(data)
        writer.write(data)
        await writer.drain()
