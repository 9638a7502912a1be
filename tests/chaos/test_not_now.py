"""Redis that can't save, for real; and a worker whose host's clock is set while it runs."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import redis

from taskyard.core.config import Settings, load_settings
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.pools import connect_engine
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.connection import connect_redis
from taskyard.core.submission.submit import Submitter
from taskyard.core.task_types.registry import registry
from taskyard.worker.agents.pool_config import AgentSpec
from tests.engine import running_engine, set_agent_environment
from tests.own_servers import OwnServers
from tests.servers import REPOSITORY, wait_until

FAKETIME = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
TTL_SECONDS = 3.0
HOUR, YEAR = 3600, 365 * 86400


@contextmanager
def refusing_to_save(client: redis.Redis) -> Iterator[None]:
    """What a full disk does: a snapshot fails, and from then on every write is answered by MISCONF."""
    before = {name: client.config_get(name)[name] for name in ("dir", "save")}
    client.config_set("save", "1 1")
    client.config_set("dir", "/proc")  # nobody can write there
    client.config_set("stop-writes-on-bgsave-error", "yes")
    client.set("taskyard:test:changed", "1")
    with contextlib.suppress(redis.ResponseError):  # `save` may have begun one
        client.bgsave()
    wait_until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", 20)
    with pytest.raises(redis.ResponseError, match="MISCONF"):
        client.set("taskyard:test:changed", "2")
    try:
        yield
    finally:
        client.config_set("dir", before["dir"])
        wait_until(lambda: _saves(client), 20)
        client.config_set("save", before["save"])


def _saves(client: redis.Redis) -> bool:
    """Has a snapshot made unless one is under way already, by the same setting that makes it fail."""
    with contextlib.suppress(redis.ResponseError):
        client.bgsave()
    return bool(client.info("persistence")["rdb_last_bgsave_status"] == "ok")


@pytest.mark.slow
def test_redis_that_cannot_save_stops_nobody_for_longer_than_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data_dir: Path
) -> None:
    """Longer than a heartbeat's life: agents that live, one that starts meanwhile, the pool and who submits."""
    data_dir.mkdir(parents=True)
    servers = OwnServers(data_dir)
    try:
        settings = load_settings(
            database_url=servers.database_url,
            redis_url=servers.redis_url,
            data_dir=data_dir,
            agent_ttl_seconds=TTL_SECONDS,
        )
        set_agent_environment(monkeypatch, settings)
        registry.load(["tests.task_types"])
        specs = [AgentSpec(f"a-{n}", "a", ("diagnostic.*",), (), 2) for n in (1, 2)]
        with running_engine(settings, registry) as engine, connect_redis(servers.redis_url) as client:
            engine.worker()
            with engine.pool(*specs) as pool:
                with refusing_to_save(client):
                    began, submitted = time.monotonic(), []
                    victim = psutil.Process(next(m.process.pid for m in pool._members if m.process is not None))
                    victim.kill()
                    while time.monotonic() - began < TTL_SECONDS + 2:
                        submitted.append(engine.submit("diagnostic.noop"))
                        time.sleep(0.2)
                for task_id in submitted:
                    assert engine.wait_for(task_id, timeout_seconds=20).state == "completed"
                assert pool.alive == 2
                wait_until(lambda: {agent.name for agent in engine.online()} == {"a-1", "a-2"}, 20)
                again = [engine.submit("diagnostic.noop") for _ in range(20)]
                for task_id in again:
                    assert engine.wait_for(task_id).state == "completed"
                assert {engine.task(task_id).assigned_agent_id for task_id in again}
    finally:
        servers.stop()


@pytest.fixture
def faked(settings: Settings, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A worker with one agent on the tests' servers; the clock of both says what a file says."""
    stamp, pool = tmp_path / "clock", tmp_path / "pool.toml"
    set_clock(stamp, 0)
    pool.write_text('[[agents]]\nkind = "tiny"\ncount = 1\ntypes = ["diagnostic.*"]\nmax_concurrency = 2\n')
    environment = {
        **os.environ,
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(stamp),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "TASKYARD_DATABASE_URL": str(settings.database_url),
        "TASKYARD_REDIS_URL": str(settings.redis_url),
        "TASKYARD_NAMESPACE": settings.namespace,
        "TASKYARD_DATA_DIR": str(settings.data_dir),
        "TASKYARD_POOL_FILE": str(pool),
        "TASKYARD_METRICS_PORT": "0",
        "TASKYARD_AGENT_TTL_SECONDS": "3",
    }
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "worker", "run"], cwd=REPOSITORY, env=environment, stdout=log, stderr=log
        )
        try:
            yield process, stamp
        finally:
            process.terminate()
            process.wait(30)
            print((tmp_path / "log").read_text()[-4000:])


def set_clock(stamp: Path, offset_seconds: float) -> None:
    """Has the worker's clock be off by so much from now on."""
    new = stamp.with_suffix(".new")
    new.write_text(f"{offset_seconds:+.0f}")
    new.replace(stamp)


@pytest.mark.slow
@pytest.mark.skipif(FAKETIME is None, reason="needs Debian's package faketime, which .ci/run installs")
def test_a_clock_that_is_set_stops_no_duty(faked: tuple[subprocess.Popen[bytes], Path], settings: Settings) -> None:
    process, stamp = faked
    registry.load([])
    database = Database(str(settings.database_url))
    with connect_redis(str(settings.redis_url)) as client:
        broker = Broker(client, settings.namespace, settings.placement_of)
        submitter = Submitter(settings, registry, database, broker)

        def runs() -> None:
            """A task that only the sweep can find, and so one that needs the scheduler's duties."""
            with connect_engine(database.url, pool_size=1).begin() as connection:
                task_id = submitter.submit("diagnostic.noop", connection=connection)
            wait_until(lambda: submitter.result(task_id, 0).state == "completed", 20, "nobody swept")

        wait_until(lambda: process.poll() is not None or (broker.keys and client.exists(broker.keys.epoch)), 30)
        runs()
        memory = psutil.Process(process.pid).memory_info().rss
        for offset in (-HOUR, 3 * YEAR):
            set_clock(stamp, offset)
            for _ in range(3):
                runs()
        assert psutil.Process(process.pid).memory_info().rss < memory + (60 << 20)
        with database.transaction() as tx:
            [[partitions]] = tx.rows("SELECT count(*) FROM pg_inherits WHERE inhparent = 'task_events'::regclass", {})
            assert partitions < 20, "days by the database's time, not by the host's"
    database.close()
