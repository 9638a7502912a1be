"""Snapshots in a real Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from taskyard.core.errors import ConfigurationError, Unavailable
from taskyard.core.redis.cache import RedisCache
from taskyard.core.redis.connection import connect_redis, reaching_redis
from taskyard.core.redis.keys import Keys
from tests.servers import wait_until


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with connect_redis(redis_url) as client:
        yield client


@pytest.fixture
def keys(namespace: str) -> Keys:
    return Keys(namespace)


@pytest.fixture
def cache(client: redis.Redis, keys: Keys) -> RedisCache:
    return RedisCache(client, keys)


@pytest.fixture
def away(tmp_path: Path) -> redis.Redis:
    """A client of a server that is not there."""
    return connect_redis(f"unix://{tmp_path}/nobody.sock")


def test_a_snapshot_comes_back_until_it_expires(cache: RedisCache, client: redis.Redis, keys: Keys) -> None:
    assert cache.get("counts") is None
    assert cache.get("counts", default={}) == {}
    cache.set("counts", {"done": 3, "none": None}, ttl_seconds=0.2)
    assert cache.get("counts") == {"done": 3, "none": None}
    assert 0 < client.pttl(keys.cache("counts")) <= 200
    wait_until(lambda: cache.get("counts") is None)


def test_a_value_without_json_is_refused(cache: RedisCache) -> None:
    with pytest.raises(TypeError):
        cache.set("counts", object(), ttl_seconds=5)
    assert cache.get("counts") is None


def test_what_comes_back_is_json(cache: RedisCache) -> None:
    cache.set("pair", {"a": (1, float("nan"))}, ttl_seconds=5)
    assert cache.get("pair") == {"a": [1, None]}


@pytest.mark.parametrize(
    "use",
    [
        lambda client, keys: RedisCache(client, keys).get("x"),
        lambda client, keys: RedisCache(client, keys).set("x", 1, 5),
    ],
)
def test_an_absent_redis_is_unavailable(away: redis.Redis, use: Callable[[redis.Redis, Keys], Any]) -> None:
    with pytest.raises(Unavailable, match="Redis can't be used"):
        use(away, Keys("nowhere"))


def test_other_errors_of_redis_stay_what_they_are(client: redis.Redis, keys: Keys) -> None:
    client.lpush(keys.cache("list"), 1)
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"), reaching_redis():
        client.get(keys.cache("list"))


def test_a_url_that_makes_no_sense() -> None:
    with pytest.raises(ConfigurationError, match="Redis URL is not accepted"):
        connect_redis("redis://localhost:port/0")


def test_a_connection_that_the_server_closed_is_replaced(client: redis.Redis) -> None:
    own = client.client_id()
    with connect_redis(client_url(client)) as other:
        other.client_kill_filter(_id=own)
    assert client.ping()
    assert client.client_id() != own


def client_url(client: redis.Redis) -> str:
    """The URL that a client was made from."""
    options = client.connection_pool.connection_kwargs
    return f"unix://{options['path']}" if "path" in options else f"redis://{options['host']}:{options['port']}"
