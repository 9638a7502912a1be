"""Proxies in front of Redis and PostgreSQL that can answer in the server's place: "not now"."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from abc import abstractmethod

from worker.prove.people.faults import RedisFault

CHUNK_BYTES = 1 << 16
HOST = "127.0.0.1"
READS = frozenset(
    b"GET MGET EXISTS PING HELLO CLIENT INFO CONFIG SELECT AUTH XREAD XLEN XINFO XRANGE XREVRANGE "
    b"ZCARD ZRANGE SMEMBERS SCARD LRANGE TTL PTTL TYPE SCAN TIME SCRIPT".split()
)


class Proxy:
    """Listens on a free loopback port; each connection goes to the Unix socket `upstream`."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._listener = socket.create_server((HOST, 0), backlog=256)
        self.port = int(self._listener.getsockname()[1])
        self._connections: set[socket.socket] = set()
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def close(self) -> None:
        """Ends the proxy with all its connections."""
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Ends every connection that is open now."""
        for connection in list(self._connections):
            _end(connection)

    @abstractmethod
    def from_client(self, client: socket.socket, server: socket.socket) -> None:
        """Passes on what the client says, or answers it, until either ends."""

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        self._connections |= {client, server}
        try:
            server.connect(self._upstream)
            threading.Thread(target=self._back, args=(server, client), daemon=True).start()
            self.from_client(client, server)
        except OSError:
            pass  # one side is gone, and so is the other now
        finally:
            _end(client)
            _end(server)
            self._connections -= {client, server}

    def _back(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(CHUNK_BYTES):
                client.sendall(data)
        _end(client)


class RedisProxy(Proxy):
    """Answers whole commands with `fault` while one is set."""

    fault: RedisFault | None = None

    def from_client(self, client: socket.socket, server: socket.socket) -> None:
        pending = b""
        while data := client.recv(CHUNK_BYTES):
            pending += data
            while (end := _command_end(pending)) is not None:
                command, pending = pending[:end], pending[end:]
                fault = self.fault
                name = command.split(b"\r\n", 3)[2].upper()
                if fault is None or (fault.writes_only and name in READS):
                    server.sendall(command)
                else:
                    client.sendall(f"-{fault.reply}\r\n".encode())


class PostgresProxy(Proxy):
    """Ends connections with `fault`, a SQLSTATE and its text, while one is set: new ones and those in use."""

    fault: tuple[str, str] | None = None

    def from_client(self, client: socket.socket, server: socket.socket) -> None:
        while data := client.recv(CHUNK_BYTES):
            if self.fault is not None:
                if data[4:8] == struct.pack("!I", 80877103):  # asks for TLS first: no
                    client.sendall(b"N")
                    client.recv(CHUNK_BYTES)
                client.sendall(_fatal(*self.fault))
                return
            server.sendall(data)


def _command_end(data: bytes) -> int | None:
    """Where the first RESP command ends, an array of bulk strings; None if it is not whole."""
    head = data.find(b"\r\n")
    if head < 0:
        return None
    position = head + 2
    for _ in range(int(data[1:head])):
        line = data.find(b"\r\n", position)
        if line < 0:
            return None
        position = line + 2 + int(data[position + 1 : line]) + 2
    return position if position <= len(data) else None


def _fatal(code: str, text: str) -> bytes:
    fields = b"".join(kind + value.encode() + b"\0" for kind, value in ((b"S", "FATAL"), (b"V", "FATAL"), (b"C", code)))
    body = fields + b"M" + text.encode() + b"\0\0"
    return b"E" + struct.pack("!I", len(body) + 4) + body


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
