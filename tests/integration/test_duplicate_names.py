"""Two pools whose agents have the same names: the second is told, and a restart of an agent is no second."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from structlog.testing import capture_logs

from taskyard.core.config import Settings
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.cache import RedisCache
from taskyard.core.redis.connection import connect_redis
from taskyard.core.telemetry.live_snapshot import write_live
from taskyard.worker.agents import duplicate_names as namesakes
from taskyard.worker.agents.duplicate_names import DuplicateNames
from tests.dashboard.snapshots import agent, snapshot

OWN = {"builder": "builder:b1"}


@pytest.fixture
def broker(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    monkeypatch.setattr(namesakes, "CHECK_SECONDS", 0.0)
    with connect_redis(settings.redis_url or "") as client:
        yield Broker(client, settings.namespace, settings.placement_of)


def told(broker: Broker, *ids: str, looks: int = 3, started: frozenset[str] = frozenset({"builder:b1"})) -> list[str]:
    """The others that are logged in some looks, while the leader sees these boots."""
    seen = [msgspec.structs.replace(agent(id_.partition(":")[0]), id=id_, host="there") for id_ in ids]
    write_live(RedisCache(broker.redis, broker.keys), snapshot(agents=seen))
    looking = DuplicateNames(broker)
    with capture_logs() as lines:
        for _ in range(looks):
            looking.check(OWN, started)
    return [line["other"] for line in lines if line["event"] == "agent.name_used_twice"]


def test_another_pools_agent_of_the_same_name_is_told_once(broker: Broker) -> None:
    assert told(broker, "builder:b1", "builder:b2", "other:b3") == ["builder:b2"]


def test_own_boots_and_those_that_are_gone_at_the_next_look_are_none(broker: Broker) -> None:
    assert told(broker, "builder:b1", "builder:b0", started=frozenset({"builder:b0", "builder:b1"})) == []
    assert told(broker, "builder:b1", "builder:b2", looks=1) == []


def test_without_a_leader_nothing_is_told(broker: Broker) -> None:
    looking = DuplicateNames(broker)
    with capture_logs() as lines:
        looking.check(OWN, frozenset())
        looking.check(OWN, frozenset())
    assert lines == []
