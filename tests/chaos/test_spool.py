"""Results that were finished while Redis was away, and whose agents then died: nothing runs again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from taskyard.core.config import load_settings
from taskyard.core.postgres.store import tasks
from taskyard.worker.agents import spool
from taskyard.worker.devtools.prove import records
from taskyard.worker.devtools.prove.load import accept
from taskyard.worker.devtools.prove.world import World
from tests.servers import kill_all, wait_until

TASKS = 6
PATIENCE_SECONDS = 20.0


@pytest.fixture
def world(data_dir: Path) -> Iterator[World]:
    with World(load_settings(data_dir=data_dir)) as built:
        yield built


def states(world: World, ids: list[str]) -> list[tuple[str, int]]:
    with world.database.transaction() as tx:
        return [(task.state.value, task.attempt) for task in (tasks.get_task(tx, task_id) for task_id in ids)]


def spooled(world: World) -> int:
    return sum(len(reports) for path in spool.left_behind(world.folder) for reports in spool.read(path))


def test_results_outlive_redis_and_their_agents(world: World) -> None:
    ready = world.folder / "redis is gone"
    ids = [accept(world, {"type": "prove.thread", "input": {"until_file": str(ready)}}) for _ in range(TASKS)]
    wait_until(lambda: states(world, ids) == [("in_progress", 1)] * TASKS, PATIENCE_SECONDS)
    running = world.processes()
    kill_all(running["redis"])
    ready.touch()
    wait_until(lambda: spooled(world) == TASKS, PATIENCE_SECONDS)
    kill_all(running["agents"])  # one that was still starting has ended by itself without Redis
    psutil.wait_procs(running["agents"], timeout=PATIENCE_SECONDS)
    world._redis.start()
    wait_until(lambda: states(world, ids) == [("completed", 1)] * TASKS, PATIENCE_SECONDS)
    wait_until(lambda: spool.left_behind(world.folder) == [], PATIENCE_SECONDS)
    assert len(records.read(world.ledger)) == TASKS, "each was executed once"
