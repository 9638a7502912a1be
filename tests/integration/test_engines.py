"""Ray, Dask and Celery as they are: clusters of two nodes on this host, whose seats run real attempts.

They run where the extras are installed: `make test-engines`.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from taskyard.core.embedded.redis import RedisServer
from taskyard.core.redis.connection import connect_redis
from taskyard.worker.devtools.clusters.cluster import CLUSTERS, open_cluster
from taskyard.worker.engines.known import ENGINES, make_engine
from taskyard.worker.engines.settings import EngineSettings
from tests.engine_extras import skip_without
from tests.integration.seat_bench import SeatBench
from tests.integration.slot_bench import is_dead, pid_in
from tests.servers import REPOSITORY, Endpoints, wait_until

pytestmark = [pytest.mark.engines, pytest.mark.xdist_group("ray"), pytest.mark.filterwarnings("ignore")]
READY_SECONDS = 60


@pytest.fixture(scope="module", params=CLUSTERS)
def settings(
    request: pytest.FixtureRequest, server_endpoints: Endpoints, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EngineSettings]:
    skip_without(request.param)
    folder = tmp_path_factory.mktemp(request.param)
    with open_cluster(request.param, folder, server_endpoints.redis_url) as cluster:
        yield cluster.settings


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
        reason = bench.runners.reserve(0, "thread.noop", lambda: True)
        assert reason == "no seat came within 5 s: Ray has no node with 1 GPU"
    finally:
        bench.runners.close(kill=True)


def test_scheduler_that_was_away_for_longer_than_dask_waits_is_used_again(
    server_endpoints: Endpoints, tmp_path: Path
) -> None:
    skip_without("dask")
    cluster = open_cluster("dask", tmp_path, server_endpoints.redis_url)
    with cluster:
        bench = SeatBench(settings=cluster.settings, make=make_engine)  # type: ignore[arg-type]
        try:
            assert bench.value("thread.noop", {"number": 1}) == {"number": 1}
            bench.runners.release(0)
            cluster.close()
            wait_until(lambda: bench.runners.report().problem.startswith("dask does not answer"), 120)
            cluster.__enter__()
            cluster.start_node()  # none begins by itself once it was closed
            assert bench.value("thread.noop", {"number": 2}) == {"number": 2}
        finally:
            bench.runners.close(kill=True)


def test_every_known_engine_has_an_adapter() -> None:
    for known in ENGINES.values():
        module = known.place.partition(":")[0].removeprefix("taskyard.").replace(".", "/")
        assert (REPOSITORY / f"{module}.py").is_file()


def test_seats_that_a_wiped_broker_loses_are_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    skip_without("celery")
    from taskyard.worker.engines import celery_engine

    monkeypatch.setattr(celery_engine, "LOOK_SECONDS", 1.0)
    server = RedisServer(tmp_path)
    server.start()
    try:
        with (
            connect_redis(server.url) as broker,
            open_cluster("celery", tmp_path / "nodes", server.url, nodes=0) as cluster,
        ):
            bench = SeatBench(settings=cluster.settings, make=make_engine)  # type: ignore[arg-type]
            started = bench.begin("thread.noop", {"number": 5})
            wait_until(lambda: broker.llen("taskyard") == 1, timeout_seconds=READY_SECONDS)
            broker.flushall()
            wait_until(lambda: broker.llen("taskyard") == 1, timeout_seconds=READY_SECONDS)
            cluster.start_node()
            done = started.end(READY_SECONDS)
            assert done is not None
            assert done.failure is None
            bench.runners.close(kill=True)
    finally:
        server.stop()
