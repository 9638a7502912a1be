"""Serves metrics, health, and how many agents are needed over HTTP: /metrics, /healthz, /readyz, /scale."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from taskyard.core.access.request_guard import Refusal, Request, border_of
from taskyard.core.config import Settings
from taskyard.core.errors import Unavailable
from taskyard.core.threads import OnEscape, Supervised, start_thread
from taskyard.worker.process.ports import find_port, is_taken, listening_socket, url_of

CLIENT_TIMEOUT_SECONDS = 10
MAX_AT_ONCE = 64  # requests; one more takes the place of a slow one, or is turned away
SLOW_SECONDS = 1.0
HOME_SECONDS = 2.0  # between attempts to get the wanted port
POLL_SECONDS = 0.5
LACKING_SECONDS = 0.1  # a pause without free descriptors: the waiting connection would be seen at once again
REQUEST_BYTES = 1 << 16
BUSY = b"HTTP/1.0 503 Service Unavailable\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
# No page is shown here; no other site may read or frame this, and nothing of it is cached.
SAFE_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)
PLAIN = "text/plain; charset=utf-8"

log = structlog.get_logger(__name__)
JSON = "application/json"
Problems = Callable[[], Sequence[str]]
Demand = Callable[[], Mapping[str, int]]


class Exporter:
    """The server, in its own thread.

    `/healthz` answers 200 while `health()` names no problem: this process does its work. `/readyz` answers 200
    while `readiness()` names none. Else both answer 503 with one line each. `/scale` answers with how many agents of
    each kind `demand()` calls for, and 503 when that raises Unavailable; a host of agents has none. A descriptor is
    kept in reserve, so that these requests work when all others are used up.
    """

    def __init__(
        self,
        settings: Settings,
        collectors: Sequence[Collector],
        health: Problems,
        readiness: Problems,
        demand: Demand | None = None,
    ) -> None:
        self.border = border_of(settings.metrics_host, settings.metrics_hosts, "TASKYARD_METRICS_HOSTS")
        self._registry = CollectorRegistry(auto_describe=False)
        for collector in collectors:
            self._registry.register(collector)
        ProcessCollector(registry=self._registry)
        self._pages = {"/healthz": health, "/readyz": readiness}
        self._demand = demand
        self._settings = settings
        self._host, self._wanted_port = settings.metrics_host, settings.metrics_port
        self._listeners: list[socket.socket] = []
        self._reserve: int | None = None
        self._stopping = threading.Event()
        self._slots = threading.BoundedSemaphore(MAX_AT_ONCE)
        self._began: dict[socket.socket, float] = {}  # start of each request being answered
        self._home_at = 0.0  # monotonic seconds of the last attempt to get the wanted port
        self._thread: Supervised | None = None

    @property
    def url(self) -> str | None:
        """Returns its address; None if it does not listen."""
        return url_of(self._host, self._listeners[-1].getsockname()[1]) if self._listeners else None

    def start(self) -> None:
        """Listens on the port, or the next free one if none is configured; logs which. Raises ConfigurationError.

        If it had to use another port, it also listens on the wanted one as soon as that is free: a scrape target
        answers as long as any worker of the host lives.
        """
        port = find_port(self._settings, "metrics")
        self._listeners = [listening_socket(self._host, port)]
        self._reserve = os.open(os.devnull, os.O_RDONLY)
        if port != self._wanted_port:
            log.warning(
                "exporter.moved",
                wanted=url_of(self._host, self._wanted_port),
                url=f"{self.url}/metrics",
                hint="another process uses that port; it is also used once it is free",
                fix_by="TASKYARD_METRICS_PORT, a port of its own for each worker and agent host",
            )
        log.info("exporter.started", url=f"{self.url}/metrics")
        self._thread = start_thread(
            "exporter", self._serve, OnEscape.GO_ON, is_essential=True, is_over=self._stopping.is_set
        )

    def stop(self) -> None:
        """Stops the server."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(2 * POLL_SECONDS)
        for listener in self._listeners:
            listener.close()
        self._listeners = []
        if self._reserve is not None:
            os.close(self._reserve)
            self._reserve = None

    def answer(self, path: str, accept: str) -> tuple[int, str, bytes]:
        """Returns (status, content type, body) of a page."""
        if path == "/metrics":
            encode, content_type = choose_encoder(accept)
            return 200, content_type, encode(self._registry)
        if path == "/scale" and self._demand is not None:
            return _scale(self._demand)
        page = self._pages.get(path)
        if page is None:
            return 404, PLAIN, b"not found: there are /metrics, /healthz, /readyz and, of a worker, /scale\n"
        problems = page()
        if problems:
            return 503, PLAIN, "".join(f"{problem}\n" for problem in problems).encode()
        return 200, PLAIN, b"ok\n"

    # connections

    def _serve(self) -> None:
        while not self._stopping.is_set():
            self._go_home()
            poll = select.poll()
            by_descriptor = {listener.fileno(): listener for listener in self._listeners}
            for descriptor in by_descriptor:
                poll.register(descriptor, select.POLLIN)
            for descriptor, _ in poll.poll(POLL_SECONDS * 1000):
                self._accept(by_descriptor[descriptor])

    def _go_home(self) -> None:
        """Also listens on the wanted port, if it has become free."""
        now = time.monotonic()
        is_home = any(listener.getsockname()[1] == self._wanted_port for listener in self._listeners)
        if is_home or now - self._home_at < HOME_SECONDS:
            return
        self._home_at = now
        try:
            self._listeners.append(listening_socket(self._host, self._wanted_port))
        except OSError as error:
            if not is_taken(error):
                raise
        else:
            log.warning("exporter.returned", url=f"{self.url}/metrics")

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, address = listener.accept()
        except OSError as error:  # no descriptor is left, or the client has gone
            self._accept_with_reserve(listener, error)
            return
        self._hand_over(connection, address)

    def _accept_with_reserve(self, listener: socket.socket, error: OSError) -> None:
        if self._reserve is None:
            time.sleep(LACKING_SECONDS)
            self._reserve = _open_reserve()
            return
        log.warning("exporter.lacking", reason=str(error))
        os.close(self._reserve)
        self._reserve = None
        try:
            listener.settimeout(0)
            connection, _ = listener.accept()
            with connection:
                _turn_away(connection, f"no connection can be accepted: {error}\n")
        except OSError:
            time.sleep(LACKING_SECONDS)
        finally:
            listener.settimeout(None)
            self._reserve = _open_reserve()

    def _hand_over(self, connection: socket.socket, address: object) -> None:
        if not self._slots.acquire(blocking=False) and not self._slot_of_the_slowest():
            with connection:
                _turn_away(connection, f"more than {MAX_AT_ONCE} requests at once\n")
            return

        def handle() -> None:
            self._began[connection] = time.monotonic()
            try:
                with connection:
                    connection.settimeout(CLIENT_TIMEOUT_SECONDS)
                    _Handler(connection, address, self)  # type: ignore[arg-type]
            except OSError:
                log.debug("exporter.client_gone")
            finally:
                self._began.pop(connection, None)
                self._slots.release()

        try:
            start_thread("request", handle, OnEscape.END_THREAD)
        except RuntimeError as error:  # the system can't start a thread
            log.warning("exporter.lacking", reason=str(error))
            handle()

    def _slot_of_the_slowest(self) -> bool:
        """Takes the slot of the longest request, unless all are quick: some clients send very slowly."""
        connection, began = min(list(self._began.items()), key=lambda one: one[1], default=(None, 0.0))
        if connection is None or time.monotonic() - began < SLOW_SECONDS:
            return False
        with contextlib.suppress(OSError):  # it has just ended
            connection.shutdown(socket.SHUT_RDWR)
        return self._slots.acquire(timeout=POLL_SECONDS)


