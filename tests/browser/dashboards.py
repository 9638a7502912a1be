"""Dashboards as their users start them: `streamlit run`, and `taskyard run --dashboard`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from taskyard.core.config import Settings, load_settings
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import sign_ins, tasks
from taskyard.core.submission.submit import Submitter, open_submitter
from taskyard.core.task_types.registry import registry
from tests.forked import Forked
from tests.own_servers import OwnServers
from tests.servers import REPOSITORY, free_port, wait_until

START_SECONDS = 180  # on a machine that is busy with others
STOP_SECONDS = 30
POOL = """
[[agents]]
kind = "tester"
count = 2
types = ["diagnostic.*", "analysis.*"]
max_concurrency = 2
"""


class _Server:
    """A process that serves pages at `url`, and its log."""

    def __init__(self, command: list[str], environment: dict[str, str], port: int, log: Path) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.log = log
        self._command = command
        self._environment = {**os.environ, **environment}

    def __enter__(self) -> Self:
        self.log.write_bytes(b"")
        self._process = self._start()
        try:
            wait_until(self._answers, START_SECONDS, f"{self.url} answers")
        except BaseException:
            self._stop()
            raise
        return self

    def _start(self) -> subprocess.Popen[bytes] | Forked:
        with self.log.open("wb") as output:
            return subprocess.Popen(
                self._command,
                cwd=REPOSITORY,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()
        if kind is None:
            written = self.log.read_text()
            assert "Traceback" not in written, written[written.index("Traceback") - 500 :][:4000]

    def freeze(self) -> None:
        """Stops the process as a machine that hangs does: its connections stay."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets it go on."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kills the process; `with` may start another one at the same address."""
        self._process.kill()
        self._process.wait()

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _answers(self) -> bool:
        assert self._process.poll() is None, self.log.read_text()
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:  # refused, or not answered in time
            return False


class Dashboard(_Server):
    """`streamlit run dashboard/app.py` for an installation without a worker."""

    def __init__(self, settings: Settings, log: Path, path: str = "", **variables: str) -> None:
        """`path` is where below its host it is, such as "/yard"; `variables` are further settings, by their names."""
        port = free_port()
        environment = {
            "TASKYARD_DATABASE_URL": settings.database_url or "",
            "TASKYARD_REDIS_URL": settings.redis_url or "",
            "TASKYARD_NAMESPACE": settings.namespace,
            **{f"TASKYARD_{name.upper()}": value for name, value in variables.items()},
        }
        self._settings = settings
        options = [f"--server.port={port}", f"--server.baseUrlPath={path}"]
        super().__init__(["streamlit", "run", "dashboard/app.py", *options], environment, port, log)
        self.url += path

    def _start(self) -> Forked:
        return Forked(self._command[0], self._command[1:], REPOSITORY, self._environment, self.log)

    def entry(self) -> str:
        """The path of a link that signs a browser in."""
        return entry_of(self._settings)


def entry_of(settings: Settings) -> str:
    """The path of a link that signs a browser in to the dashboard of an installation."""
    database = Database(settings.database_url or "")
    try:
        with database.transaction() as tx:
            key, _until = sign_ins.make_link(tx, "ann")
    finally:
        database.close()
    return f"/enter?key={key}"


class Installation(_Server):
    """`taskyard run --dashboard` with two agents, on servers that the test may kill."""

    def __init__(self, folder: Path, servers: OwnServers) -> None:
        port = free_port()
        self.servers = servers
        self.settings = load_settings(
            database_url=servers.database_url, redis_url=servers.redis_url, data_dir=folder / "data"
        )
        (folder / "pool.toml").write_text(POOL)
        self.environment = {
            "TASKYARD_DATABASE_URL": servers.database_url,
            "TASKYARD_REDIS_URL": servers.redis_url,
            "TASKYARD_DATA_DIR": str(folder / "data"),
            "TASKYARD_POOL_FILE": str(folder / "pool.toml"),
            "TASKYARD_DASHBOARD_PORT": str(port),
            "TASKYARD_API_PORT": str(free_port()),
            "TASKYARD_METRICS_PORT": "0",
            "TASKYARD_GRACE_SECONDS": "1",
        }
        command = [sys.executable, "-m", "worker", "run", "--dashboard", "--migrate"]
        super().__init__(command, self.environment, port, folder / "log")

    def submitter(self) -> Submitter:
        """The way in."""
        return open_submitter(self.settings, registry.load(), self.servers.database_url, self.servers.redis_url)

    def state_of(self, task_id: str) -> str:
        """How a task stands."""
        database = Database(self.servers.database_url)
        try:
            with database.transaction() as tx:
                return str(tasks.get_task(tx, task_id).state)
        finally:
            database.close()
