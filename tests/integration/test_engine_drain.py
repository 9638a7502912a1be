"""Agents of Ray, Dask and Celery drain on a signal, and outlive a cluster that goes and comes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from taskyard.core.config import Settings
from taskyard.core.embedded.redis import RedisServer
from taskyard.worker.agents.pool_config import AgentSpec
from taskyard.worker.devtools.clusters.cluster import CLUSTERS, Cluster, open_cluster
from taskyard.worker.engines.apart import CLIENT_MODULE
from tests.engine import Engine, engine_for_processes
from tests.engine_extras import skip_without
from tests.servers import wait_until

pytestmark = [pytest.mark.engines, pytest.mark.xdist_group("ray"), pytest.mark.filterwarnings("ignore")]
PATIENCE_SECONDS = 120.0
AWAY_SECONDS = 35.0  # longer than any client waits without a word


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=CLUSTERS)
def cluster(request: pytest.FixtureRequest, tmp_path: Path, broker: RedisServer) -> Iterator[Cluster]:
    skip_without(request.param)
    with open_cluster(request.param, tmp_path / "cluster", broker.url, nodes=1) as cluster:
        yield cluster


@pytest.fixture
def engine(cluster: Cluster, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine with an agent, in a process of its own, of one seat in the cluster."""
    spec = AgentSpec("seated-1", "seated", ("process.*",), (), 1, engine=cluster.settings)
    with engine_for_processes(settings, monkeypatch) as engine, engine.pool(spec):
        yield engine


def pid_of_agent(engine: Engine) -> int:
    return wait_until(lambda: engine.online(), PATIENCE_SECONDS)[0].pid  # type: ignore[no-any-return]


def submit_one(engine: Engine, ledger: Path, seconds: float = 0.0) -> str:
    given = {"path": str(ledger), "seconds": seconds}
    [task_id] = engine.submitter.submit_many([{"type": "process.note", "input": given, "timeout_seconds": 120}])
    return str(task_id)


def attempts(ledger: Path) -> list[str]:
    return [line.split()[1] for line in ledger.read_text().splitlines()] if ledger.exists() else []


def test_a_drain_lets_what_runs_finish(engine: Engine, tmp_path: Path) -> None:
    """A supervisor signals all processes of a service at once: the agent, and the client of its engine."""
    ledger = tmp_path / "ledger"
    task_id = submit_one(engine, ledger, seconds=5.0)
    wait_until(lambda: attempts(ledger), PATIENCE_SECONDS)
    agent = psutil.Process(pid_of_agent(engine))
    clients = [child for child in agent.children() if CLIENT_MODULE in child.cmdline()]
    for process in (agent, *clients):
        os.kill(process.pid, signal.SIGTERM)
    engine.wait_for_all([task_id], timeout_seconds=PATIENCE_SECONDS)
    assert (engine.task(task_id).state, attempts(ledger)) == ("completed", ["1"])


def test_agent_outlives_a_cluster_that_comes_anew(
    engine: Engine, cluster: Cluster, broker: RedisServer, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    engine.wait_for_all([submit_one(engine, first)], timeout_seconds=PATIENCE_SECONDS)
    agent = pid_of_agent(engine)
    cluster.close()
    broker.stop()
    task_id = submit_one(engine, second)
    time.sleep(AWAY_SECONDS)
    broker.start()
    cluster.__enter__()
    cluster.start_node()  # none begins by itself once it was closed
    engine.wait_for_all([task_id], timeout_seconds=PATIENCE_SECONDS)
    assert (engine.task(task_id).state, attempts(second)) == ("completed", ["1"])
    assert pid_of_agent(engine) == agent