def _scale(demand: Demand) -> tuple[int, str, bytes]:
    try:
        wanted = demand()
    except Unavailable as error:
        return 503, PLAIN, f"{error}\n".encode()
    return 200, JSON, json.dumps({kind: {"wanted": count} for kind, count in wanted.items()}).encode() + b"\n"


def _open_reserve() -> int | None:
    try:
        return os.open(os.devnull, os.O_RDONLY)
    except OSError:
        return None  # tried again after the next connection


def _turn_away(connection: socket.socket, reason: str) -> None:
    connection.settimeout(1)
    connection.recv(REQUEST_BYTES)  # unread input resets the connection, and the answer would be lost
    connection.sendall(BUSY + reason.encode())


class _Handler(BaseHTTPRequestHandler):
    timeout = CLIENT_TIMEOUT_SECONDS
    server_version = "taskyard"
    sys_version = ""
    server: Exporter  # type: ignore[assignment]

    def do_GET(self) -> None:
        checked = self.server.border.check(self._request())
        if isinstance(checked, Refusal):
            self._send(checked.status, PLAIN, f"{checked.text}\n".encode())
            return
        path = checked.target.partition("?")[0]
        try:
            status, content_type, body = self.server.answer(path, self.headers.get("Accept", ""))
        except Exception:
            log.exception("exporter.page_failed", path=path)
            status, content_type, body = 500, PLAIN, b"this page failed; the worker's log says why\n"
        self._send(status, content_type, body)

    do_HEAD = do_GET

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answers an unsupported request, such as another method, with one line and closes the connection."""
        self.close_connection = True
        self._send(code, PLAIN, f"{HTTPStatus(code).phrase}: there are only GET and HEAD\n".encode())

    def _request(self) -> Request:
        headers = [(name.lower(), str(value).strip()) for name, value in self.headers.items()]
        arrived_at = str(self.connection.getsockname()[0])
        return Request(self.command, self.path, "http", headers, arrived_at)

    def _send(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in SAFE_HEADERS:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Does nothing: scrapes are not logged."""
