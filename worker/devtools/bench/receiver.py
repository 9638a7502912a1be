"""Receives messages of webhooks as fast as it can, in a process of its own: `python -m …bench.receiver`.

It prints its port, and answers 204 to every request.
"""

from __future__ import annotations

import asyncio

ANSWER = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
LENGTH = b"content-length:"


async def serve() -> None:
    """Serves until the process is ended."""
    server = await asyncio.start_server(_answer, "127.0.0.1", 0, backlog=1_000)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
        [length] = [line.removeprefix(LENGTH) for line in lines if line.startswith(LENGTH)]
        await reader.readexactly(int(length))
        writer.write(ANSWER)
        await writer.drain()
    finally:
        writer.close()


if __name__ == "__main__":
    asyncio.run(serve())
