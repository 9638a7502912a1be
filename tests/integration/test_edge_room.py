"""Agents whose seats only hosts bring: they get what their hosts can run, and keep nothing that others could."""

from __future__ import annotations

from pathlib import Path

import pytest

from taskyard.core.clock import Clock
from taskyard.core.config import Settings
from taskyard.core.explain import why
from taskyard.core.redis.cache import RedisCache
from taskyard.core.telemetry.live_snapshot import read_live
from taskyard.worker.agents.pool_config import AgentSpec
from taskyard.worker.monitor.monitor import Monitor
from tests.engine import Engine, engine_for_processes
from tests.servers import wait_until
from tests.site_hosts import Hosts, site_of_hosts

NOBODY = "no host has dialled in with a seat"


def agent_of(hosts: Hosts, name: str = "far-1", slots: int = 2) -> AgentSpec:
    return AgentSpec(name, name.partition("-")[0], ("thread.*",), (), slots, engine=hosts.settings)


class Watch:
    """What the leader tells of agents and of what waits."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        [worker] = engine.workers
        self._monitor = Monitor(engine.settings, engine.database, engine.broker, worker.dispatcher, "test", Clock())
        self._cache = RedisCache(engine.redis, engine.broker.keys)

    def until_slots(self, name: str, count: int) -> None:
        """Waits until an agent has registered that can run so many tasks at once."""

        def has_them() -> bool:
            self._monitor.observe()
            live = read_live(self._cache)
            agents = live.agents if live is not None else []
            return any(one.name == name and one.seats and one.usable_slots == count for one in agents)

        wait_until(has_them, 60)

    def until_why(self, task_id: str, part: str) -> None:
        """Waits until the reason why a task waits has a part."""
        engine = self._engine

        def says_it() -> bool:
            self._monitor.observe()
            found = why(engine.database, engine.broker, self._cache, task_id, engine.settings.auth)
            return part in found.summary

        wait_until(says_it, 60)


def test_agent_without_hosts_gets_nothing_while_another_has_room(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("far", "near"):
        (tmp_path / name).mkdir()
    with (
        site_of_hosts(tmp_path / "far") as far,
        site_of_hosts(tmp_path / "near") as near,
        engine_for_processes(settings, monkeypatch) as engine,
        engine.pool(agent_of(far), agent_of(near, "near-1")),
    ):
        watch = Watch(engine)
        watch.until_slots("far-1", 0)
        near.start()
        watch.until_slots("near-1", 1)
        tasks = [{"type": "thread.noop", "input": {"number": n}} for n in range(6)]
        found = engine.submitter.submit_many(tasks)
        engine.wait_for_all(found, timeout_seconds=60)
        assert {(engine.task(one).assigned_agent_id or "").partition(":")[0] for one in found} == {"near-1"}


def test_task_stays_in_its_lane_until_a_host_dials_in_and_goes_back_to_it_when_the_last_one_leaves(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    with (
        site_of_hosts(tmp_path) as hosts,
        engine_for_processes(settings, monkeypatch) as engine,
        engine.pool(agent_of(hosts)),
    ):
        watch = Watch(engine)
        watch.until_slots("far-1", 0)
        given = {"path": str(ledger), "seconds": 3.0}
        [first, second] = engine.submitter.submit_many([{"type": "thread.note", "input": given, "max_attempts": 1}] * 2)
        watch.until_why(first, f"far-1: {NOBODY}")
        number = hosts.start(count=1, grace_seconds=60)
        wait_until(lambda: ledger.exists() and ledger.read_text().endswith("\n"), 60)
        hosts.started[number].terminate()  # what runs finishes; the other one has nobody
        assert hosts.started[number].wait(60) == 0
        wait_until(lambda: {engine.task(first).state, engine.task(second).state} == {"completed", "pending"}, 60)
        watch.until_slots("far-1", 0)
        hosts.start(count=2)
        engine.wait_for_all([first, second], timeout_seconds=60)
        assert {engine.task(one).state for one in (first, second)} == {"completed"}
        assert len(ledger.read_text().splitlines()) == 2
