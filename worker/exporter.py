"""Metrics for Prometheus and health over HTTP: /metrics, /healthz, /readyz."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from core.border import Refusal, Request, border_of

PORTS_TRIED = 50
CLIENT_TIMEOUT_SECONDS = 10
# No page is shown here, none of another site may read or frame this, and nothing of it is kept.
SAFE_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)
PLAIN = "text/plain; charset=utf-8"

log = structlog.get_logger(__name__)


class Exporter:
    """The server, in a thread of its own.

    `/healthz` answers 200 while `health()` names no problem: restart the process if it does.
    `/readyz` answers 200 while `readiness()` names none. Else both answer 503 with one line each.
    """

    def __init__(
        self,
        host: str,
        port: int,
        families: Collector,
        health: Callable[[], Sequence[str]],
        readiness: Callable[[], Sequence[str]],
        names: Sequence[str] = (),
    ) -> None:
        """`names` are those by which it is reached beside `host`, loopback and the addresses of this machine."""
        self.border = border_of(host, names, "TASKYARD_METRICS_HOSTS")
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(families)
        ProcessCollector(registry=self._registry)
        self._pages = {"/healthz": health, "/readyz": readiness}
        self._host, self._port = host, port
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str | None:
        """Where it listens; None if it does not."""
        if self._server is None:
            return None
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._server.server_address[1]}"

    def start(self) -> None:
        """Listens on the port, or the next free one; says where, or that there is none."""
        for port in range(self._port, min(self._port + PORTS_TRIED, 65536)):
            try:
                self._server = _Server((self._host, port), _handler(self))
                break
            except OSError as error:
                reason = str(error)
        if self._server is None:
            log.error("exporter.failed", host=self._host, port=self._port, reason=reason)
            return
        threading.Thread(target=self._server.serve_forever, name="exporter", daemon=True).start()
        log.info("exporter.started", url=f"{self.url}/metrics")

    def stop(self) -> None:
        """Ends it."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def answer(self, path: str, accept: str) -> tuple[int, str, bytes]:
        """(status, content type, body) of a page."""
        if path == "/metrics":
            encode, content_type = choose_encoder(accept)
            return 200, content_type, encode(self._registry)
        page = self._pages.get(path)
        if page is None:
            return 404, PLAIN, b"not found: there are /metrics, /healthz and /readyz\n"
        problems = page()
        if problems:
            return 503, PLAIN, "".join(f"{problem}\n" for problem in problems).encode()
        return 200, PLAIN, b"ok\n"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news."""


def _handler(exporter: Exporter) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = CLIENT_TIMEOUT_SECONDS
        server_version = "taskyard"
        sys_version = ""

        def do_GET(self) -> None:
            checked = exporter.border.check(self._request())
            if isinstance(checked, Refusal):
                self._send(checked.status, PLAIN, f"{checked.text}\n".encode())
                return
            path = checked.target.partition("?")[0]
            try:
                status, content_type, body = exporter.answer(path, self.headers.get("Accept", ""))
            except Exception:
                log.exception("exporter.page_failed", path=path)
                status, content_type, body = 500, PLAIN, b"this page failed; the worker's log says why\n"
            self._send(status, content_type, body)

        do_HEAD = do_GET

        def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
            """What is no request that is answered here, such as another method: a line, and the connection ends."""
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
            """Scrapes are no news."""

    return Handler
