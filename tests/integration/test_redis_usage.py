"""Sizes of keys in a real Redis."""

from __future__ import annotations

import pytest

from taskyard.core.redis import usage as redis_usage
from taskyard.core.redis.connection import connect_redis
from taskyard.core.redis.keys import Keys
from taskyard.core.redis.usage import usage


def test_keys_are_summed_up_by_kind(redis_url: str, namespace: str) -> None:
    keys = Keys(namespace)
    with connect_redis(redis_url) as client:
        client.zadd(keys.ready("a"), {"1": 1, "2": 2})
        client.zadd(keys.ready("b"), {"3": 3})
        client.xadd(keys.results, {"a": "b"})
        client.set(keys.epoch, 7)
        found = usage(client, keys)
        alone = usage(client, Keys(f"{namespace}-other"))

    by_name = {kind.name: kind for kind in found.kinds}
    assert found.is_complete
    assert [(kind.name, kind.keys, kind.entries) for kind in found.kinds] == [
        ("epoch", 1, 1),
        ("ready", 2, 3),
        ("results", 1, 1),
    ]
    assert by_name["ready"].bytes > by_name["epoch"].bytes > 0
    assert alone.kinds == ()


def test_a_server_full_of_keys_is_not_walked_to_its_end(
    redis_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_usage, "ROUNDS", 1)
    monkeypatch.setattr(redis_usage, "ROUND_KEYS", 1)
    keys = Keys(namespace)
    with connect_redis(redis_url) as client:
        client.mset({keys.session(str(number)): "x" for number in range(100)})
        found = usage(client, keys)

    assert not found.is_complete
    assert sum(kind.keys for kind in found.kinds) < 100
