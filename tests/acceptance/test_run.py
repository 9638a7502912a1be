"""The main job as its user runs it: from nothing, through Ctrl-C, through kill -9."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from core.database import Database
from core.embedded import endpoints
from core.models import Task
from core.store.reading import get_task
from tests.servers import wait_until

ROOT = Path(__file__).resolve().parents[2]
POOL = """
[[agents]]
kind = "tiny"
count = 2
types = ["diagnostic.*"]
max_concurrency = 2
"""


class Main:
    """`python -m worker run` in a process group of its own, as a terminal would start it."""

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
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "worker", "run", *options],
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
        urls = endpoints(self.data_dir)
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
        wait_until(lambda: endpoints(self.data_dir) is not None, 30, "the embedded servers answer")
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


@pytest.fixture
def main() -> Iterator[Main]:
    # not pytest's own folder: every session that starts makes that one private again, to PostgreSQL's user as well
    folder = Path(tempfile.mkdtemp(prefix="taskyard-run-"))
    running = Main(folder)
    yield running
    for process in running.processes:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=30)
    if endpoints(running.data_dir) is not None:  # everything was killed: one more run stops the servers
        last = running.start()
        wait_until(lambda: b"leader.elected" in running.log.read_bytes(), 20, "the last run is up")
        last.terminate()
        last.wait(timeout=30)
    shutil.rmtree(folder)


def test_a_run_from_nothing_ends_cleanly_on_ctrl_c_and_the_next_goes_on(main: Main) -> None:
    first = main.start()
    main.wait_until_up()
    done = main.submit("diagnostic.echo", value={"a": [1, "ü"]})
    main.wait_for_state(done, "completed")
    assert main.task(done).output == {"value": {"a": [1, "ü"]}}
    running = main.submit("diagnostic.sleep", seconds=4)
    main.wait_for_state(running, "in_progress")
    waiting = json.loads(main.command("submit", "diagnostic.noop", "--delay", "3", "--json").stdout)["id"]

    os.killpg(first.pid, signal.SIGINT)  # what a terminal does
    assert first.wait(timeout=30) == 0, main.log.read_text()
    assert endpoints(main.data_dir) is None
    wait_until(lambda: not main.leftovers(), 10, "nothing is left running")

    main.start()
    main.wait_until_up()
    assert main.task(running).state == "completed", "it finished within the grace period"
    assert main.task(running).attempt == 1
    main.wait_for_state(waiting, "completed")


def test_kill_9_of_the_whole_group_loses_nothing(main: Main) -> None:
    first = main.start()
    main.wait_until_up()
    running = [main.submit("diagnostic.sleep", seconds=3) for _ in range(3)]
    main.wait_for_state(running[0], "in_progress")

    os.killpg(first.pid, signal.SIGKILL)
    first.wait(timeout=10)

    main.start()
    main.wait_until_up()
    for task_id in running:
        main.wait_for_state(task_id, "completed")
    events = json.loads(main.command("history", running[0], "--json").stdout)
    assert sum(event["to_state"] == "completed" for event in events) == 1


def test_a_second_worker_stands_by_and_takes_over(main: Main) -> None:
    first = main.start()
    main.wait_until_up()
    wait_until(lambda: b"leader.elected" in main.log.read_bytes(), 20, "the first leads")
    main.start()
    wait_until(lambda: b"standing by" in main.log.read_bytes(), 20, "the second stands by")

    os.kill(first.pid, signal.SIGKILL)
    first.wait(timeout=10)

    wait_until(lambda: main.log.read_bytes().count(b"leader.elected") == 2, 10, "the second leads")
    main.wait_for_state(main.submit("diagnostic.echo", value=1), "completed")


def test_a_wrong_configuration_is_refused_in_clear_lines(main: Main) -> None:
    main.environment["TASKYARD_AGENT_TTL_SECONDS"] = "soon"
    main.environment["TASKYARD_REDIS_URL"] = "http://here"

    answer = main.command("run")

    assert answer.returncode == 2
    assert "TASKYARD_AGENT_TTL_SECONDS: 'soon' is not accepted" in answer.stderr
    assert "TASKYARD_REDIS_URL" in answer.stderr
    assert "Traceback" not in answer.stderr
