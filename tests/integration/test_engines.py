"""Ray, Dask and Celery as they are: clusters of two nodes on this host, whose seats run real attempts.

They run where the extras are installed: `make test-engines`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from taskyard.worker.engines.known import ENGINES, lacking_extra, make_engine
from taskyard.worker.engines.settings import EngineSettings
from tests.integration.seat_bench import SeatBench
from tests.integration.slot_bench import is_dead, pid_in
from tests.servers import REPOSITORY, free_port, wait_until

pytestmark = [pytest.mark.engines, pytest.mark.filterwarnings("ignore")]
READY_SECONDS = 60
BIN = Path(sys.executable).parent


def _environment(**more: str) -> dict[str, str]:
    paths = os.pathsep.join([str(REPOSITORY), *filter(None, sys.path)])
    return {**os.environ, "PYTHONPATH": paths, "RAY_USAGE_STATS_ENABLED": "0", **more}


@contextlib.contextmanager
def _running(folder: Path, *commands: list[str], **variables: str) -> Iterator[list[subprocess.Popen[bytes]]]:
    """The processes of some commands, each of which is killed with all below it."""
    started: list[subprocess.Popen[bytes]] = []
    try:
        for number, command in enumerate(commands):
            with (folder / f"{number}.log").open("wb") as said:
                given = [sys.executable, "-m", *command]
                environment = _environment(**variables)
                started.append(subprocess.Popen(given, env=environment, stdout=said, stderr=said, cwd=REPOSITORY))
        yield started
    finally:
        below = [one for process in started for one in _tree(process.pid)]
        for process in below:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        for process in started:
            process.wait()


def _tree(pid: int) -> list[psutil.Process]:
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


@contextlib.contextmanager
def ray_cluster(folder: Path) -> Iterator[EngineSettings]:
    """A head without CPUs, and two nodes of one CPU each."""
    port = free_port()
    small = ("--object-store-memory=80000000", f"--temp-dir=/tmp/ray-{port}", "--disable-usage-stats")
    head = ["ray.scripts.scripts", "start", "--head", f"--port={port}", "--num-cpus=0", "--block",
            "--include-dashboard=false", *small]  # fmt: skip
    node = ["ray.scripts.scripts", "start", f"--address=127.0.0.1:{port}", "--num-cpus=1", "--block",
            "--object-store-memory=80000000", "--disable-usage-stats"]  # fmt: skip
    with _running(folder, head) as [process]:
        log = folder / "0.log"
        wait_until(lambda: "Ray runtime started" in log.read_text() or process.poll() is not None, READY_SECONDS)
        (folder / "nodes").mkdir()
        with _running(folder / "nodes", node, node):
            yield EngineSettings("ray", f"127.0.0.1:{port}", cpus=1)


@contextlib.contextmanager
def dask_cluster(folder: Path) -> Iterator[EngineSettings]:
    """A scheduler and two workers of one thread each."""
    address = f"tcp://127.0.0.1:{free_port()}"
    port = address.rpartition(":")[2]
    scheduler = ["distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"]
    worker = ["distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny"]
    with _running(folder, scheduler, worker, worker):
        yield EngineSettings("dask", address)


@contextlib.contextmanager
def celery_cluster(folder: Path, redis_url: str) -> Iterator[EngineSettings]:
    """Two workers of one process each."""
    redis_url = redis_url.replace("unix://", "redis+socket://").replace("db=", "virtual_host=")
    worker = ["celery", "-A", "taskyard.worker.engines.celery_node", "worker", "-Q", "taskyard", "-c", "1", "-n"]
    variables = {"CELERY_BROKER_URL": redis_url}
    with _running(folder, [*worker, "one@here"], [*worker, "two@here"], **variables):
        yield EngineSettings("celery", redis_url)


@pytest.fixture(scope="module", params=["ray", "dask", "celery"])
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineSettings]:
    if lacking := lacking_extra(request.param):
        pytest.skip(lacking)
    folder = tmp_path_factory.mktemp(request.param)
    with contextlib.ExitStack() as opened:
        if request.param == "celery":
            redis_url = request.getfixturevalue("server_endpoints").redis_url
            yield opened.enter_context(celery_cluster(folder, redis_url))
        else:
            yield opened.enter_context({"ray": ray_cluster, "dask": dask_cluster}[request.param](folder))


@pytest.fixture
def make_bench(settings: EngineSettings) -> Iterator[Callable[[], SeatBench]]:
    made: list[SeatBench] = []

    def make() -> SeatBench:
        made.append(SeatBench(settings=settings, make=make_engine))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for bench in made:
        bench.runners.close(kill=True)


def test_attempts_of_every_isolation_run_in_seats(make_bench: Callable[[], SeatBench]) -> None:
    bench = make_bench()
    began = time.monotonic()
    for isolation in ("thread", "process", "async"):
        assert bench.value(f"{isolation}.noop", {"number": 7}) == {"number": 7}
    assert time.monotonic() - began < READY_SECONDS * 3
    pids = {bench.value("thread.pid", slot=slot)["number"] for slot in (0, 1)}
    assert len(pids) == 2


def test_killed_seat_and_killed_process_of_the_engine(make_bench: Callable[[], SeatBench], tmp_path: Path) -> None:
    """What an engine starts again by itself is refused: the next attempt runs in a seat that was asked for."""
    bench = make_bench()
    for victim in ("seat", "engine's process"):
        path = tmp_path / victim[0]
        started = bench.begin("process.leave_grandchild", {"path": str(path)})
        daemon = pid_in(path)
        seat = bench.seat()
        keeper = psutil.Process(seat.pid).parent()
        doomed = seat.pid if victim == "seat" else keeper.ppid()
        os.kill(doomed, signal.SIGKILL)
        assert started.failure()[0] == "crashed"
        wait_until(lambda daemon=daemon, pid=seat.pid: is_dead(daemon) and is_dead(pid))
        assert bench.value("process.noop", {"number": 3}) == {"number": 3}
        bench.runners.release(0)


def test_seats_end_with_their_agent(make_bench: Callable[[], SeatBench], tmp_path: Path) -> None:
    bench = make_bench()
    started = bench.begin("process.leave_grandchild", {"path": str(tmp_path / "pid")})
    daemon = pid_in(tmp_path / "pid")
    seat = bench.seat()
    bench.runners.close(kill=True)
    assert started.end() is None
    wait_until(lambda: is_dead(seat.pid) and is_dead(daemon))


def test_more_than_the_cluster_has_room_for_waits_and_says_why(settings: EngineSettings) -> None:
    if settings.name != "ray":
        pytest.skip("only Ray says what it lacks")
    wants = EngineSettings("ray", settings.address, gpus=1, wait_seconds=5)
    bench = SeatBench(settings=wants, make=make_engine)  # type: ignore[arg-type]
    try:
        reason = bench.runners.reserve(0, lambda: True)
        assert reason == "no seat came within 5 s: Ray has no 1 GPU free"
    finally:
        bench.runners.close(kill=True)


def test_every_known_engine_has_an_adapter() -> None:
    for known in ENGINES.values():
        module = known.place.partition(":")[0].removeprefix("taskyard.").replace(".", "/")
        assert (REPOSITORY / f"{module}.py").is_file()
