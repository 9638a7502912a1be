"""A real HTTP server on a free port that keeps what it is sent, and answers as it is told."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson

from taskyard.worker.alerts.webhook import signature


@dataclass
class Hook:
    """What arrived: (headers, body) of each POST. `answers` is called with the number of the request, from 0."""

    url: str
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: Callable[[int], tuple[int, dict[str, str]]] = lambda number: (204, {})

    def events(self, secret: str) -> list[dict[str, Any]]:
        """The notifications, each checked against its signature."""
        for headers, body in self.requests:
            expected = signature(secret.encode(), headers["X-Taskyard-Timestamp"], body)
            assert headers["X-Taskyard-Signature"] == f"sha256={expected}"
        return [orjson.loads(body) for _, body in self.requests]


@contextmanager
def webhook_server(context: ssl.SSLContext | None = None) -> Iterator[Hook]:
    """The server, until the block ends; it speaks TLS if it is given a context."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length)
            if len(body) < length:
                return  # its sender was killed in the middle: nothing has arrived
            with counting:
                number = len(hook.requests)
                hook.requests.append((dict(self.headers), body))
            status, headers = hook.answers(number)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    counting = threading.Lock()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    hook = Hook(f"http://127.0.0.1:{server.server_address[1]}/hook?x=1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
