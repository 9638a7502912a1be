"""The HTTP border of the dashboard and the exporter, by raw requests: strangers, and what is no request at all."""

from __future__ import annotations

import logging
import random
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from taskyard.core.config import load_settings
from taskyard.worker.monitor.exporter import Exporter
from tests.browser.dashboards import Dashboard, free_port
from tests.dashboard.conftest import NOBODY_URLS
from tests.effort import HTTP_CASES, HTTP_SEED

TIMEOUT_SECONDS = 10
PATIENCE_SECONDS = 0.3  # with a request that may wait for more of itself
WEBSOCKET = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
# Everything that the dashboard's server answers.
PATHS = (
    "/", "/tasks", "/healthz", "/metrics", "/overview", "/export/audit.csv", "/export/audit.jsonl", "/enter?key=a",
    "/sign-in", "/sign-in/start", "/sign-in/callback", "/sign-out",
    "/_stcore/health", "/_stcore/host-config", "/_stcore/stream", "/_stcore/upload_file/a/b", "/media/a.png",
    "/component/a/index.html", "/_stcore/bidi-components/a/b.js", "/static/js/a.js", "/_stcore/agent/openapi.json",
    "/_stcore/agent/interact",
)  # fmt: skip
ODD_METHODS = (
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "PATCH",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "ODD",
    "get",
    "G\x7fT",
    "",
)
ODD_TARGETS = (
    "/%00", "/..", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%5c..%5c", "//evil.test/", "/\\evil.test",
    "*", "evil.test:443", "http://evil.test/", "http://localhost/", "/%ff%fe", "/%", "/%zz", "/" + "a" * 9000, "/;a=b",
    "/export/audit.csv?time=%00", "/export/audit.csv?since=%ED%A0%80", "/export/audit.csv?show=x&show=y",
    "/export/audit.jsonl?task_id=1", "/export/audit.csv?time=between&since=99999-01-01", "/enter?key=%00", "/enter?key",
    "/enter?key=a&key=b", "/static/../server.py", "/static/%2e%2e/", "/media/%00", "/media/../x",
    "/_stcore/upload_file/%00/..", "/?queue=%00", "/?%ED%A0%80=%ED%A0%80",
)  # fmt: skip
ODD_HEADERS = (
    "Host: localhost", "Host: evil.test", "Host:", "Host: a, b", "Origin: null", "Origin: http://evil.test", "Origin:",
    "Content-Length: -1", "Content-Length: x", "Content-Length: 5", "Transfer-Encoding: chunked", "Range: bytes=9-1",
    "Transfer-Encoding: nonsense", "Cookie: a=\x01; =; ;;", "Cookie: _streamlit_user=x; _streamlit_xsrf=1", "X" * 9000,
    "X: " + "y" * 70_000, "no colon", ": no name", "X\x00: y", "X: \x00", "Connection: close", "Accept: \xff",
    "If-Modified-Since: never", "Upgrade: websocket", "Upgrade: h2c", "Expect: 100-continue", "Sec-Fetch-Site: x",
    "Content-Type: multipart/form-data; boundary=", "X-Forwarded-Proto: \xff", "X-Forwarded-For: ,,", "Accept: \x80",
    *WEBSOCKET.strip().split("\r\n"), "Sec-WebSocket-Protocol: streamlit, , x", "Sec-WebSocket-Version: 99",
)  # fmt: skip


