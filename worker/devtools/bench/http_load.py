"""Sends requests as fast as one core can: plain sockets, so that most of the machine is left to the server."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import orjson

READ_BYTES = 1 << 16


@dataclass(slots=True)
class Load:
    """What was measured: seconds of each request, and of all together."""

    seconds: list[float] = field(default_factory=list)
    elapsed_seconds: float = 0.0

    @property
    def per_second(self) -> float:
        """Returns the requests that were answered per second."""
        return len(self.seconds) / self.elapsed_seconds


class Client:
    """One kept connection that speaks just enough HTTP/1.1."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._head = f"host: {parts.netloc}\r\n"

    async def open(self) -> None:
        """Connects."""
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port, limit=READ_BYTES)

    async def post(self, path: str, body: bytes, media_type: str = "application/json") -> tuple[int, bytes]:
        """Sends a body; returns the status and the body of the answer."""
        head = f"POST {path} HTTP/1.1\r\n{self._head}content-type: {media_type}\r\ncontent-length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode() + body)
        answer = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        status = int(answer[9:12])
        if b"transfer-encoding: chunked" in answer:
            return status, await self._chunks()
        length = int(answer.partition(b"content-length:")[2].partition(b"\r\n")[0])
        return status, await self._reader.readexactly(length)

    async def get(self, path: str) -> int:
        """Asks for a stream; returns the status of its answer."""
        self._writer.write(f"GET {path} HTTP/1.1\r\n{self._head}\r\n".encode())
        return int((await self._reader.readuntil(b"\r\n\r\n"))[9:12])

    async def read_to_end(self) -> None:
        """Reads a stream until it ends."""
        while await self._reader.read(READ_BYTES):
            pass

    def close(self) -> None:
        """Closes the connection."""
        self._writer.close()

    async def _chunks(self) -> bytes:
        found = []
        while size := int(await self._reader.readline(), 16):
            found.append(await self._reader.readexactly(size))
            await self._reader.readexactly(2)
        await self._reader.readexactly(2)
        return b"".join(found)


async def submit_single(url: str, connections: int, count: int, per_second: float | None = None) -> Load:
    """Submits `count` tasks one by one on some connections, as fast as possible or at a rate."""
    load = Load()
    left = iter(range(count))
    body = orjson.dumps({"type": "diagnostic.noop", "input": {}})
    began = time.perf_counter()

    async def work() -> None:
        client = Client(url)
        await client.open()
        for number in left:
            if per_second is not None:
                await asyncio.sleep(max(0.0, began + number / per_second - time.perf_counter()))
            sent_at = time.perf_counter()
            status, answer = await client.post("/api/v1/tasks", body)
            load.seconds.append(time.perf_counter() - sent_at)
            if status != 201:
                raise RuntimeError(f"a submission was answered with {status}: {answer.decode()}")
        client.close()

    await asyncio.gather(*(work() for _ in range(connections)))
    load.elapsed_seconds = time.perf_counter() - began
    return load


async def submit_lines(url: str, count: int) -> float:
    """Submits tasks as lines of one request; returns the seconds until the last result."""
    client = Client(url)
    await client.open()
    body = (orjson.dumps({"type": "diagnostic.noop", "input": {}}) + b"\n") * count
    began = time.perf_counter()
    status, answer = await client.post("/api/v1/tasks/batch", body, "application/x-ndjson")
    seconds = time.perf_counter() - began
    client.close()
    stored = answer.count(b'"id":')
    if status != 200 or stored != count:
        raise RuntimeError(f"{stored} of {count} lines were stored, status {status}: {answer[-300:].decode()}")
    return seconds
