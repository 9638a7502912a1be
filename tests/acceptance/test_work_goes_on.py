"""One bad thing stops one task, never the yard: threads, locks, descriptors, disks and processes of a real run."""

from __future__ import annotations

import contextlib
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
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg2
import pytest

from taskyard.core.config import load_settings
from taskyard.core.embedded.servers import Endpoints
from taskyard.core.models import Task
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store.tasks import get_task
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.connection import connect_redis
from taskyard.core.redis.keys import Keys
from taskyard.core.submission.submit import Submitter
from taskyard.core.task_types.registry import registry
from tests.acceptance.main import ROOT, Main
from tests.databases import Databases
from tests.integration.test_exporter import free_port
from tests.servers import wait_until
from tests.thread_breaker import FOLDER

KINDS = ("broken.thread", "broken.process", "broken.async")
OF_THE_WORKER = ("dispatcher", "committer", "pool", "scheduler", "alerts", "exporter", "health", "log", "dashboard")
OF_AGENTS = ("inbox", "heartbeat", "outbox", "slot-0", "slot-1", "watchdog", "async-handlers")


class Yard(Main):
    """A main job with the module that breaks threads, a port for its health, and a way to submit quickly."""

    def __init__(self, folder: Path, database_url: str, redis_url: str) -> None:
        super().__init__(folder)
        self.settings = load_settings(
            database_url=database_url, redis_url=redis_url, namespace=f"test-{uuid.uuid4().hex[:12]}"
        )
        (folder / "pool.toml").write_text(
            (folder / "pool.toml").read_text().replace('"diagnostic.*"', '"broken.*", "diagnostic.*"')
        )
        self.break_folder = folder / "break"
        self.break_folder.mkdir()
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.port = free_port()
        self.environment |= {
            "TASKYARD_TASK_MODULES": "tests.thread_breaker",
            "TASKYARD_METRICS_PORT": str(self.port),
            "TASKYARD_DASHBOARD_PORT": str(free_port()),
            "TASKYARD_API_PORT": str(free_port()),
            FOLDER: str(self.break_folder),
            "TMPDIR": str(self.temporary),
        }

        for name in ("database_url", "redis_url", "namespace"):
            self.environment[f"TASKYARD_{name.upper()}"] = getattr(self.settings, name)
        registry.load(("tests.thread_breaker",))
        self.database = Database(database_url)
        broker = Broker(connect_redis(redis_url), self.settings.namespace, self.settings.placement_of)
        self.submitter = Submitter(self.settings, registry, self.database, broker)

    def task(self, task_id: str) -> Task:
        with self.database.transaction() as tx:
            return get_task(tx, task_id)

    def close(self) -> None:
        """Ends what runs, and what is in Redis."""
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
                process.wait(timeout=60)
        wait_until(lambda: not self.leftovers(), 20)
        with connect_redis(self.settings.redis_url) as client:
            for key in client.scan_iter(f"{Keys(self.settings.namespace).prefix}*", count=1000):
                client.delete(key)
        self.database.close()

    def work(self, kind: str = "broken.thread", count: int = 1, seconds: float = 20) -> None:
        """Submits tasks and waits for their success."""
        self.completes(self.submitter.submit_many([{"type": kind}] * count), seconds)

    def completes(self, ids: list[str], seconds: float) -> None:
        """Waits for the success of tasks; if one has none in time, says what runs instead."""
        for task_id in ids:
            try:
                wait_until(lambda task_id=task_id: self.task(task_id).state == "completed", seconds)
            except AssertionError:
                raise AssertionError(f"not completed in {seconds} s: {self.account_of(task_id)}") from None

    def account_of(self, task_id: str) -> str:
        """What is known of a task and of what should run it: its row and events, the processes, the log."""
        with self.database.transaction() as tx:
            events = tx.rows("SELECT * FROM task_events WHERE task_id = %(id)s ORDER BY at", {"id": task_id})
        parts = [str(self.task(task_id)), *map(str, events), self.processes_now(), self.last_lines(task_id)]
        return "\n".join(parts)

    def processes_now(self) -> str:
        """What runs below the worker, a line each: process, parent, state, threads, what it waits for, command."""
        lines = []
        for child in psutil.Process(self.processes[-1].pid).children(recursive=True):
            with contextlib.suppress(psutil.Error, OSError):
                waits_for = Path(f"/proc/{child.pid}/wchan").read_text()
                command = " ".join(child.cmdline())[-200:]
                lines.append(
                    f"{child.pid} of {child.ppid()} {child.status()} {child.num_threads()} {waits_for} {command}"
                )
        return "\n".join(lines)

    def last_lines(self, task_id: str) -> str:
        """The end of the log, and all that it says of a task."""
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join([*(line for line in lines[:-60] if task_id in line), *lines[-60:]])

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
        found = []
        for child in psutil.Process(self.processes[-1].pid).children():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                if "taskyard.worker.agents.main" in child.cmdline():
                    found.append(child)
        return found

    def escapes(self, thread: str) -> float:
        """How often it was counted that something escaped from these threads."""
        lines = [line for line in self.get("/metrics")[1].splitlines() if f'thread="{thread}"' in line]
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("taskyard_thread_escapes_total"))

    def events(self, name: str) -> list[dict[str, object]]:
        lines = [line for line in self.log.read_text().splitlines() if line.startswith("{") and f'"{name}"' in line]
        return [event for line in lines if (event := json.loads(line))["event"] == name]


