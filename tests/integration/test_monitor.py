"""The live state, the samples and the signals, from a real engine on real servers."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator

import msgspec
import pytest

import taskyard
from taskyard.core.clock import Clock
from taskyard.core.config import Settings
from taskyard.core.errors import PermanentError
from taskyard.core.postgres.store import history
from taskyard.core.postgres.store.rollups import HOUR
from taskyard.core.redis.cache import RedisCache
from taskyard.core.task_types.registry import RetryPolicy
from taskyard.core.telemetry.live_snapshot import TTL_SECONDS, LiveSnapshot, read_live
from taskyard.core.views.overview_marks import Mark, MarkKind, overview_marks
from taskyard.worker.attempts.context import TaskContext
from taskyard.worker.monitor import observer as observing
from taskyard.worker.monitor.monitor import Monitor
from taskyard.worker.monitor.observed import Observed
from tests.engine import Engine, Payload, running_engine
from tests.servers import wait_until


@pytest.fixture
def engine(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr(observing, "COUNT_SHARE", 1.0)
    monkeypatch.setattr(observing, "SERVERS_EVERY_SECONDS", 0.0)
    with running_engine(settings) as engine:
        yield engine


@pytest.fixture
def monitor(engine: Engine) -> Monitor:
    worker = engine.worker()
    return Monitor(engine.settings, engine.database, engine.broker, worker.dispatcher, "test", Clock())


def cache_of(engine: Engine) -> RedisCache:
    return RedisCache(engine.redis, engine.broker.keys)


def live_when(engine: Engine, monitor: Monitor, is_there: object) -> LiveSnapshot:
    def look() -> LiveSnapshot | None:
        monitor.observe()
        live = read_live(cache_of(engine))
        return live if live is not None and is_there(live) else None  # type: ignore[operator]

    return wait_until(look, 10)


def test_live_state(engine: Engine, monitor: Monitor) -> None:
    gate = threading.Event()

    def wait(given: Payload, context: TaskContext) -> Payload:
        gate.wait(20)
        return given

    def fail(given: Payload, context: TaskContext) -> Payload:
        raise PermanentError("no")

    engine.define("demo.wait", wait)
    engine.define("demo.fail", fail)
    engine.define("demo.nobody", wait)
    agent = engine.agent(types=["demo.wait", "demo.fail"], max_concurrency=2)
    engine.submit("demo.nobody", priority="urgent")
    engine.submit("demo.nobody", queue="other")
    engine.submit("demo.nobody", delay_seconds=3600)
    engine.wait_for(engine.submit("demo.fail"))
    running = engine.submit("demo.wait")
    engine.wait_for(running, "in_progress")
    monitor.roll_up()

    def shows_it(live: LiveSnapshot) -> bool:
        return bool(live.recent) and [task.task_id for agent in live.agents for task in agent.tasks] == [running]

    live = live_when(engine, monitor, shows_it)
    assert {(c.queue, c.type, c.state): c.count for c in live.open} == {
        ("default", "demo.nobody", "pending"): 1,
        ("default", "demo.nobody", "scheduled"): 1,
        ("other", "demo.nobody", "pending"): 1,
        ("default", "demo.wait", "in_progress"): 1,
    }
    assert [(lane.queue, lane.ready, lane.by_priority) for lane in live.lanes] == [
        ("default", 1, {"urgent": 1}),
        ("other", 1, {"medium": 1}),
    ]
    assert all(0 <= live.at - (lane.oldest_ready_at or 0) < 60 for lane in live.lanes)
    assert [(f.type, f.completed, f.failed) for f in live.finished] == [("demo.fail", 0, 1)]
    [recent] = live.recent
    assert (recent.type, recent.succeeded, recent.failed, recent.failures) == ("demo.fail", 0, 1, {"permanent": 1})
    assert 0 <= (recent.wait_p99 or -1) < 10
    [seen] = live.agents
    assert (seen.id, seen.state, seen.held, seen.max_concurrency) == (agent.id, "online", 1, 2)
    assert [task.task_id for task in seen.tasks] == [running]
    assert seen.mean_seconds is not None
    assert 0 <= live.at - seen.heartbeat_at < 5
    assert seen.read_at is not None
    assert (live.dispatcher.worker, live.dispatcher.epoch) == ("test", engine.leader())
    assert {server.name: server.is_up for server in live.servers} == {"postgresql": True, "redis": True}
    assert all(server.version and server.figures for server in live.servers)
    gate.set()


def test_without_a_leader_there_is_none(engine: Engine, monitor: Monitor) -> None:
    live_when(engine, monitor, lambda live: True)
    assert 0 < engine.redis.pttl(engine.broker.keys.cache("live")) <= TTL_SECONDS * 1000
    standby = engine.worker("standby")
    other = Monitor(engine.settings, engine.database, engine.broker, standby.dispatcher, "standby", Clock())
    other.observe()
    assert other.observer.live is None


def test_a_snapshot_of_another_release_is_none(engine: Engine) -> None:
    cache_of(engine).set("live", {"version": 999}, 5)
    assert read_live(cache_of(engine)) is None


def test_a_server_that_is_away_is_a_finding(engine: Engine, monitor: Monitor) -> None:
    with engine.postgresql_away():
        monitor.roll_up()
        monitor.observer._count_after = math.inf
        [postgresql, redis] = monitor.observer._servers.check()
    assert not postgresql.is_up
    assert postgresql.problem is not None
    assert postgresql.problem.startswith("PostgreSQL can't be reached")
    assert redis.is_up


def test_a_server_that_went_away_within_a_minute_is_stored(engine: Engine, monitor: Monitor) -> None:
    live_when(engine, monitor, lambda live: live.servers)
    live = monitor.observer.live
    assert live is not None
    down = tuple(msgspec.structs.replace(server, is_up=False) for server in live.servers)
    away = msgspec.structs.replace(live, servers=down)
    at = Clock().now().timestamp() // 60 * 60
    for snapshot in (live, away, live):
        monitor._sampler.sample(snapshot, at)
    monitor._sampler.flush(math.inf)
    with engine.database.transaction() as tx:
        found = tx.rows("SELECT source, least, most, total FROM metric_samples WHERE metric = 'up'", {})
    assert sorted(found) == [("postgresql", 0.0, 1.0, 2.0), ("redis", 0.0, 1.0, 2.0)]


def test_a_change_of_the_leader_is_sampled_and_marked(engine: Engine, monitor: Monitor) -> None:
    live_when(engine, monitor, lambda live: live.servers)
    live = monitor.observer.live
    assert live is not None
    minute = Clock().now().timestamp() // 60 * 60 - 600
    for number, term in enumerate((7, 7, 8)):
        leader = msgspec.structs.replace(live.dispatcher, epoch=term)
        monitor._sampler.sample(msgspec.structs.replace(live, dispatcher=leader), minute + 60 * number)
    monitor._sampler.flush(math.inf)
    with engine.database.transaction() as tx:
        marks = overview_marks(tx, minute, minute + 600, 60)
    assert marks == [Mark(minute + 120, MarkKind.LEADER, 8, taskyard.__version__)]


def test_samples_reach_the_database(engine: Engine, monitor: Monitor) -> None:
    engine.agent("sampled")
    live_when(engine, monitor, lambda live: live.agents)
    for _ in range(3):
        monitor.sample()
    monitor.close()
    with engine.database.transaction() as tx:
        now = Clock().now().timestamp()
        found = {
            source: {(name, metric): mean for _, name, metric, mean, _, _ in history.samples(tx, source, 0, now, HOUR)}
            for source in ("host", "process", "postgresql", "redis", "agent", "dispatcher")
        }
        led = tx.rows("SELECT count FROM metric_samples WHERE source = 'service' AND metric = 'led_minutes'", {})
    assert {"cpu_percent", "load_1min", "memory_used_ratio", "disk_used_ratio"} <= {m for _, m in found["host"]}
    assert any(metric == "network_sent_bytes_per_second" for _, metric in found["host"])
    assert found["process"]["agent sampled", "memory_bytes"] > 0
    assert all(
        value["up"] == 1 for value in ({m: v for (_, m), v in found[s].items()} for s in ("postgresql", "redis"))
    )
    assert ("sampled", "load_ratio") in found["agent"]
    assert any(metric == "ticks_per_second" for _, metric in found["dispatcher"])
    assert {count for (count,) in led} == {1}, "a minute counts once, however often it is sampled"


def test_samples_wait_while_postgresql_is_away(engine: Engine, monitor: Monitor) -> None:
    monitor.sample()
    with engine.postgresql_away():
        monitor.close()
        kept = len(monitor._sampler._samples)
    assert kept > 0
    monitor.close()
    assert monitor._sampler._samples == {}


def test_signals(engine: Engine, monitor: Monitor) -> None:
    def flaky(given: Payload, context: TaskContext) -> Payload:
        if context.attempt == 1:
            raise ValueError("first time")
        return given

    engine.define("demo.flaky", flaky, retry=RetryPolicy(backoff_seconds=0.0))
    engine.define("demo.nobody", flaky)
    engine.agent("first", types=["demo.flaky"])
    live_when(engine, monitor, lambda live: True)

    def signals() -> Observed:
        return Observed(monitor.observer, monitor._sampler, engine.database, Clock(), "here", ())

    window_seconds = 5.0
    wait_until(lambda: signals().attempts(window_seconds) is not None)  # watched for so long
    engine.wait_for(engine.submit("demo.flaky"))
    engine.submit("demo.nobody")
    live_when(engine, monitor, lambda live: live.recent and live.recent[0].succeeded and live.lanes)
    monitor.sample()
    assert signals().attempts(3600) is None  # not seen for so long
    counts = wait_until(lambda: signals().attempts(window_seconds))
    assert counts["demo.flaky"].retried == 1
    assert (counts["demo.flaky"].succeeded, counts["demo.flaky"].failed) == (1, 1)
    waits = signals().waits(window_seconds)
    assert waits is not None
    assert waits["demo.flaky"].count == 2

    def depths() -> object:
        live_when(engine, monitor, lambda live: True)
        return (signals().depths(0.1) or {}).get("default")

    wait_until(lambda: depths() == (1, 1))
    started, lost = signals().agents_started(3600), signals().agents_lost(3600)
    assert (started, lost) == ({"first": 1}, {})
    assert signals().is_led
    hosts = signals().hosts()
    assert hosts is not None
    assert 0 < hosts["here"].memory < 1
    assert signals().silent_types(1) == {}


def test_types_that_fell_silent(engine: Engine, monitor: Monitor) -> None:
    """Submitted in every one of the last three hours: it is expected; with a gap it is not."""
    live = live_when(engine, monitor, lambda live: True)
    hour = live.at // HOUR * HOUR
    with engine.database.transaction() as tx:
        for type_, hours in (("demo.steady", (1, 2, 3)), ("demo.rare", (1, 3)), ("demo.new", (0,))):
            for ago in hours:
                tx.rows(
                    "INSERT INTO metric_counts (level_seconds, at, queue, type, agent, submitted)"
                    " VALUES (60, to_timestamp(%(at)s), 'default', %(type)s, '', 1)",
                    {"at": hour - ago * HOUR + 60, "type": type_},
                )
    signals = Observed(monitor.observer, monitor._sampler, engine.database, Clock(), "here", ())
    silent = signals.silent_types(3)
    assert silent is not None
    assert silent.keys() == {"demo.steady"}
    assert silent["demo.steady"] == pytest.approx(live.at - (hour - HOUR + 120), abs=1)
