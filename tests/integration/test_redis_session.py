"""Users' sessions in a real Redis."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis

from taskyard.core.errors import SubmissionError, Unavailable
from taskyard.core.redis.connection import connect_redis
from taskyard.core.redis.keys import Keys
from taskyard.core.redis.session import RedisSession


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with connect_redis(redis_url) as client:
        yield client


@pytest.fixture
def keys(namespace: str) -> Keys:
    return Keys(namespace)


@pytest.fixture
def session(client: redis.Redis, keys: Keys) -> RedisSession:
    return RedisSession(client, keys, "s-1", ttl_seconds=60, limit_bytes=1000)


def test_an_absent_redis_is_unavailable(tmp_path: Path) -> None:
    away = connect_redis(f"unix://{tmp_path}/nobody.sock")
    with pytest.raises(Unavailable, match="Redis can't be used"):
        RedisSession(away, Keys("nowhere"), "x").update(lambda session: None)


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
