"""API processes for tests, and a link to them that can be cut."""

from __future__ import annotations

import os
import selectors
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from taskyard.core.config import ENV_PREFIX, Settings
from tests.forked import Forked
from tests.servers import REPOSITORY, free_port, wait_until

START_SECONDS = 60


@dataclass(frozen=True)
class Certificate:
    """Files of a server's certificate for 127.0.0.1, and of the authority that signed it."""

    key: Path
    file: Path
    authority: Path


@dataclass
class ApiProcess:
    """The API of an installation, served by uvicorn in a process of its own."""

    settings: Settings
    port: int
    certificate: Certificate | None = None  # with which it speaks TLS
    process: Forked | None = None
    environment: dict[str, str] = field(default_factory=dict)  # of its process, besides where its servers are
    log: Path | None = None  # a file to whose end it prints

    @property
    def url(self) -> str:
        return f"{'http' if self.certificate is None else 'https'}://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts it, on the same port each time; it answers when this returns."""
        names = ("database_url", "redis_url", "namespace", "data_dir")
        own = {f"{ENV_PREFIX}{name.upper()}": str(getattr(self.settings, name)) for name in names}
        words = ["taskyard.api.app:create", "--factory", "--port", str(self.port)]
        if self.certificate is not None:
            words += ["--ssl-keyfile", str(self.certificate.key), "--ssl-certfile", str(self.certificate.file)]
        environment = {**os.environ, **own, **self.environment}
        self.process = Forked("uvicorn", [*words, "--log-level", "warning"], REPOSITORY, environment, self.log)
        wait_until(self._answers, START_SECONDS, "the API answers")

    def kill(self) -> None:
        """Kills it in the middle of whatever it does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, "the API ended"
        try:
            trusted = self.certificate is None or ssl.create_default_context(cafile=self.certificate.authority)
            url = f"{self.url}/healthz"
            return httpx.get(url, timeout=30, trust_env=False, verify=trusted).status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def running_api(
    settings: Settings,
    certificate: Certificate | None = None,
    *,
    environment: dict[str, str] | None = None,
    log: Path | None = None,
) -> Iterator[ApiProcess]:
    """An API process of an installation, killed at the end."""
    api = ApiProcess(settings, free_port(), certificate, environment=environment or {}, log=log)
    api.start()
    try:
        yield api
    finally:
        api.kill()


class Link:
    """A TCP proxy to a port of this machine that can be cut."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._cuts: list[int] = []
        self.accepted = 0
        self.is_silent = False
        self._is_closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cut_answers(self, *sizes: int) -> None:
        """Cuts the next connections, each after so many bytes of the answer; later ones are whole."""
        self.cut()
        self._cuts = list(sizes)

    def cut(self) -> None:
        """Breaks off every connection there is."""
        for pair in self._pairs:
            _close(*pair)
        self._pairs.clear()

    def silence(self) -> None:
        """From now on nothing arrives, and nobody is told: connections stay open, new ones hang."""
        self.is_silent = True

    def restore(self) -> None:
        """Carries again; what was open is broken off, as a host that was away for long finds it."""
        self.is_silent = False
        self.cut()

    def close(self) -> None:
        self._is_closed = True
        self._listening.close()
        self.cut()

    def _accept(self) -> None:
        while not self._is_closed:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            self.accepted += 1
            try:
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                near.close()
                continue
            self._pairs.append((near, far))
            threading.Thread(target=self._carry, args=(near, far), daemon=True).start()

    def _carry(self, near: socket.socket, far: socket.socket) -> None:
        left = self._cuts.pop(0) if self._cuts else None
        with suppress(OSError, ValueError), selectors.DefaultSelector() as selector:
            selector.register(near, selectors.EVENT_READ, far)
            selector.register(far, selectors.EVENT_READ, near)
            while True:
                for key, _ in selector.select():
                    chunk = key.fileobj.recv(65536)  # type: ignore[union-attr]
                    if self.is_silent and chunk:
                        continue  # lost
                    if key.fileobj is far and left is not None:
                        chunk, left = chunk[:left], left - len(chunk)
                    if chunk:
                        key.data.sendall(chunk)
                    if not chunk or (key.fileobj is far and left is not None and left <= 0):
                        _close(near, far)
                        return


def _close(*sockets: socket.socket) -> None:
    """Closes them by a reset, as a host that is gone does."""
    for one in sockets:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
