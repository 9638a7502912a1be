"""The dashboard below a path, behind a proxy that passes on what it gets."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from taskyard.core.config import Settings, load_settings
from taskyard.core.errors import ConfigurationError
from taskyard.worker.web_servers.dashboard import DashboardProcess, page_url
from tests.browser.conftest import Watched, open_page
from tests.browser.dashboards import Dashboard, free_port
from tests.dashboard.conftest import NOBODY_URLS
from tests.servers import REPOSITORY, wait_until

PATH = "/yard"


@pytest.fixture
def proxied(settings: Settings, tmp_path: Path) -> Iterator[tuple[Dashboard, str]]:
    """A dashboard below a path, and its address behind a proxy."""
    with Dashboard(settings, tmp_path / "log", PATH) as dashboard, proxy(dashboard.port) as port:
        yield dashboard, f"http://localhost:{port}{PATH}"


@contextlib.contextmanager
def proxy(port: int) -> Iterator[int]:
    """Passes bytes on to a port of this machine, and back; yields the port that it listens on."""
    listener = socket.create_server(("127.0.0.1", 0))

    def copy(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while part := source.recv(65536):
                target.sendall(part)
            target.shutdown(socket.SHUT_WR)

    def join(client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", port)) as server:
            back = threading.Thread(target=copy, args=(server, client), daemon=True)
            back.start()
            copy(client, server)
            back.join()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=join, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def test_pages_exports_and_the_link_work_below_a_path(
    browser: Browser, proxied: tuple[Dashboard, str], watched: list[Watched]
) -> None:
    dashboard, address = proxied
    page = open_page(browser, watched, address, dashboard.entry())
    assert page.url == f"{address}/"
    expect(page.get_by_text("Signed in as ann")).to_be_visible()

    page.goto(f"{address}/overview")
    assert page.url == f"{address}/"
    page.goto(f"{address}/audit")
    for name, beginning in (("Export CSV", "\ufeffat,actor,event"), ("Export JSON lines", '{"task_id"')):
        with page.expect_download() as download:
            page.get_by_role("link", name=name).click()
        text = download.value.path().read_text()
        assert text.startswith(beginning), text[:200]

    paths = {one["path"] for one in page.context.cookies() if one["name"].startswith("taskyard_")}
    assert paths == {f"{PATH}/"}
    for path in ("/healthz", f"{PATH}/healthz", f"{PATH}/metrics"):
        with urllib.request.urlopen(f"http://localhost:{dashboard.port}{path}", timeout=10) as answer:
            assert answer.status == 200
            assert "html" not in answer.headers["content-type"]


@pytest.mark.parametrize("setting", ["TASKYARD_DASHBOARD_PATH", "STREAMLIT_SERVER_BASE_URL_PATH"])
def test_the_worker_finds_and_names_a_dashboard_below_a_path(monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    monkeypatch.setenv(setting, PATH)
    monkeypatch.setenv("TASKYARD_DATABASE_URL", NOBODY_URLS["database_url"])
    monkeypatch.setenv("TASKYARD_REDIS_URL", NOBODY_URLS["redis_url"])
    page = DashboardProcess(load_settings(dashboard_port=free_port()))
    page.start()
    try:
        assert page.wait_until_ready()
        assert page.url.endswith(PATH)
        with urllib.request.urlopen(f"{page.url}/", timeout=10) as answer:
            assert answer.status == 200
    finally:
        page.stop()


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({}, "http://localhost:8501"),
        ({"dashboard_path": "/yard/"}, "http://localhost:8501/yard"),
        ({"dashboard_host": "::1"}, "http://localhost:8501"),
        ({"dashboard_host": "192.0.2.7"}, "http://192.0.2.7:8501"),
        ({"dashboard_host": "fd00::1"}, "http://[fd00::1]:8501"),
        ({"dashboard_host": "0.0.0.0", "dashboard_hosts": ("yard.example.com",)}, "http://yard.example.com:8501"),
        ({"dashboard_hosts": ("https://yard.example.com",), "dashboard_path": "a/b"}, "https://yard.example.com/a/b"),
        ({"dashboard_hosts": ("https://yard.example.com:8443",)}, "https://yard.example.com:8443"),
    ],
)
def test_the_address_that_is_printed(settings: dict[str, object], url: str) -> None:
    current = load_settings(**settings)

    assert page_url(current, 8501, current.dashboard_path) == url


def test_a_server_by_itself_says_where_it_is_and_asks_nobody_on_the_internet(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    with socket.create_server(("127.0.0.1", 0)) as internet, log.open("wb") as said:
        gate = f"http://127.0.0.1:{internet.getsockname()[1]}"
        environment = {
            **os.environ,
            **{f"TASKYARD_{name.upper()}": url for name, url in NOBODY_URLS.items()},
            "TASKYARD_DASHBOARD_HOST": "0.0.0.0",
            "TASKYARD_DASHBOARD_HOSTS": "yard.example.com",
            "TASKYARD_DASHBOARD_PORT": str(port),
            "TASKYARD_AUTH": "password",
            "http_proxy": gate,
            "https_proxy": gate,
        }
        command = [sys.executable, "-m", "taskyard", "dashboard"]
        server = subprocess.Popen(command, env=environment, stdout=said, stderr=said, cwd=REPOSITORY)
        try:
            wait_until(lambda: answers(port), 60)
            assert f"The dashboard starts at http://yard.example.com:{port}" in log.read_text()
            internet.setblocking(False)
            with pytest.raises(BlockingIOError):
                internet.accept()
        finally:
            server.terminate()
            server.wait(30)


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as answer:
        return bool(answer.status == 200)
    return False


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_all_addresses_need_a_name(host: str) -> None:
    with pytest.raises(ConfigurationError, match="TASKYARD_DASHBOARD_HOSTS: not set"):
        DashboardProcess(load_settings(dashboard_host=host))


@pytest.mark.parametrize("hosts", ["*", "ftp://a", "a b", "a/b"])
def test_a_name_that_is_none_is_refused(hosts: str) -> None:
    with pytest.raises(ConfigurationError, match=r"TASKYARD_DASHBOARD_HOSTS: .*expected a name such as"):
        load_settings(dashboard_hosts=hosts)
