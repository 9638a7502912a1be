"""Proxies a real Redis and a real PostgreSQL, and answers with errors on request.

Each listens on a port of loopback and passes everything on until it is told to refuse. Then the selected commands
are answered with the given error, as the server itself would do, and never reach it.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import BinaryIO, Self

from taskyard.core.postgres.url import connection_parameters
from taskyard.core.redis.url import connection_options

CHUNK = 1 << 16
_CLOSED = (ConnectionError, OSError)


class FaultyServer:
    """A proxy; `refused` counts the refused commands since the last `refuse`."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: set[socket.socket] = set()
        self._mutex = threading.Lock()
        self._is_closed = False
        self.connections = 0
        self.refused = 0
        self._thread = threading.Thread(target=self._accept, name=f"faulty {self.port}", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stops listening, and cuts every connection."""
        self._is_closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        self._thread.join()

    def cut(self) -> None:
        """Cuts every current connection."""
        with self._mutex:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._is_closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.ExitStack() as stack:
            stack.callback(client.close)
            with contextlib.suppress(*_CLOSED):
                server = self._dial()
                stack.callback(server.close)
                with self._mutex:
                    self._open |= {client, server}
                try:
                    self._relay(client, server)
                finally:
                    with self._mutex:
                        self._open -= {client, server}

    def _dial(self) -> socket.socket:
        raise NotImplementedError

    def _relay(self, client: socket.socket, server: socket.socket) -> None:
        raise NotImplementedError


class FaultyRedis(FaultyServer):
    """Proxies the Redis at a URL. Speaks RESP2, a command at a time."""

    def __init__(self, url: str) -> None:
        self._upstream = connection_options(url)
        self._error = b""
        self._hangs = False
        self._picks: Callable[[list[bytes]], bool] = lambda words: True
        super().__init__()
        self.url = f"redis://127.0.0.1:{self.port}/{self._upstream.get('db', 0)}"

    def refuse(self, error: str, only: Callable[[list[bytes]], bool] = lambda words: True) -> None:
        """Answers every command that `only` selects by its words with an error such as "MISCONF Redis is …"."""
        self.refused, self._picks, self._error = 0, only, f"-{error}\r\n".encode()

    def allow(self) -> None:
        """Passes everything on again."""
        self._error = b""

    def hang(self) -> None:
        """Takes commands and answers none, as a host that stalls."""
        self._hangs = True

    def _dial(self) -> socket.socket:
        path = self._upstream.get("path")
        if path:
            server = socket.socket(socket.AF_UNIX)
            server.connect(path)
            return server
        return socket.create_connection((self._upstream.get("host", "localhost"), self._upstream.get("port", 6379)))

    def _relay(self, client: socket.socket, server: socket.socket) -> None:
        commands, answers = client.makefile("rb"), server.makefile("rb")
        with commands, answers:
            while True:
                raw, words = _command(commands)
                if self._hangs:
                    continue
                error = self._error
                if error and self._picks(words):
                    self.refused += 1
                    client.sendall(error)
                    continue
                server.sendall(raw)
                client.sendall(_answer(answers))


class FaultyPostgres(FaultyServer):
    """Proxies the PostgreSQL at a URL. Knows the simple query protocol, which psycopg2 speaks."""

    def __init__(self, url: str) -> None:
        self._upstream = connection_parameters(url)
        self._error: tuple[str, str, str] | None = None  # severity, SQLSTATE, message
        self._at_login = False
        self._picks: Callable[[str], bool] = lambda statement: True
        super().__init__()
        user, name = self._upstream.get("user", ""), self._upstream.get("dbname", "")
        self.url = f"postgresql://{user}@127.0.0.1:{self.port}/{name}?sslmode=disable&gssencmode=disable"

    def refuse(
        self,
        sqlstate: str,
        message: str,
        *,
        fatal: bool = False,
        at_login: bool = False,
        only: Callable[[str], bool] = lambda statement: True,
    ) -> None:
        """Answers every statement that `only` selects with an error; a `fatal` one ends its connection.

        `at_login`: new connections are refused so, too. ROLLBACK is always passed on.
        """
        self.refused, self._picks, self._at_login = 0, only, at_login
        self._error = ("FATAL" if fatal else "ERROR", sqlstate, message)

    def allow(self) -> None:
        """Passes everything on again."""
        self._error = None

    def _dial(self) -> socket.socket:
        host, port = self._upstream.get("host", "localhost"), self._upstream.get("port", "5432")
        if host.startswith("/"):
            server = socket.socket(socket.AF_UNIX)
            server.connect(f"{host}/.s.PGSQL.{port}")
            return server
        return socket.create_connection((host, int(port)))

    def _relay(self, client: socket.socket, server: socket.socket) -> None:
        server.sendall(_startup(client))
        if self._error is not None and self._at_login:
            self.refused += 1
            client.sendall(_error_response("FATAL", *self._error[1:]))
            return
        state = b"I"
        asked, answered = bytearray(), bytearray()
        while True:
            for ready in select.select([client, server], [], [])[0]:
                data = ready.recv(CHUNK)
                if not data:
                    return
                if ready is server:
                    client.sendall(data)
                    answered += data
                    for kind, body in _messages(answered):
                        state = body if kind == b"Z" else state
                    continue
                asked += data
                for kind, body in _messages(asked):
                    if not self._is_refused(kind, body):
                        server.sendall(kind + struct.pack("!I", len(body) + 4) + body)
                        continue
                    severity, sqlstate, message = self._error or ("", "", "")
                    self.refused += 1
                    state = b"I" if state == b"I" else b"E"
                    ready_again = b"" if severity == "FATAL" else b"Z" + struct.pack("!I", 5) + state
                    client.sendall(_error_response(severity, sqlstate, message) + ready_again)
                    if severity == "FATAL":
                        return

    def _is_refused(self, kind: bytes, body: bytes) -> bool:
        if self._error is None or kind != b"Q":
            return False
        statement = body.rstrip(b"\0").decode(errors="replace")
        return not statement.upper().startswith("ROLLBACK") and self._picks(statement)


def _command(file: BinaryIO) -> tuple[bytes, list[bytes]]:
    """Returns one command as it was sent, and its words; raises ConnectionError at the end."""
    head = _line(file)
    raw, words = [head], []
    for _ in range(int(head[1:])):
        size = _line(file)
        word = file.read(int(size[1:]) + 2)
        if not word.endswith(b"\r\n"):
            raise ConnectionError("closed")
        raw += [size, word]
        words.append(word[:-2])
    return b"".join(raw), words


def _answer(file: BinaryIO) -> bytes:
    """Returns one answer of any depth, unchanged."""
    head = _line(file)
    kind, size = head[:1], head[1:-2]
    if kind == b"$" and int(size) >= 0:
        return head + file.read(int(size) + 2)
    if kind == b"*" and int(size) > 0:
        return head + b"".join(_answer(file) for _ in range(int(size)))
    return head


def _line(file: BinaryIO) -> bytes:
    line: bytes = file.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionError("closed")
    return line


def _startup(client: socket.socket) -> bytes:
    """Returns the message by which a client begins; encryption is declined."""
    while True:
        (size,) = struct.unpack("!I", _exactly(client, 4))
        body = _exactly(client, size - 4)
        if struct.unpack("!I", body[:4])[0] not in (80877103, 80877104):
            return struct.pack("!I", size) + body
        client.sendall(b"N")


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise ConnectionError("closed")
        data += part
    return data


def _messages(buffer: bytearray) -> Iterator[tuple[bytes, bytes]]:
    """Removes the complete messages, as (kind, body), from a buffer."""
    while len(buffer) >= 5:
        (size,) = struct.unpack("!I", buffer[1:5])
        if len(buffer) < size + 1:
            return
        kind, body = bytes(buffer[:1]), bytes(buffer[5 : size + 1])
        del buffer[: size + 1]
        yield kind, body


def _error_response(severity: str, sqlstate: str, message: str) -> bytes:
    fields = {"S": severity, "V": severity, "C": sqlstate, "M": message}
    body = b"".join(f"{name}{value}".encode() + b"\0" for name, value in fields.items()) + b"\0"
    return b"E" + struct.pack("!I", len(body) + 4) + body
