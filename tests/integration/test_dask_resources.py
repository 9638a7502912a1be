"""What an agent asks of Dask becomes the resources of its workers, by the names of Dask's documentation."""

from __future__ import annotations

import pytest

from taskyard.worker.engines.known import make_engine
from taskyard.worker.engines.settings import EngineSettings
from tests.engine_extras import skip_without
from tests.integration.seat_bench import SeatBench

pytestmark = [pytest.mark.engines, pytest.mark.xdist_group("others"), pytest.mark.filterwarnings("ignore")]


def test_seat_comes_to_a_worker_with_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    skip_without("dask")
    from distributed import LocalCluster

    workers = {"n_workers": 1, "threads_per_worker": 2, "processes": False, "dashboard_address": None}
    with LocalCluster(resources={"GPU": 1, "MEMORY": 8e9}, **workers) as cluster:
        wanted = EngineSettings("dask", cluster.scheduler_address, gpus=1.0, memory_mib=4096, wait_seconds=60.0)
        bench = SeatBench(settings=wanted, make=make_engine)  # type: ignore[arg-type]
        try:
            assert bench.value("thread.noop", {"number": 1}) == {"number": 1}
        finally:
            bench.runners.close(kill=True)
        for more in ({"gpus": 2.0}, {"memory_mib": 16_000}):
            short = EngineSettings("dask", cluster.scheduler_address, wait_seconds=3.0, **more)  # type: ignore[arg-type]
            bench = SeatBench(settings=short, make=make_engine)  # type: ignore[arg-type]
            try:
                assert "Dask has no worker with " in bench.runners.reserve(0, "thread.noop", lambda: True)
            finally:
                bench.runners.close(kill=True)
