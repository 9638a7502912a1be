"""One bad thing stops one task, never the yard: threads, locks, descriptors, disks and processes of a real run."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg2
import pytest

from core.config import load_settings
from core.database import Database
from core.embedded import endpoints
from core.queue import Queue
from core.redis_client import connect_redis
from core.registry import registry
from core.submission import Submitter
from tests.acceptance.main import ROOT, Main
from tests.integration.test_exporter import free_port
from tests.servers import wait_until
from tests.thread_breaker import FOLDER

KINDS = ("broken.thread", "broken.process", "broken.async")
OF_THE_WORKER = ("dispatcher", "committer", "pool", "scheduler", "alerts", "exporter", "health", "log", "dashboard")
OF_AGENTS = ("inbox", "heart", "outbox", "slot-0", "slot-1", "watchdog", "async-handlers")


class Yard(Main):
    """A main job with the module that breaks threads, a port for its health, and a way to submit quickly."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (folder / "pool.toml").write_text(
            (folder / "pool.toml").read_text().replace('"diagnostic.*"', '"broken.*", "diagnostic.*"')
        )
        self.break_folder = folder / "break"
        self.break_folder.mkdir()
        self.port = free_port()
        self.environment |= {
            "TASKYARD_TASK_MODULES": "tests.thread_breaker",
            "TASKYARD_METRICS_PORT": str(self.port),
            "TASKYARD_DASHBOARD_PORT": str(free_port()),
            FOLDER: str(self.break_folder),
        }

    def connect(self) -> None:
        """Once the servers are there."""
        urls = wait_until(lambda: endpoints(self.data_dir), 60)
        settings = load_settings(database_url=urls[0], redis_url=urls[1])
        self.database = Database(urls[0])
        queue = Queue(connect_redis(urls[1]), settings.namespace, settings.placement_of)
        registry.load(("tests.thread_breaker",))
        self.submitter = Submitter(settings, registry, self.database, queue)

    def work(self, kind: str = "broken.thread", count: int = 1, seconds: float = 20) -> None:
        """Submits tasks and waits for their success."""
        ids = self.submitter.submit_many([{"type": kind}] * count)
        for task_id in ids:
            wait_until(lambda task_id=task_id: self.task(task_id).state == "completed", seconds, f"{kind} completed")

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of a page of the exporter; 0 if it gives no answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def is_well(self) -> bool:
        return self.get("/healthz") == (200, "ok\n")

    def agents(self) -> list[psutil.Process]:
        children = psutil.Process(self.processes[-1].pid).children()
        return [child for child in children if "worker.agents.main" in child.cmdline()]

    def escapes(self, thread: str) -> float:
        """How often it was counted that something escaped from these threads."""
        lines = [line for line in self.get("/metrics")[1].splitlines() if f'thread="{thread}"' in line]
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("taskyard_thread_escapes_total"))

    def events(self, name: str) -> list[dict[str, object]]:
        lines = [line for line in self.log.read_text().splitlines() if line.startswith("{") and f'"{name}"' in line]
        return [event for line in lines if (event := json.loads(line))["event"] == name]


@contextmanager
def new_yard(yard_class: type[Yard] = Yard) -> Iterator[Yard]:
    folder = Path(tempfile.mkdtemp(prefix="taskyard-run-"))
    yard = yard_class(folder)
    try:
        yield yard
    finally:
        for process in yard.processes:
            if process.poll() is None:
                process.terminate()
                process.wait(timeout=60)
        wait_until(lambda: not yard.leftovers(), 20)
        shutil.copy(yard.log, "/tmp/threads/last.log")
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def yard() -> Iterator[Yard]:
    with new_yard() as running:
        running.start("--migrate", "--dashboard")
        running.connect()
        wait_until(lambda: running.get("/readyz")[0] == 200, 60, "ready")
        wait_until(lambda: b"Taskyard is up" in running.log.read_bytes(), 60, "the dashboard is up")
        for kind in KINDS:
            running.work(kind)
        yield running


# threads


def break_thread(yard: Yard, name: str) -> None:
    for old in yard.break_folder.glob(f"{name}.*"):
        old.unlink()
    (yard.break_folder / name).touch()
    wait_until(lambda: list(yard.break_folder.glob(f"{name}.*")), 10, f"there is a thread {name}")


@pytest.mark.parametrize("name", [*OF_THE_WORKER, *OF_AGENTS])
def test_work_goes_on_after_an_exception_in_any_thread(yard: Yard, name: str) -> None:
    family = name.rstrip("-0123456789")
    before = yard.escapes(family)
    break_thread(yard, name)

    def has_escaped() -> bool:
        yard.submitter.submit_many([{"type": kind} for kind in KINDS] * (20 if name == "committer" else 1))
        time.sleep(0.2)
        return yard.escapes(family) > before

    wait_until(has_escaped, 20, f"the exception in {name} is counted")
    for kind in KINDS:
        yard.work(kind)
    wait_until(yard.is_well, 20, f"well after {name}: {yard.get('/healthz')}")
    wait_until(lambda: yard.submitter is not None and open_tasks(yard) == 0, 20, f"nothing is stuck after {name}")


def open_tasks(yard: Yard) -> int:
    with yard.database.transaction() as tx:
        rows = tx.rows("SELECT count(*) FROM tasks WHERE finished_at IS NULL", {})
    return int(rows[0][0])


# outages


@contextmanager
def locked(yard: Yard) -> Iterator[None]:
    """Somebody holds a table that every tick needs."""
    url = endpoints(yard.data_dir)[0].replace("+psycopg2", "")
    with psycopg2.connect(url) as connection:
        connection.cursor().execute("LOCK TABLE holds IN ACCESS EXCLUSIVE MODE")
        yield
        connection.rollback()
    connection.close()


