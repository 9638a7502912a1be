"""Snapshots and sessions in a real Redis."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis

from taskyard.core.errors import ConfigurationError, SubmissionError, Unavailable
from taskyard.core.redis.cache import RedisCache, RedisSession
from taskyard.core.redis.connection import connect_redis, reaching_redis
from taskyard.core.redis.keys import Keys
from tests.integration.waiting import eventually

VIEWERS = 12


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
def session(client: redis.Redis, keys: Keys) -> RedisSession:
    return RedisSession(client, keys, "s-1", ttl_seconds=60, limit_bytes=1000)


@pytest.fixture
def away(tmp_path: Path) -> redis.Redis:
    """A client of a server that is not there."""
    return connect_redis(f"unix://{tmp_path}/nobody.sock")


def never() -> Any:
    raise AssertionError("computed although the snapshot was there")


def test_a_snapshot_comes_back_until_it_expires(cache: RedisCache, client: redis.Redis, keys: Keys) -> None:
    assert cache.get("counts") is None
    assert cache.get("counts", default={}) == {}
    cache.set("counts", {"done": 3, "none": None}, ttl_seconds=0.2)
    assert cache.get("counts") == {"done": 3, "none": None}
    assert 0 < client.pttl(keys.cache("counts")) <= 200
    eventually(lambda: cache.get("counts") is None)


def test_a_value_without_json_is_refused(cache: RedisCache) -> None:
    with pytest.raises(TypeError):
        cache.set("counts", object(), ttl_seconds=5)
    with pytest.raises(TypeError):
        cache.get_or_compute("counts", object, ttl_seconds=5)
    assert cache.get("counts") is None


def test_everybody_gets_the_same_form(cache: RedisCache) -> None:
    assert cache.get_or_compute("pair", lambda: {"a": (1, float("nan"))}, ttl_seconds=5) == {"a": [1, None]}
    assert cache.get_or_compute("pair", never, ttl_seconds=5) == {"a": [1, None]}


def test_a_computed_none_is_kept(cache: RedisCache) -> None:
    assert cache.get_or_compute("none", lambda: None, ttl_seconds=5) is None
    assert cache.get_or_compute("none", never, ttl_seconds=5) is None


def test_a_dozen_viewers_compute_once(client: redis.Redis, keys: Keys) -> None:
    together = threading.Barrier(VIEWERS)
    computing = threading.Event()
    others_wait = threading.Event()
    computed = []

    def compute() -> list[int]:
        computed.append(1)
        computing.set()
        assert others_wait.wait(10)
        return [1, 2, 3]

    def view() -> Any:
        viewer = RedisCache(client, keys)
        together.wait(10)
        return viewer.get_or_compute("table", compute, ttl_seconds=30)

    with ThreadPoolExecutor(VIEWERS) as pool:
        views = [pool.submit(view) for _ in range(VIEWERS)]
        assert computing.wait(10)
        seen = gets(client)
        eventually(lambda: gets(client) >= seen + 2 * VIEWERS)  # the others have come and look again and again
        others_wait.set()
        assert [view.result(10) for view in views] == [[1, 2, 3]] * VIEWERS
    assert computed == [1]
    assert client.exists(keys.cache_lock("table")) == 0


def test_a_snapshot_stored_just_before_the_lock_was_taken_is_used(
    cache: RedisCache, client: redis.Redis, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = client.set

    def store_first(name: str, *arguments: Any, **options: Any) -> Any:
        if name == keys.cache_lock("table"):
            original(keys.cache("table"), b"7")
        return original(name, *arguments, **options)

    monkeypatch.setattr(client, "set", store_first)
    assert cache.get_or_compute("table", never, ttl_seconds=30) == 7


def test_a_failed_computation_is_not_kept_and_the_next_one_tries(cache: RedisCache) -> None:
    def fail() -> Any:
        raise ZeroDivisionError("no numbers yet")

    with pytest.raises(ZeroDivisionError):
        cache.get_or_compute("table", fail, ttl_seconds=30)
    assert cache.get("table") is None
    assert cache.get_or_compute("table", lambda: 5, ttl_seconds=30, lock_ttl_seconds=30) == 5


def test_a_holder_that_vanished_is_overtaken(cache: RedisCache, client: redis.Redis, keys: Keys) -> None:
    client.set(keys.cache_lock("table"), "vanished", px=100)
    assert cache.get_or_compute("table", lambda: 5, ttl_seconds=30, lock_ttl_seconds=5) == 5


def test_a_slow_holder_does_not_open_anothers_lock(cache: RedisCache, client: redis.Redis, keys: Keys) -> None:
    def overtaken() -> int:
        client.set(keys.cache_lock("table"), "another")
        return 5

    assert cache.get_or_compute("table", overtaken, ttl_seconds=30) == 5
    assert client.get(keys.cache_lock("table")) == b"another"


def test_waiting_for_a_snapshot_ends(cache: RedisCache, client: redis.Redis, keys: Keys) -> None:
    client.set(keys.cache_lock("table"), "hangs")
    with pytest.raises(Unavailable, match="snapshot table is not ready"):
        cache.get_or_compute("table", never, ttl_seconds=30, lock_ttl_seconds=0.05)


@pytest.mark.parametrize(
    "use",
    [
        lambda client, keys: RedisCache(client, keys).get("x"),
        lambda client, keys: RedisCache(client, keys).set("x", 1, 5),
        lambda client, keys: RedisCache(client, keys).get_or_compute("x", never, 5),
        lambda client, keys: RedisSession(client, keys, "x").load(),
        lambda client, keys: RedisSession(client, keys, "x").update(lambda session: None),
        lambda client, keys: RedisSession(client, keys, "x").clear(),
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


def test_a_session_keeps_changes_and_slides(session: RedisSession, client: redis.Redis, keys: Keys) -> None:
    assert session.load() == {}
    assert session.update(lambda state: state.update(page="tasks")) == {"page": "tasks"}
    client.pexpire(keys.session("s-1"), 1000)
    assert session.load() == {"page": "tasks"}
    assert client.pttl(keys.session("s-1")) > 50_000
    session.clear()
    assert session.load() == {}


def test_no_change_is_lost(client: redis.Redis, keys: Keys) -> None:
    together = threading.Barrier(4)

    def change(name: str) -> None:
        session = RedisSession(client, keys, "shared")
        together.wait(10)
        for _ in range(25):
            session.update(lambda state: state.update({name: state.get(name, 0) + 1}))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(change, "abcd"))
    assert RedisSession(client, keys, "shared").load() == {"a": 25, "b": 25, "c": 25, "d": 25}


def test_a_session_that_always_changes_is_unavailable(client: redis.Redis, keys: Keys, session: RedisSession) -> None:
    def interrupted(state: dict[str, Any]) -> None:
        client.set(keys.session("s-1"), b'{"n":%d}' % (state.get("n", 0) + 1))

    with pytest.raises(Unavailable, match="changed by others"):
        session.update(interrupted)


@pytest.mark.parametrize(
    ("value", "problem"), [("x" * 1001, "more than the limit of 1000"), (float("nan"), "a finite number")]
)
def test_a_session_refuses_what_it_cannot_hold(session: RedisSession, value: Any, problem: str) -> None:
    session.update(lambda state: state.update(kept=1))
    with pytest.raises(SubmissionError, match=problem):
        session.update(lambda state: state.update(big=value))
    assert session.load() == {"kept": 1}


@pytest.mark.parametrize("session_id", ["", "a b", "a:b", "x" * 129, "a\n"])
def test_a_session_id_is_checked(client: redis.Redis, keys: Keys, session_id: str) -> None:
    with pytest.raises(SubmissionError, match="session_id"):
        RedisSession(client, keys, session_id)


def gets(client: redis.Redis) -> int:
    """How many GETs the server has seen."""
    return client.info("commandstats").get("cmdstat_get", {"calls": 0})["calls"]


def client_url(client: redis.Redis) -> str:
    """The URL that a client was made from."""
    options = client.connection_pool.connection_kwargs
    return f"unix://{options['path']}" if "path" in options else f"redis://{options['host']}:{options['port']}"
