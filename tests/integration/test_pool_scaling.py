"""Changing how many agents of a kind run: up at once, down when they have finished, kept through restarts."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from taskyard.core.config import Settings
from taskyard.core.errors import SubmissionError
from taskyard.core.postgres.store import pool_sizes
from taskyard.core.redis.pools import TTL_SECONDS, KindReport, PoolReport, Pools
from taskyard.core.submission.pool_commands import reset_pool, scale_pool
from taskyard.worker.agents.pool import Pool
from taskyard.worker.agents.pool_config import AgentKind
from taskyard.worker.agents.pool_sizing import Sizing
from taskyard.worker.doctor.absent_agents import judge_absent
from taskyard.worker.engines.settings import EngineSettings
from taskyard.worker.maintenance.pool_sizes import PoolSizes
from tests.engine import Engine, engine_for_processes
from tests.servers import wait_until

CODER = AgentKind("coder", 2, ("process.*", "diagnostic.*"), (), 1)


@pytest.fixture
def engine(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    with engine_for_processes(settings, monkeypatch) as engine:
        yield engine


@contextlib.contextmanager
def pool_of(engine: Engine, *kinds: AgentKind, suffix: str = "", count: int | None = None) -> Iterator[Pool]:
    """A pool whose sizes come from PostgreSQL by way of Redis, as on a host of agents; `count` agents work then."""
    pools = Pools(engine.redis, engine.broker.keys)
    sizing = Sizing(kinds, pools, suffix)
    pool = Pool([], engine.settings.redis_url or "", engine.broker, 5.0, engine.settings.data_dir, sizing=sizing)
    thread = threading.Thread(target=pool.run, name="pool", daemon=True)
    thread.start()
    try:
        wait_until(lambda: len(engine.online()) == (pool.size if count is None else count), 30)
        yield pool
    finally:
        pool.stop()
        thread.join()


def copy(engine: Engine) -> None:
    """What the leader does every second."""
    pools = Pools(engine.redis, engine.broker.keys)
    PoolSizes(engine.database, pools, Sizing((), pools, is_told=False), lambda: True).copy()


def scale(engine: Engine, kind: str, count: int, reason: str = "") -> bool:
    with engine.database.transaction() as tx:
        changed = scale_pool(tx, Pools(engine.redis, engine.broker.keys), kind, count, "ann", reason)
    copy(engine)
    return changed


def names(engine: Engine) -> set[str]:
    return {agent.name for agent in engine.online()}


def audit(engine: Engine) -> list[tuple[str, dict[str, object]]]:
    with engine.database.transaction() as tx:
        rows = tx.rows("SELECT event, detail FROM task_events WHERE event LIKE 'pool%%' ORDER BY at", {})
    return [tuple(row) for row in rows]  # type: ignore[misc]


def test_a_pool_grows_at_once_and_shrinks_when_its_agents_have_finished(engine: Engine) -> None:
    with pool_of(engine, CODER) as pool:
        assert scale(engine, "coder", 3, "the release")
        wait_until(lambda: names(engine) == {"coder-1", "coder-2", "coder-3"}, 30)
        assert not scale(engine, "coder", 3)

        ids = [engine.submit("process.sleep", {"seconds": 8}) for _ in range(3)]
        for task_id in ids:
            engine.wait_for(task_id, "in_progress")
        assert scale(engine, "coder", 1)
        wait_until(lambda: sum(member.is_leaving for member in pool._members) == 2, 5)
        later = engine.submit("diagnostic.echo", {"value": "for the one that stays"})
        engine.wait_for_all([*ids, later], timeout_seconds=30)
        wait_until(lambda: names(engine) == {"coder-1"}, 15)
        wait_until(lambda: pool.alive == 1, 15)
        assert pool.problems() == []
        for task_id in ids:  # finished where they ran, although 8 s is longer than the grace period
            assert (engine.task(task_id).attempt, engine.task(task_id).refunded) == (1, 0)
        assert str(engine.task(later).assigned_agent_id).startswith("coder-1:")
    assert audit(engine) == [
        ("pool_scaled", {"kind": "coder", "count": 3, "before": 2, "reason": "the release"}),
        ("pool_scaled", {"kind": "coder", "count": 1, "before": 3, "reason": ""}),
    ]


def test_a_restarted_pool_keeps_its_size_until_it_is_reset(engine: Engine) -> None:
    with pool_of(engine, CODER):
        scale(engine, "coder", 1)
        wait_until(lambda: names(engine) == {"coder-1"}, 30)
    with pool_of(engine, CODER, count=1):
        engine.redis.delete(engine.broker.keys.pool_sizes)  # as after a wipe: the pool stays as it is
        assert names(engine) == {"coder-1"}
        with engine.database.transaction() as tx:
            assert pool_sizes.pool_sizes(tx)["coder"].actor == "ann"
            assert reset_pool(tx, "coder", "bob", "calm again")
            assert not reset_pool(tx, "coder", "bob", "")
        copy(engine)
        wait_until(lambda: names(engine) == {"coder-1", "coder-2"}, 30)
    assert audit(engine)[-1] == ("pool_reset", {"kind": "coder", "before": 1, "reason": "calm again"})


def test_a_pool_with_a_suffix_goes_by_its_file(engine: Engine) -> None:
    with pool_of(engine, AgentKind("coder", 1, ("diagnostic.*",), (), 1), suffix="pod-x1"):
        assert names(engine) == {"coder-1-pod-x1"}
        wait_until(lambda: Pools(engine.redis, engine.broker.keys).reports())
        with pytest.raises(SubmissionError, match="go by its file alone"):
            scale(engine, "coder", 5)


def test_agents_that_fail_to_start_do_not_count_as_running_and_say_why(engine: Engine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        broken = AgentKind("broken", 1, ("lab.*",), (), 1, engine=EngineSettings("local", listen=listen))
        with pool_of(engine, broken, CODER, count=2) as pool:
            pools = Pools(engine.redis, engine.broker.keys)

            def told() -> dict[str, KindReport]:
                return {one.kind: one for report in pools.reports() for one in report.kinds}

            wait_until(lambda: told()["broken"].absent and told()["broken"].absent[0].failures > 1, 60)
            found = told()["broken"]
            assert (found.running, found.starting, found.failing, found.most) == (0, 0, 1, 1)
            assert (found.absent[0].name, found.absent[0].reason) == (
                "broken-1",
                f"engine.listen: {listen!r} can't be used: another program, or another agent, listens there already",
            )
            wait_until(lambda: told()["coder"].running == 2, 20)
            assert told()["coder"].absent == []
            reports = pools.reports()
            [check, coders] = judge_absent(reports)
            assert (check.warning, coders.ok) == (True, True)
            [text] = [absent.text for report in reports for one in report.kinds for absent in one.absent]
            assert f"0 of 1 wanted agents of kind broken run: {text}" in check.found
            with pytest.raises(SubmissionError, match="at most 1: its pool file gives it one port"):
                scale(engine, "broken", 2)
            assert pool.sizing is not None
            pool.sizing.sizes = {"broken": 2}  # somebody has chosen it when the file was another one
            assert pool.sizing.wanted(broken) == 1
            taken.close()
            wait_until(lambda: told()["broken"].running == 1, 60)
            assert told()["broken"].absent == []


def test_what_cannot_be_scaled_is_refused(engine: Engine) -> None:
    pools = Pools(engine.redis, engine.broker.keys)
    kind = KindReport("coder", ["code.*"], [], 3, 2, 2, 2, 0)
    with pytest.raises(SubmissionError, match="none runs now"):
        scale(engine, "coder", 5)
    pools.exchange(PoolReport("a:1", "a", [kind]))
    with pytest.raises(SubmissionError, match="a pool that runs now: coder"):
        scale(engine, "code", 5)
    for count in (-1, 257):
        with pytest.raises(SubmissionError, match="a whole number from 0 to 256"):
            scale(engine, "coder", count)
    assert not scale(engine, "coder", 2)
    pools.exchange(PoolReport("b:1", "b", [kind]))
    with pytest.raises(SubmissionError, match="only one pool has: 2 have this one, on a; b"):
        scale(engine, "coder", 5)
    pools.leave("b:1")
    assert scale(engine, "coder", 5)
    assert audit(engine) == [("pool_scaled", {"kind": "coder", "count": 5, "before": 2, "reason": ""})]


def test_what_redis_holds_for_pools_is_checked(engine: Engine) -> None:
    pools, keys = Pools(engine.redis, engine.broker.keys), engine.broker.keys
    report = PoolReport("a:1", "a", [])
    assert pools.exchange(report) is None
    pools.publish({"coder": 3})
    assert pools.exchange(report) == {"coder": 3}
    for odd in (b"nonsense", b'{"coder": -1}', b'{"coder": "3"}', b"[]", b"\xff"):
        engine.redis.set(keys.pool_sizes, odd)
        assert pools.exchange(report) is None
        engine.redis.set(keys.pool("a:1"), odd)
        assert pools.reports() == []
    pools.exchange(report)
    assert pools.reports() == [report]
    assert 0 < engine.redis.ttl(keys.pool("a:1")) <= TTL_SECONDS
    engine.redis.delete(keys.pool("a:1"))
    assert pools.reports() == []
    assert engine.redis.smembers(keys.pools) == set()