def test_a_locked_table_turns_it_red_and_says_why(yard: Yard) -> None:
    with locked(yard):
        wait_until(lambda: "PostgreSQL" in yard.get("/healthz")[1] and yard.get("/healthz")[0] == 503, 30)
        wait_until(lambda: yard.events("health.failed"), 10)
    wait_until(yard.is_well, 10)
    wait_until(lambda: yard.events("health.recovered"), 10)
    yard.work()


def test_a_killed_dashboard_is_started_again(yard: Yard) -> None:
    address = f"http://127.0.0.1:{yard.environment['TASKYARD_DASHBOARD_PORT']}/healthz"
    [page] = [p for p in psutil.Process(yard.processes[-1].pid).children() if "streamlit" in " ".join(p.cmdline())]
    page.kill()
    wait_until(lambda: yard.events("dashboard.exited"), 10)

    def answers() -> bool:
        try:
            with urllib.request.urlopen(address, timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    wait_until(answers, 30, "on the same port")
    wait_until(lambda: yard.events("dashboard.is_back"), 10)


@pytest.mark.parametrize("kind", KINDS)
def test_an_agent_without_descriptors_ends_attempts_and_recovers(yard: Yard, kind: str) -> None:
    """As `prlimit --nofile` does to a running agent; then it gets them back, or is replaced."""
    with yard.database.transaction() as tx:
        tx.rows("SELECT 1", {})
    for agent in yard.agents():
        for child in agent.children(recursive=True):
            child.kill()  # the next attempt needs a new one, and descriptors for it
        agent.rlimit(resource.RLIMIT_NOFILE, (max(3, agent.num_fds() - 2), 65536))
    ids = yard.submitter.submit_many([{"type": kind}] * 8)
    time.sleep(1.0)
    for agent in yard.agents():
        agent.rlimit(resource.RLIMIT_NOFILE, (4096, 65536))
    for task_id in ids:
        wait_until(lambda task_id=task_id: yard.task(task_id).finished_at, 30, "the task ends")
    assert {yard.task(task_id).state for task_id in ids} == {"completed"}
    wait_until(yard.is_well, 20)


def test_agents_that_can_start_no_process_are_replaced(yard: Yard) -> None:
    before = {agent.pid for agent in yard.agents()}
    for agent in yard.agents():
        for child in agent.children(recursive=True):
            child.kill()
        agent.rlimit(resource.RLIMIT_NOFILE, (max(3, agent.num_fds() - 2), 65536))
    yard.work("broken.process", count=12, seconds=60)
    wait_until(lambda: not before & {agent.pid for agent in yard.agents()}, 30, "new agent processes")
    wait_until(yard.is_well, 20)


# how it ends


def test_a_second_signal_ends_it_while_the_dispatcher_waits_for_a_lock() -> None:
    with new_yard() as yard:
        process = yard.start("--migrate")
        yard.connect()
        wait_until(lambda: yard.get("/readyz")[0] == 200, 60)
        with locked(yard):
            time.sleep(1.5)  # a tick is under way: one begins every second
            process.send_signal(signal.SIGINT)
            wait_until(lambda: yard.events("worker.draining"), 10)
            process.send_signal(signal.SIGINT)
            began = time.monotonic()
            process.wait(timeout=30)
            assert time.monotonic() - began < 15
        wait_until(lambda: not yard.leftovers(), 15, "nothing is left running")


@pytest.mark.parametrize("closed", ["stdout", "stderr", "both"])
def test_a_run_whose_output_nobody_reads_works_on(closed: str) -> None:
    with new_yard() as yard:
        read_end, write_end = os.pipe()
        os.close(read_end)
        with yard.log.open("ab") as log:
            streams = {name: write_end if closed in (name, "both") else log for name in ("stdout", "stderr")}
            process = subprocess.Popen(
                [sys.executable, "-m", "worker", "run", "--migrate", "--dashboard"],
                cwd=ROOT,
                env=yard.environment,
                start_new_session=True,
                **streams,
            )
        os.close(write_end)
        yard.processes.append(process)
        yard.connect()
        wait_until(lambda: yard.get("/readyz")[0] == 200, 60)
        yard.work()
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs a process namespace")
def test_process_1_buries_what_is_orphaned_to_it() -> None:
    with new_yard() as yard:
        with yard.log.open("ab") as log:
            unshared = subprocess.Popen(
                ["unshare", "--pid", "--fork", "--kill-child", sys.executable, "-m", "worker", "run", "--migrate"],
                cwd=ROOT,
                env=yard.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        yard.processes.append(unshared)
        yard.connect()
        wait_until(lambda: yard.get("/readyz")[0] == 200, 60)
        [first] = psutil.Process(unshared.pid).children()
        agents = [p for p in first.children(recursive=True) if "worker.agents.main" in p.cmdline()]
        assert len(agents) == 2
        yard.work("broken.process")
        for agent in agents:
            agent.kill()

        def zombies() -> list[psutil.Process]:
            return [p for p in first.children(recursive=True) if p.status() == psutil.STATUS_ZOMBIE]

        wait_until(lambda: len(yard.events("agent.started")) >= 4, 20, "other agents")
        yard.work("broken.process")
        wait_until(lambda: not quietly(zombies), 10, "no zombie")
        first.send_signal(signal.SIGTERM)
        unshared.wait(timeout=60)


def quietly(look: Callable[[], list[psutil.Process]]) -> list[psutil.Process]:
    """`look`, again if a process ended under it."""
    while True:
        try:
            return look()
        except psutil.NoSuchProcess:
            continue
