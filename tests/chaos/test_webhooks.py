"""Webhooks while workers die: what ended arrives, and what arrives twice has the same id."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskyard.core.config import Settings
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import tasks
from taskyard.worker.webhooks.courier import LEASE_SECONDS, LINES_OF_ONE
from tests.servers import REPOSITORY, wait_until
from tests.webhook_yard import Yard, ids_of
from tests.webhooks import webhook_server

START_SECONDS, TAKEOVER_SECONDS = 60, 30  # of a busy machine
ENDS = 120


@pytest.fixture
def two_workers(settings: Settings, tmp_path: Path) -> Iterator[dict[int, subprocess.Popen[bytes]]]:
    """A leader and a standby, by process id."""
    (tmp_path / "pool.toml").write_text('[[agents]]\nkind = "tiny"\ncount = 1\ntypes = ["diagnostic.*"]\n')
    environment = {
        **os.environ,
        "TASKYARD_DATABASE_URL": str(settings.database_url),
        "TASKYARD_REDIS_URL": str(settings.redis_url),
        "TASKYARD_NAMESPACE": settings.namespace,
        "TASKYARD_POOL_FILE": str(tmp_path / "pool.toml"),
        "TASKYARD_METRICS_PORT": "0",
        "TASKYARD_WEBHOOK_PRIVATE_ADDRESSES": "true",
    }
    started = []
    with (tmp_path / "log").open("wb") as log:
        for name in ("one", "two"):
            own = {**environment, "TASKYARD_DATA_DIR": str(tmp_path / name)}
            command = [sys.executable, "-m", "worker", "run"]
            started.append(subprocess.Popen(command, cwd=REPOSITORY, env=own, stdout=log, stderr=log))
    yield {process.pid: process for process in started}
    for process in started:
        process.kill()
        process.wait()
    print((tmp_path / "log").read_text()[-4000:])


def states(yard: Yard) -> list[str]:
    with yard.database.transaction() as tx:
        return [state for (state,) in tx.rows("SELECT state FROM webhook_deliveries", {})]


def test_a_killed_leader_loses_no_message(two_workers: dict[int, subprocess.Popen[bytes]], settings: Settings) -> None:
    database = Database(settings.database_url or "")
    yard = Yard(settings.model_copy(update={"webhook_private_addresses": True}), database)

    def leader() -> subprocess.Popen[bytes] | None:
        with database.transaction() as tx:
            return two_workers.get(int(tasks.leader(tx)[1].rpartition(":")[2] or 0))

    with webhook_server() as hook:
        yard.create("ci", hook.url)
        first = wait_until(leader, START_SECONDS)
        ended = yard.end(count=ENDS)
        hook.answers = lambda number: (first.kill() if number == ENDS // 3 else None, (200, {}))[1]
        wait_until(lambda: first.poll() is not None, TAKEOVER_SECONDS)
        ended += yard.end(count=ENDS)  # while nobody leads
        second = wait_until(lambda: (now := leader()) is not first and now, TAKEOVER_SECONDS)
        wait_until(lambda: states(yard).count("delivered") >= 2 * ENDS - LINES_OF_ONE, TAKEOVER_SECONDS)
        with database.transaction() as tx:
            rows = tx.rows("SELECT id::text FROM webhook_deliveries WHERE state = 'pending'", {})
        under_way = {id_ for (id_,) in rows}
        yard.hours_pass((LEASE_SECONDS + 1) / 3600)  # after which what the dead one had begun is sent again
        wait_until(lambda: set(states(yard)) == {"delivered"}, TAKEOVER_SECONDS)
        with database.transaction() as tx:
            told = dict(tx.rows("SELECT id::text, task_id::text FROM webhook_deliveries", {}))
    database.close()

    assert first.returncode == -signal.SIGKILL
    assert second.poll() is None
    assert sorted(told.values()) == sorted(ended), "one message for each end"
    arrived = Counter(ids_of(hook))
    assert arrived.keys() == told.keys()
    assert max(arrived.values()) == 2, "what the dead one was sending comes again"
    assert {id_ for id_, count in arrived.items() if count > 1} <= under_way
    assert len(under_way) <= LINES_OF_ONE
    bodies = dict(zip(ids_of(hook), (body for _, body in hook.requests), strict=True))
    assert all(body == bodies[id_] for id_, (_, body) in zip(ids_of(hook), hook.requests, strict=True))