class One(Collector):
    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield GaugeMetricFamily("taskyard_one", "One.", 1)


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard whose servers are away; its log has no stack trace in the end."""
    log = tmp_path_factory.mktemp("border") / "log"
    with Dashboard(load_settings(**NOBODY_URLS), log) as dashboard:
        yield dashboard


def exporter_of(host: str, *names: str) -> Exporter:
    settings = load_settings(metrics_host=host, metrics_port=free_port(), metrics_hosts=names)
    return Exporter(settings, [One()], list, list)


@pytest.fixture(scope="module")
def exporter() -> Iterator[Exporter]:
    exporter = exporter_of("127.0.0.1")
    exporter.start()
    yield exporter
    exporter.stop()


def port_of(url: str | None) -> int:
    return int(str(url).rpartition(":")[2])


def sent(port: int, raw: bytes, timeout_seconds: float = TIMEOUT_SECONDS) -> bytes:
    """The first bytes of the answer; none if the connection was closed, or the time is over, without one."""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS) as connection:
        connection.settimeout(timeout_seconds)
        try:
            connection.sendall(raw)
            found = b""
            while b"\r\n\r\n" not in found and (part := connection.recv(4000)):
                found += part
        except (ConnectionResetError, BrokenPipeError, TimeoutError):
            return b""
        return found


def status_of(answer: bytes) -> int:
    found = re.match(rb"HTTP/1\.[01] (\d{3})", answer)
    return int(found[1]) if found else 0


def ask(port: int, path: str, *headers: str, method: str = "GET") -> int:
    lines = [f"{method} {path} HTTP/1.1", *headers, "Connection: close"]
    return status_of(sent(port, ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")))


def test_a_call_of_a_hook_at_the_dashboard_is_told_where_hooks_are(dashboard: Dashboard) -> None:
    port = port_of(dashboard.url)
    lines = ["POST /hooks/orders HTTP/1.1", f"Host: localhost:{port}", "Content-Length: 0", "Connection: close"]
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        answer = b"".join(iter(lambda: connection.recv(4000), b""))
    assert status_of(answer) == 403
    assert b"hooks are at the HTTP API" in answer


@pytest.mark.parametrize("path", PATHS)
def test_a_rebound_name_and_another_ports_page_get_nothing_of_the_dashboard(dashboard: Dashboard, path: str) -> None:
    port = port_of(dashboard.url)
    host = f"Host: localhost:{port}"

    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"):
        assert ask(port, path, f"Host: rebound.test:{port}", method=method) == 403
        assert (
            ask(port, path, f"Host: rebound.test:{port}", f"Origin: http://rebound.test:{port}", method=method) == 403
        )
        assert ask(port, path, host, "Origin: http://localhost:1", method=method) == 403
        assert ask(port, path, host, "Origin: null", method=method) == 403
        assert ask(port, path, method=method) == 400
        assert ask(port, path, host, host, method=method) == 400
    assert ask(port, path, host, "Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: no-cors") == 403
    for method in ("POST", "PUT", "DELETE"):
        assert ask(port, path, host, method=method) == 403


def test_a_websocket_needs_the_pages_own_origin(dashboard: Dashboard) -> None:
    port = port_of(dashboard.url)
    upgrade = WEBSOCKET.strip().split("\r\n")[1:]  # the connection is named below

    def status(host: str, *headers: str) -> int:
        lines = ["GET /_stcore/stream HTTP/1.1", f"Host: {host}", "Connection: Upgrade", *upgrade, *headers]
        return status_of(sent(port, ("\r\n".join(lines) + "\r\n\r\n").encode()))

    own = f"localhost:{port}"
    assert status(own, f"Origin: http://{own}") == 101
    assert status(f"127.0.0.1:{port}", f"Origin: http://127.0.0.1:{port}") == 101
    assert status(own) == 403
    for origin in ("null", "http://localhost:1", f"https://{own}", f"http://127.0.0.1:{port}", "http://rebound.test"):
        assert status(own, f"Origin: {origin}") == 403
    assert status(f"rebound.test:{port}", f"Origin: http://rebound.test:{port}") == 403
    assert status(own, f"Origin: http://{own}", "Sec-Fetch-Site: same-site") == 403


def test_the_own_pages_and_probes_are_answered_by_all_loopback_names(dashboard: Dashboard) -> None:
    port = port_of(dashboard.url)

    for host in ("localhost", f"localhost:{port}", f"LOCALHOST.:{port}", f"127.0.0.1:{port}", f"[::1]:{port}"):
        assert ask(port, "/healthz", f"Host: {host}") == 200
        assert ask(port, "/", f"Host: {host}") == 200
    assert ask(port, f"http://localhost:{port}/healthz", f"Host: localhost:{port}") == 200
    # no browser sends a full URL to a server that is no proxy; uvicorn's faster parser drops its host before the gate
    assert ask(port, "http://rebound.test/healthz", f"Host: localhost:{port}") in (200, 400)
    assert ask(port, f"http://localhost:{port}/healthz", "Host: rebound.test") in (400, 403)


@pytest.mark.parametrize("path", ["/", "/healthz", "/enter?key=a", "/media/none", "/static/none.js"])
def test_every_answer_of_the_dashboard_has_its_headers(dashboard: Dashboard, path: str) -> None:
    port = port_of(dashboard.url)

    answer = sent(port, f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n".encode()).lower()

    for header in (
        b"content-security-policy: default-src 'none'", b"x-content-type-options: nosniff", b"x-frame-options: deny",
        b"cross-origin-opener-policy: same-origin", b"cross-origin-resource-policy: same-origin",
        b"permissions-policy: ", b"referrer-policy: ",
    ):  # fmt: skip
        assert header in answer
    assert b"frame-ancestors 'none'" in answer


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz"])
def test_strangers_get_nothing_of_the_exporter(exporter: Exporter, path: str) -> None:
    port = port_of(exporter.url)

    for host in (f"127.0.0.1:{port}", "localhost", "[::1]"):
        assert ask(port, path, f"Host: {host}") == 200
    assert ask(port, path, "Host: rebound.test") == 403
    assert ask(port, path, f"Host: localhost:{port}", "Origin: http://localhost:1") == 403
    assert ask(port, path, f"Host: localhost:{port}", "Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: cors") == 403
    assert ask(port, path) == 400
    assert ask(port, path, "Host: localhost", "Host: rebound.test") == 400
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "ODD"):
        assert ask(port, path, "Host: localhost", method=method) == 501


def test_names_and_the_own_address_are_the_exporters_too() -> None:
    exporter = exporter_of("0.0.0.0", "worker-1")
    exporter.start()
    try:
        port = port_of(exporter.url)
        assert ask(port, "/metrics", "Host: worker-1:9464") == 200
        assert ask(port, "/metrics", f"Host: 127.0.0.1:{port}") == 200
        assert ask(port, "/metrics", "Host: 10.255.0.1") == 403
    finally:
        exporter.stop()


def odd_request(rng: random.Random, port: int) -> bytes:
    """Something like a request."""
    if rng.random() < 0.1:
        return rng.randbytes(rng.randrange(400))
    lines = [
        f"{rng.choice(ODD_METHODS)} {rng.choice((*PATHS, *ODD_TARGETS))} HTTP/{rng.choice(('1.1', '1.0', '9', 'x'))}"
    ]
    if rng.random() < 0.8:
        lines.append(f"Host: localhost:{port}")
    if rng.random() < 0.4:
        lines.append(f"Origin: http://localhost:{port}")
    lines += rng.sample(ODD_HEADERS, rng.randrange(4))
    rng.shuffle(lines[1:])
    body = rng.randbytes(rng.randrange(50)).decode("latin-1") if rng.random() < 0.3 else ""
    raw = (rng.choice(("\r\n", "\r\n", "\n")).join(lines) + "\r\n\r\n" + body).encode("latin-1")
    return raw[: rng.randrange(len(raw))] if rng.random() < 0.05 else raw


def test_no_odd_request_breaks_the_dashboard(dashboard: Dashboard) -> None:
    port, rng = port_of(dashboard.url), random.Random(HTTP_SEED)

    for number in range(HTTP_CASES):
        raw = odd_request(rng, port)
        status = status_of(sent(port, raw, PATIENCE_SECONDS))
        assert status < 500 or status in (501, 503, 505), (number, raw[:300])
    assert ask(port, "/healthz", f"Host: localhost:{port}") == 200
    written = dashboard.log.read_text()
    assert "Traceback" not in written, written[written.index("Traceback") - 500 :][:3000]


def test_no_odd_request_breaks_the_exporter(exporter: Exporter, caplog: pytest.LogCaptureFixture) -> None:
    port, rng = port_of(exporter.url), random.Random(HTTP_SEED)

    with caplog.at_level(logging.ERROR):
        for number in range(HTTP_CASES):
            raw = odd_request(rng, port)
            assert status_of(sent(port, raw, PATIENCE_SECONDS)) not in (500, 502, 504), (number, raw[:300])
    assert ask(port, "/healthz", f"Host: localhost:{port}") == 200
    assert not caplog.records


def test_the_key_of_a_link_is_in_no_log(dashboard: Dashboard, tmp_path: Path) -> None:
    port, key = port_of(dashboard.url), "A" * 43

    ask(port, f"/enter?key={key}", f"Host: localhost:{port}")
    ask(port, f"/enter?key={key}", "Host: rebound.test")
    ask(port, f"http://rebound.test/enter?key={key}", f"Host: localhost:{port}")

    assert key not in dashboard.log.read_text()
