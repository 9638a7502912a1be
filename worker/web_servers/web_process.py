"""Runs a web server as a child of the worker: started on a free port, stopped with it."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence

from taskyard.core.access.modes import Mode, reach_problems
from taskyard.core.access.request_guard import is_any_address
from taskyard.core.errors import ConfigurationError
from taskyard.worker.process.ports import url_of

READY_TIMEOUT_SECONDS = 30.0
EXAMPLES = {"DASHBOARD": "yard.example.com", "API": "api.example.com"}
STOP_SECONDS = 3.0


class WebProcess:
    """A server that answers /healthz; `worker.web_servers.supervisor` keeps it running."""

    def __init__(
        self, name: str, url: str, host: str, port: int, arguments: Sequence[str], environment: Mapping[str, str]
    ) -> None:
        """Calls it `name` in logs; `arguments` are those of Python, `environment` is added to this process's own."""
        self.name = name
        self.url = url  # without a final slash
        self.port = port
        self.arguments = arguments
        self._environment = {**os.environ, **environment}
        asked = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        self._health_url = f"{url_of(asked, port)}/healthz"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Returns the process id."""
        assert self._process is not None, "not started"
        return self._process.pid

    def start(self) -> None:
        """Starts the server; the thread that calls this must live as long as the server."""
        launcher = [sys.executable, "-m", "taskyard.worker.isolation.launcher", str(os.getpid())]
        # a session of its own: Ctrl-C in the terminal is for the worker, which stops this last
        self._process = subprocess.Popen(
            [*launcher, sys.executable, *self.arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=self._environment,
            start_new_session=True,
        )

    def wait_until_ready(self) -> bool:
        """Waits until it answers; returns False if that fails."""
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
        """Returns True if it answers now."""
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
            self._process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def check_names(mode: Mode, name: str, host: str, names: Sequence[str], who: str) -> None:
    """Raises ConfigurationError if a server listens for others than this machine and lets all of them in, or if it
    listens on all addresses and no name says how it is reached.

    `mode` is how users come in; `name` is that of the server's settings, in capitals; `who` says who reaches what.
    """
    problems = reach_problems(mode, name, host)
    if is_any_address(host) and not names:
        problems.append(
            f"TASKYARD_{name}_HOSTS: not set: with TASKYARD_{name}_HOST={host} it needs the names by which {who}, "
            f"e.g. {EXAMPLES[name]}"
        )
    if problems:
        raise ConfigurationError(problems)
