"""The dashboard as a child of the worker: started on a free port, stopped with it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from core.config import Settings
from core.errors import ConfigurationError

ROOT = Path(__file__).resolve().parent.parent
PORTS_TRIED = 50
READY_TIMEOUT_SECONDS = 30.0


class DashboardProcess:
    """A Streamlit server for `dashboard/app.py`."""

    def __init__(self, settings: Settings, environment: Mapping[str, str] | None = None) -> None:
        """`environment` has variables of its own; without it the server's settings are this process's."""
        self._environment = {**os.environ, **(environment or {})}
        self._host = settings.dashboard_host
        self._port = _free_port(self._host, settings.dashboard_port)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        shown = "localhost" if self._host in ("127.0.0.1", "0.0.0.0", "::", "::1") else self._host
        return f"http://{shown}:{self._port}"

    @property
    def pid(self) -> int:
        """Of the started process."""
        assert self._process is not None, "not started"
        return self._process.pid

    def start(self) -> None:
        """Starts the server; the thread that calls this must live as long as it."""
        command = [sys.executable, "-m", "worker.launcher", str(os.getpid()), sys.executable, "-m", "streamlit", "run"]
        options = [f"--server.address={self._host}", f"--server.port={self._port}", "--server.headless=true"]
        # a session of its own: Ctrl-C in the terminal is for the worker, which stops this last
        self._process = subprocess.Popen(
            [*command, str(ROOT / "dashboard" / "app.py"), *options],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=self._environment,
            start_new_session=True,
        )

    def wait_until_ready(self) -> bool:
        """Whether the page can be opened; waits for that."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        health = f"http://{host if host != '0.0.0.0' else '127.0.0.1'}:{self._port}/_stcore/health"
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        while time.monotonic() < deadline and self._process is not None and self._process.poll() is None:
            try:
                with urllib.request.urlopen(health, timeout=1) as answer:
                    return bool(answer.status == 200)
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        return False

    def stop(self) -> None:
        """Ends the server."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _free_port(host: str, first: int) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in range(first, min(first + PORTS_TRIED, 65536)):
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
    raise ConfigurationError(
        [f"TASKYARD_DASHBOARD_PORT: no free port from {first} on at {host!r}, or the address is not this machine's"]
    )
