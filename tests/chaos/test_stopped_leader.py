"""A leader that is frozen and goes on: P1. Real workers, stopped by SIGSTOP."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from taskyard.core.config import load_settings
from taskyard.core.postgres.database import queries
from taskyard.core.postgres.store import tasks
from taskyard.worker.devtools.prove import oracle, records, world
from taskyard.worker.devtools.prove.load import accept
from taskyard.worker.devtools.prove.world import World
from tests.servers import wait_until

TAKEOVER_SECONDS = 15.0  # P1's timeouts are 3 s; a busy machine gets some more


@pytest.fixture
def three_workers(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(world, "WORKERS", 3)
    with World(load_settings(data_dir=data_dir)) as built:
        yield built


def term(built: World) -> tuple[int, int]:
    """(epoch, process id of the leader)."""
    with built.database.transaction() as tx:
        epoch, worker, _ = tasks.leader(tx)
    return epoch, int(worker.rpartition(":")[2])


def submit(built: World, count: int) -> None:
    for _ in range(count):
        accept(built, {"type": "prove.thread", "input": {"seconds": 0.02}})


@pytest.mark.what_can_fail(14)
def test_a_frozen_leader_loses_its_lead_and_stands_by_when_it_goes_on(three_workers: World) -> None:
    built = three_workers
    submit(built, 30)
    epoch, frozen = term(built)
    os.kill(frozen, signal.SIGSTOP)
    try:
        submit(built, 30)
        wait_until(lambda: term(built)[0] > epoch, TAKEOVER_SECONDS)
        next_epoch, successor = term(built)
        assert (next_epoch, successor != frozen) == (epoch + 1, True)
        wait_until(lambda: not built.open_tasks(), TAKEOVER_SECONDS)
    finally:
        os.kill(frozen, signal.SIGCONT)
    submit(built, 30)
    wait_until(lambda: not built.open_tasks(), TAKEOVER_SECONDS)
    assert term(built) == (next_epoch, successor), "the one that went on does not take the lead back"
    assert psutil.Process(frozen).is_running()
    os.kill(successor, signal.SIGKILL)
    submit(built, 30)
    built.wait(lambda: not built.open_tasks(), "the work of the third term")
    assert term(built)[0] == next_epoch + 1
    assert verdict_of(built).is_kept


def verdict_of(built: World) -> oracle.Verdict:
    with built.database.transaction() as tx:
        rows = tx.rows(queries("prove")["outcomes"], {})
    accepted = dict(records.read(built.journal))
    outcomes = {row[0]: oracle.Outcome(*row[1:]) for row in rows}
    return oracle.judge(accepted, outcomes, records.read(built.ledger), kills=2, slots=world.AGENTS * world.SLOTS)
