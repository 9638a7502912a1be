"""`/scale` of a worker: how many agents of each kind the backlog needs, from what pools, queues and run times say."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest

from taskyard.core.clock import Clock
from taskyard.core.config import Settings
from taskyard.core.postgres.store import holds
from taskyard.core.redis.cache import RedisCache
from taskyard.core.redis.pools import KindReport, PoolReport, Pools
from taskyard.core.scheduling.agent_demand import AIM_SECONDS, UNKNOWN_SECONDS
from taskyard.core.scheduling.holds import HoldKind, HoldMode
from taskyard.core.telemetry.live_snapshot import SNAPSHOT
from taskyard.core.views.pools import pools_now
from taskyard.worker.monitor import observer as observing
from taskyard.worker.monitor.exporter import Exporter
from taskyard.worker.monitor.monitor import Monitor
from tests.engine import running_engine
from tests.servers import free_port

SCANNER = KindReport("scanner", ["scan.*"], [], 2, configured=0, wanted=0, running=0, leaving=0, is_fixed=True)
MAILER = KindReport("mailer", ["mail.*"], ["smtp"], 1, configured=1, wanted=1, running=1, leaving=0)


def answer(exporter: Exporter) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"{exporter.url}/scale", timeout=10) as found:
            return found.status, found.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_the_backlog_needs_agents(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observing, "COUNT_SHARE", 1.0)
    with running_engine(settings) as engine:
        engine.define("scan.page", lambda given, context: given)
        engine.define("mail.send", lambda given, context: given)
        worker = engine.worker()
        monitor = Monitor(settings, engine.database, engine.broker, worker.dispatcher, "test", Clock())
        at = settings.model_copy(update={"metrics_port": free_port()})
        exporter = Exporter(at, [], list, list, demand=monitor.observer.demand)
        exporter.start()
        try:
            assert answer(exporter) == (503, "no worker leads: nothing is scheduled until one does\n")

            pools = Pools(engine.redis, engine.broker.keys)
            pools.exchange(PoolReport("a:1", "a", [SCANNER, MAILER]))
            monitor.observe()
            assert json.loads(answer(exporter)[1]) == {"mailer": {"wanted": 0}, "scanner": {"wanted": 0}}

            tasks = int(AIM_SECONDS / UNKNOWN_SECONDS) * 2 + 1  # for two slots, and one more
            engine.submitter.submit_many([{"type": "scan.page"}] * tasks)
            engine.submitter.submit_many([{"type": "mail.send", "requires": ["smtp"], "queue": "held"}] * 5)
            with engine.database.transaction() as tx:
                holds.hold(tx, HoldKind.QUEUE, "held", HoldMode.PAUSED, "ann", "")
            monitor.observer._count_after = 0.0
            pools.exchange(PoolReport("a:1", "a", [SCANNER, MAILER]))
            monitor.observe()
            status, text = answer(exporter)
            assert (status, json.loads(text)) == (200, {"mailer": {"wanted": 0}, "scanner": {"wanted": 2}})
            live = monitor.observer.live
            assert live is not None
            with engine.database.transaction() as tx:
                mailer, scanner = pools_now(tx, live)
            assert (mailer.wanted, scanner.wanted) == (1, 0)
            assert scanner.live is not None
            assert (scanner.live.needed, scanner.live.is_fixed, scanner.live.hosts) == (2, True, ["a"])

            monitor.observer._observed_at -= 60.0  # as when PostgreSQL does not answer
            status, text = answer(exporter)
            assert (status, text.startswith("the leader's figures are 6")) == (503, True)
            monitor.observer.live = None  # as on a worker that stands by: it asks Redis for the leader's snapshot
            assert json.loads(answer(exporter)[1])["scanner"] == {"wanted": 2}
            engine.redis.delete(RedisCache(engine.redis, engine.broker.keys)._keys.cache(SNAPSHOT))
            assert answer(exporter)[0] == 503
        finally:
            exporter.stop()


def test_a_host_of_agents_has_no_such_page(settings: Settings) -> None:
    exporter = Exporter(settings.model_copy(update={"metrics_port": free_port()}), [], list, list)
    exporter.start()
    try:
        assert answer(exporter)[0] == 404
    finally:
        exporter.stop()
