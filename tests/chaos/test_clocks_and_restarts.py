"""Clocks that disagree, agents that come and go a thousand times, pools that are exhausted."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest

import tests.engine
from taskyard.core.clock import Clock
from taskyard.core.config import Settings
from taskyard.core.errors import Unavailable
from taskyard.core.postgres import pools
from taskyard.core.postgres.database import Database
from taskyard.worker.agents import base
from taskyard.worker.attempts import execution
from tests.engine import Engine
from tests.servers import wait_until

SKEWS = [300.0, -300.0]
RESTARTS, NAMES = 1_000, 20


class SkewedClock(Clock):
    """The clock of a host that is wrong by `skew_seconds`."""

    skew_seconds = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.skew_seconds)


def check_that_time_is_the_databases(engine: Engine) -> None:
    now, later = engine.submit("demo.echo"), engine.submit("demo.echo", delay_seconds=0.5)
    for task_id in (now, later):
        task = engine.wait_for(task_id, "completed")
        assert (task.attempt, task.refunded) == (1, 0)
    due = [event.at for event in engine.history(later)]
    assert (due[1] - due[0]).total_seconds() >= 0.5, "it started before it was due"
    assert {agent.state for agent in engine.online()} == {"online"}, "nobody was reaped"


@pytest.mark.what_can_fail(13)
@pytest.mark.parametrize("skew_seconds", SKEWS)
def test_an_agent_whose_clock_is_wrong_works_on(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, skew_seconds: float
) -> None:
    def wrong() -> float:
        return time.time() + skew_seconds

    monkeypatch.setattr(execution, "time", wrong)
    monkeypatch.setattr(base, "time", SimpleNamespace(time=wrong, monotonic=time.monotonic, sleep=time.sleep))
    engine.worker()
    engine.agent()
    check_that_time_is_the_databases(engine)


@pytest.mark.what_can_fail(13)
@pytest.mark.parametrize("skew_seconds", SKEWS)
def test_a_leader_whose_clock_is_wrong_starts_nothing_early_or_late(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, skew_seconds: float
) -> None:
    monkeypatch.setattr(SkewedClock, "skew_seconds", skew_seconds)
    monkeypatch.setattr(tests.engine, "Clock", SkewedClock)
    engine.worker()
    engine.agent()
    check_that_time_is_the_databases(engine)


@pytest.mark.slow
def test_a_thousand_restarts_leave_nothing_behind(engine: Engine) -> None:
    engine.worker()
    names = [f"agent-{number}" for number in range(NAMES)]

    def restart(name: str, times: int) -> None:
        for _ in range(times):
            engine.agent(name, max_concurrency=1).stop()

    with ThreadPoolExecutor(NAMES) as pool:
        list(pool.map(restart, names, [1] * NAMES))
        wait_until(lambda: not engine.online())
        before = engine.keys()
        list(pool.map(restart, names, [RESTARTS // NAMES] * NAMES))
    wait_until(lambda: not engine.online())
    wait_until(lambda: engine.keys() <= before, message=f"{engine.keys()} were {before}")

    def boots() -> int:
        with engine.database.transaction() as tx:
            return int(tx.rows("SELECT count(*) FROM agents", {})[0][0])

    wait_until(lambda: boots() == NAMES, message="earlier boots of a name are forgotten")


@pytest.mark.what_can_fail(17)
def test_an_exhausted_pool_is_an_error_in_time_and_not_a_hang(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "POOL_TIMEOUT_SECONDS", 0.2)
    database = Database(str(settings.database_url), pool_size=1)  # and one more beyond the pool
    with database.transaction(), database.transaction():
        began = time.monotonic()
        with (
            pytest.raises(Unavailable, match=r"no database connection became free within 0\.2 s"),
            database.transaction(),
        ):
            pass
        assert time.monotonic() - began < 5
    with database.transaction() as tx:
        assert tx.rows("SELECT 1", {}) == [(1,)]
    database.close()
