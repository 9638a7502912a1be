"""The main job as its user starts it, in a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil

from taskyard.core.models import Task
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store.tasks import get_task
from tests.servers import running_endpoints, wait_until

ROOT = Path(__file__).resolve().parents[2]
POOL = """
[[agents]]
kind = "tiny"
count = 2
types = ["diagnostic.*"]
max_concurrency = 2
"""


class Main:
    """`taskyard run` in a process group of its own, as a terminal would start it."""

    def __init__(self, folder: Path) -> None:
        self.data_dir = folder / "data"
        (folder / "pool.toml").write_text(POOL)
        self.environment = {
            **os.environ,
            "TASKYARD_DATA_DIR": str(self.data_dir),
            "TASKYARD_POOL_FILE": str(folder / "pool.toml"),
            "TASKYARD_GRACE_SECONDS": "10",
        }
        self.log = folder / "log"
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        return self.launch(sys.executable, "-m", "worker", "run", *options)

    def launch(self, *command: str) -> subprocess.Popen[bytes]:
        """Starts a program in this run's environment; what it writes goes into the run's log."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self.environment,
                stderr=log,
                stdout=log,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "worker", *arguments]
        return subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=60)

    def submit(self, task_type: str, **given: object) -> str:
        answer = self.command("submit", task_type, "--input", json.dumps(given), "--json")
        assert answer.returncode == 0, answer.stderr + self.log.read_text()
        return str(json.loads(answer.stdout)["id"])

    def task(self, task_id: str) -> Task:
        urls = running_endpoints(self.data_dir)
        assert urls is not None, self.log.read_text()
        database = Database(urls[0])
        try:
            with database.transaction() as tx:
                return get_task(tx, task_id)
        finally:
            database.close()

    def wait_for_state(self, task_id: str, state: str) -> None:
        wait_until(lambda: self.task(task_id).state == state, 30, f"{task_id} {state}: {self.log.read_text()}")

    def wait_until_up(self) -> None:
        wait_until(lambda: running_endpoints(self.data_dir) is not None, 30, "the embedded servers answer")
        wait_until(lambda: self.command("status").returncode == 0, 30, "status answers")

    def leftovers(self) -> list[str]:
        """Processes that still belong to this data folder."""
        found = []
        for process in psutil.process_iter(["cmdline", "environ"]):
            words = " ".join(process.info["cmdline"] or [])
            belongs = (process.info["environ"] or {}).get("TASKYARD_DATA_DIR") == str(self.data_dir)
            if belongs or str(self.data_dir) in words:
                found.append(words)
        return found