@contextmanager
def new_yard(databases: Databases, endpoints: Endpoints) -> Iterator[Yard]:
    folder = Path(tempfile.mkdtemp(prefix="taskyard-run-"))
    with databases.copy() as database_url:
        running = Yard(folder, database_url, endpoints.redis_url)
        try:
            yield running
        finally:
            running.close()
    shutil.rmtree(folder)


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A disk of few bytes and inodes, where that is allowed."""
    options = "size=4m,nr_inodes=300,mode=1777"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True)
    try:
        yield
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(scope="module")
def yard(databases: Databases, server_endpoints: Endpoints) -> Iterator[Yard]:
    """One for all that it survives."""
    with new_yard(databases, server_endpoints) as running, small_disk(running.temporary):
        running.start("--dashboard")
        wait_until(lambda: running.get("/readyz")[0] == 200, 60, "ready")
        wait_until(lambda: b"Taskyard is up" in running.log.read_bytes(), 60, "the dashboard is up")
        for kind in KINDS:
            running.work(kind)
        yield running


@pytest.fixture
def own_yard(databases: Databases, server_endpoints: Endpoints) -> Iterator[Yard]:
    """One for a test that ends it."""
    with new_yard(databases, server_endpoints) as running:
        yield running


# threads


def break_thread(yard: Yard, name: str) -> None:
    for old in yard.break_folder.glob(f"{name}.*"):
        old.unlink()
    (yard.break_folder / name).touch()
    wait_until(lambda: list(yard.break_folder.glob(f"{name}.*")), 30, f"there is a thread {name}")


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
    yard.completes(open_tasks(yard), 20)  # nothing is stuck


def open_tasks(yard: Yard) -> list[str]:
    with yard.database.transaction() as tx:
        return [str(row[0]) for row in tx.rows("SELECT id FROM tasks WHERE finished_at IS NULL", {})]


# outages


@contextmanager
def locked(yard: Yard) -> Iterator[None]:
    """Somebody holds a table that every tick needs."""
    connection = psycopg2.connect(yard.settings.database_url.replace("+psycopg2", ""))
    try:
        connection.cursor().execute("LOCK TABLE holds IN ACCESS EXCLUSIVE MODE")
        yield
    finally:
        connection.close()  # also of a server that was stopped meanwhile


def test_a_locked_table_turns_it_red_and_says_why(yard: Yard) -> None:
    with locked(yard):
        wait_until(lambda: "is locked by process" in yard.get("/healthz")[1] and yard.get("/healthz")[0] == 503, 30)
        wait_until(lambda: yard.events("health.failed"), 30)
    wait_until(yard.is_well, 30)
    wait_until(lambda: yard.events("health.recovered"), 30)
    yard.work()


def test_a_killed_dashboard_is_started_again(yard: Yard) -> None:
    address = f"http://127.0.0.1:{yard.environment['TASKYARD_DASHBOARD_PORT']}/healthz"
    [page] = [p for p in psutil.Process(yard.processes[-1].pid).children() if "streamlit" in " ".join(p.cmdline())]
    page.kill()
    wait_until(lambda: yard.events("dashboard.exited"), 30)

    wait_until(lambda: answers(address), 30, "on the same port")
    wait_until(lambda: yard.events("dashboard.is_back"), 30)


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def take_descriptors(process: psutil.Process) -> None:
    """Leaves it none that it does not have."""
    process.rlimit(resource.RLIMIT_NOFILE, (3, process.rlimit(resource.RLIMIT_NOFILE)[1]))


def give_descriptors(process: psutil.Process) -> None:
    process.rlimit(resource.RLIMIT_NOFILE, (process.rlimit(resource.RLIMIT_NOFILE)[1],) * 2)


@pytest.mark.parametrize("kind", KINDS)
def test_an_agent_without_descriptors_ends_attempts_and_recovers(yard: Yard, kind: str) -> None:
    """As `prlimit --nofile` does to a running agent; then it gets them back, or is replaced."""
    for agent in yard.agents():
        for child in agent.children(recursive=True):
            child.kill()  # the next attempt needs a new one, and descriptors for it
        take_descriptors(agent)
    ids = yard.submitter.submit_many([{"type": kind}] * 8)
    time.sleep(1.0)
    for agent in yard.agents():
        give_descriptors(agent)
    for task_id in ids:
        wait_until(lambda task_id=task_id: yard.task(task_id).finished_at, 30, "the task ends")
    assert {yard.task(task_id).state for task_id in ids} == {"completed"}
    wait_until(yard.is_well, 20)


@pytest.mark.slow
def test_agents_that_can_start_no_process_are_replaced(yard: Yard) -> None:
    before = {agent.pid for agent in yard.agents()}
    for agent in yard.agents():
        for child in agent.children(recursive=True):
            child.kill()
        take_descriptors(agent)
    yard.work("broken.process", count=12, seconds=60)
    wait_until(lambda: not before & {agent.pid for agent in yard.agents()}, 30, "new agent processes")
    wait_until(yard.is_well, 20)


@pytest.mark.parametrize("of", ["bytes", "inodes"])
def test_a_full_temporary_folder_costs_attempts_and_no_agent(yard: Yard, of: str) -> None:
    if not yard.temporary.is_mount():
        pytest.skip("a tmpfs can't be mounted here")
    for agent in yard.agents():
        for child in agent.children(recursive=True):
            child.kill()  # the next attempt needs a new one, and a file for it
    number = 0
    with contextlib.suppress(OSError):
        while True:
            number += 1
            (yard.temporary / str(number)).write_bytes(b"x" * (65536 if of == "bytes" else 0))
    ids = yard.submitter.submit_many([{"type": "broken.process"}] * 4)
    time.sleep(1.0)
    for file in yard.temporary.iterdir():
        if file.name.isdigit():
            file.unlink()
    yard.completes(ids, 30)
    wait_until(yard.is_well, 20)


@pytest.mark.parametrize("kind", KINDS)
def test_an_agent_without_memory_recovers_or_is_replaced(yard: Yard, kind: str) -> None:
    """Neither threads nor large objects can be had for a while."""
    for agent in yard.agents():
        hard = agent.rlimit(resource.RLIMIT_AS)[1]
        agent.rlimit(resource.RLIMIT_AS, (agent.memory_info().vms, hard))
    ids = yard.submitter.submit_many([{"type": kind}] * 8)
    time.sleep(1.0)
    for agent in yard.agents():
        agent.rlimit(resource.RLIMIT_AS, (agent.rlimit(resource.RLIMIT_AS)[1],) * 2)
    yard.completes(ids, 30)
    wait_until(yard.is_well, 20)


@pytest.mark.slow
def test_a_worker_without_descriptors_neither_spins_nor_dies(yard: Yard) -> None:
    worker = psutil.Process(yard.processes[-1].pid)
    take_descriptors(worker)
    wait_until(lambda: not yard.is_well(), 30)  # nobody is answered
    cpu_seconds = sum(worker.cpu_times()[:2])
    time.sleep(1.0)
    assert sum(worker.cpu_times()[:2]) - cpu_seconds < 0.8, "a connection that can't be accepted is no reason to spin"
    agents = yard.agents()
    agents[0].kill()  # there is no pipe for another one
    wait_until(lambda: yard.events("agent.not_started"), 30)
    give_descriptors(worker)
    wait_until(yard.is_well, 30)
    wait_until(lambda: len(yard.agents()) == len(agents), 30)
    for each in KINDS:
        yard.work(each)


# how it ends


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs a process namespace")
@pytest.mark.slow
def test_process_1_buries_orphans_and_a_second_signal_ends_it_while_a_tick_waits_for_a_lock(own_yard: Yard) -> None:
    yard = own_yard
    command = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, "-m", "worker", "run"]
    unshared = yard.launch(*command)
    wait_until(lambda: yard.get("/readyz")[0] == 200, 60)
    [first] = psutil.Process(unshared.pid).children()
    agents = [p for p in first.children(recursive=True) if "taskyard.worker.agents.main" in p.cmdline()]
    assert len(agents) == 2
    yard.work("broken.process")
    for agent in agents:
        agent.kill()

    def zombies() -> list[psutil.Process]:
        return [p for p in first.children(recursive=True) if p.status() == psutil.STATUS_ZOMBIE]

    wait_until(lambda: len(yard.events("agent.started")) >= 4, 20, "other agents")
    yard.work("broken.process")
    wait_until(lambda: not quietly(zombies), 30, "no zombie")

    with locked(yard):
        time.sleep(1.5)  # a tick is under way: one begins every second
        first.send_signal(signal.SIGINT)
        wait_until(lambda: yard.events("worker.draining"), 30)
        first.send_signal(signal.SIGINT)
        began = time.monotonic()
        unshared.wait(timeout=30)
        assert time.monotonic() - began < 10


@pytest.mark.slow
def test_a_run_whose_output_nobody_reads_works_on(own_yard: Yard) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    process = subprocess.Popen(
        [sys.executable, "-m", "worker", "run", "--dashboard"],
        cwd=ROOT,
        env=own_yard.environment,
        start_new_session=True,
        stdout=write_end,
        stderr=write_end,
    )
    os.close(write_end)
    own_yard.processes.append(process)
    wait_until(lambda: own_yard.get("/readyz")[0] == 200, 60)
    own_yard.work()
    address = f"http://127.0.0.1:{own_yard.environment['TASKYARD_DASHBOARD_PORT']}/healthz"
    wait_until(lambda: answers(address), 30)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 0


@pytest.mark.slow
def test_a_host_of_agents_says_whether_they_work(own_yard: Yard) -> None:
    own_yard.launch(sys.executable, "-m", "worker", "agent")
    wait_until(own_yard.is_well, 60)
    status, text = own_yard.get("/readyz")
    assert (status, text) == (503, "no agent accepts tasks yet\n")  # no worker has welcomed them
    wait_until(lambda: 'taskyard_pool_agents{state="working"} 2.0' in own_yard.get("/metrics")[1], 60)
    for agent in own_yard.agents():
        agent.suspend()
    try:
        wait_until(lambda: own_yard.get("/healthz")[0] == 503, 30)
        assert "agent tiny-1: no report from its process for" in own_yard.get("/healthz")[1]
    finally:
        for agent in own_yard.agents():
            agent.resume()
    wait_until(own_yard.is_well, 30)


def quietly(look: Callable[[], list[psutil.Process]]) -> list[psutil.Process]:
    """`look`, again if a process ended under it."""
    while True:
        try:
            return look()
        except psutil.NoSuchProcess:
            continue
