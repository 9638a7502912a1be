"""Runs the dashboard as a child of the worker: started on a free port, stopped with it."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping

from taskyard.core.access.request_guard import Authority, is_any_address, origin_of, parse_site
from taskyard.core.config import Settings
from taskyard.core.errors import ConfigurationError
from taskyard.core.paths import FILES
from taskyard.worker.process.ports import find_port, url_of

APP = FILES / "dashboard" / "app.py"
STREAMLIT_PATH = "STREAMLIT_SERVER_BASE_URL_PATH"
READY_TIMEOUT_SECONDS = 30.0


class DashboardProcess:
    """A Streamlit server for `dashboard/app.py`; `worker.dashboard_server.supervisor` keeps it running."""

    def __init__(self, settings: Settings, environment: Mapping[str, str] | None = None) -> None:
        """Adds `environment` to the server's variables; without it the server has this process's settings.

        Raises ConfigurationError if there is no port for it.
        """
        self._environment = {**os.environ, **(environment or {})}
        self._settings = settings
        self._host = settings.dashboard_host
        if is_any_address(self._host) and not settings.dashboard_hosts:
            raise ConfigurationError(
                [
                    f"TASKYARD_DASHBOARD_HOSTS: not set: with TASKYARD_DASHBOARD_HOST={self._host} it needs the names "
                    "by which browsers reach the dashboard, e.g. yard.example.com"
                ]
            )
        # Streamlit's own setting counts, too: the option below would otherwise override it
        self._path = (settings.dashboard_path or self._environment.get(STREAMLIT_PATH, "")).strip("/")
        self._port = find_port(settings, "dashboard")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Returns the page's address, without a final slash."""
        return page_url(self._settings, self._port, self._path)

    @property
    def _health_url(self) -> str:
        asked = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)
        return f"{url_of(asked, self._port)}/healthz"

    @property
    def port(self) -> int:
        """Returns the port it listens on."""
        return self._port

    @property
    def pid(self) -> int:
        """Returns the process id."""
        assert self._process is not None, "not started"
        return self._process.pid

    def start(self) -> None:
        """Starts the server; the thread that calls this must live as long as the server."""
        command = [
            sys.executable,
            "-m",
            "taskyard.worker.isolation.launcher",
            str(os.getpid()),
            sys.executable,
            "-m",
            "streamlit",
            "run",
        ]
        options = [f"--server.address={self._host}", f"--server.port={self._port}", "--server.headless=true"]
        options.append(f"--server.baseUrlPath={self._path}")
        # a session of its own: Ctrl-C in the terminal is for the worker, which stops this last
        self._process = subprocess.Popen(
            [*command, str(APP), *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=self._environment,
            start_new_session=True,
        )

    def wait_until_ready(self) -> bool:
        """Waits until the page can be opened; returns False if that fails."""
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        while time.monotonic() < deadline and self.exit_code is None:
            if self.answers(timeout_seconds=1):
                return True
            time.sleep(0.1)
        return False

    @property
    def exit_code(self) -> int | None:
        """Returns the process's exit code, None while it runs; -1 if it was never started."""
        return -1 if self._process is None else self._process.poll()

    def answers(self, timeout_seconds: float) -> bool:
        """Returns True if the page can be opened now."""
        try:
            with urllib.request.urlopen(self._health_url, timeout=timeout_seconds) as answer:
                return bool(answer.status == 200)
        except (OSError, http.client.HTTPException):
            return False

    def stop(self) -> None:
        """Stops the server."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def page_url(settings: Settings, port: int, path: str = "") -> str:
    """Returns the address of a dashboard that listens on `port`, below `path`; no final slash."""
    named = [parse_site(name) for name in settings.dashboard_hosts]
    if named:
        site = named[0]
        authority = Authority(site.host, site.port or (None if site.scheme else port))
        origin = origin_of(site.scheme or "http", authority)
    else:
        is_local = settings.dashboard_host in ("127.0.0.1", "::1", "localhost")
        origin = origin_of("http", Authority("localhost" if is_local else settings.dashboard_host, port))
    return f"{origin}/{path.strip('/')}".rstrip("/")
