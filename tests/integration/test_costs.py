"""What a task costs on any machine: counted, and not more than was accepted."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from taskyard.core.config import Settings
from taskyard.core.postgres.database import Database
from taskyard.core.redis.connection import connect_redis
from taskyard.core.task_types.registry import registry
from taskyard.worker.devtools.bench import costs
from taskyard.worker.devtools.bench.checkout import checkout_file
from taskyard.worker.devtools.bench.costs.accepted import COSTS_FILE, accepted_in, changes
from taskyard.worker.devtools.bench.costs.allocations import allocations
from taskyard.worker.devtools.bench.costs.scene import Scene
from taskyard.worker.devtools.bench.costs.wires import Wires, wires
from tests.servers import REPOSITORY

embedded = pytest.mark.skipif("TASKYARD_TEST_DATABASE_URL" in os.environ, reason="the relays know Unix sockets only")


def between(settings: Settings) -> AbstractContextManager[Wires]:
    """What counts between this test and its servers."""
    return wires(str(settings.database_url), str(settings.redis_url))


def test_costs_have_not_risen(tmp_path: Path) -> None:
    """In a process of its own: what measures coverage here would allocate, too."""
    ran = subprocess.run(
        [sys.executable, "-m", "taskyard", "bench", "costs"],
        env={**os.environ, "TASKYARD_DATA_DIR": str(tmp_path), "PYTHONPATH": str(REPOSITORY)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    assert "claim_350" in ran.stdout


@embedded
def test_one_more_statement_is_a_rise(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.load()
    tick = Scene.tick

    def with_one_more(scene: Scene) -> None:
        tick(scene)
        with scene.database.statements() as tx:
            tx.rows("SELECT 1", {})

    monkeypatch.setattr(Scene, "tick", with_one_more)
    for count in costs.REPEATS:
        monkeypatch.setitem(costs.REPEATS, count, 3)
    with between(settings) as wired:
        found = costs.counted(settings, wired.database_url, wired.redis_url, wired.counted)
    accepted = accepted_in(checkout_file(COSTS_FILE, "test"))
    rises = [
        change
        for change in changes(accepted, costs.results_of(found))
        if change.unit in {"statements", "transactions", "round trips", "commands"}
    ]
    assert {change.name: change.now - change.before for change in rises} == {
        f"{step}_{cost}": 1.0
        for step in ("claim_1", "claim_350", "settle_1", "settle_350")
        for cost in ("postgres_round_trips", "statements", "transactions")
    }


@embedded
def test_what_the_servers_were_asked_is_counted(settings: Settings) -> None:
    with between(settings) as wired:
        database, client = Database(wired.database_url), connect_redis(wired.redis_url)

        def ask() -> None:
            with database.statements() as tx:
                tx.rows("SELECT 1; SELECT 2", {})
            with database.transaction() as tx:
                tx.rows("SELECT 3", {})
            client.pipeline(transaction=False).ping().ping().execute()
            client.eval("redis.call('TIME') return redis.call('TIME')", 0)

        ask()  # connects
        found = wired.counted(ask)
        database.close()
        client.close()
    assert found.pop("redis_bytes_sent") > found.pop("redis_bytes_received") > 0
    assert found == {
        "statements": 5,  # BEGIN and COMMIT are two
        "transactions": 2,
        "postgres_round_trips": 4,
        "wal_bytes": 0,
        "redis_round_trips": 2,
        "redis_commands": 5,
    }


def test_allocations_are_counted() -> None:
    def act() -> None:
        kept.append([bytearray(10_000) for _ in range(1_000)])

    kept: list[object] = []
    assert 1_000 <= allocations(act)["allocations"] <= 3_000
