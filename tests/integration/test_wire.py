"""The hot paths' own way to Redis: connections are reused, replaced when dead, and never mix up answers."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Iterator

import pytest
import redis

from taskyard.core.redis.connection import connect_redis
from taskyard.core.redis.raw_commands import Script, Wire
from tests.servers import wait_until


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    client = connect_redis(redis_url)
    yield client
    client.connection_pool.disconnect()


@pytest.fixture
def wire(client: redis.Redis) -> Wire:
    return Wire(client.connection_pool)


def test_one_thread_keeps_one_connection(wire: Wire):
    assert len({wire.command("CLIENT", "ID") for _ in range(5)}) == 1


def test_a_script_that_the_server_does_not_know_is_sent(wire: Wire):
    mark = uuid.uuid4().hex
    script = Script(wire, f"return {{KEYS[1], ARGV[1], '{mark}'}}")
    assert script(keys=["k"], args=["v"]) == script(keys=["k"], args=["v"]) == [b"k", b"v", mark.encode()]


def test_an_error_answer_is_raised_and_the_connection_goes_on(wire: Wire):
    before = wire.command("CLIENT", "ID")
    with pytest.raises(redis.ResponseError, match="unknown command"):
        wire.command("NO-SUCH-COMMAND")
    assert wire.command("CLIENT", "ID") == before


def test_a_connection_that_the_server_closed_is_replaced_before_it_is_used(wire: Wire, client: redis.Redis):
    killed = wire.command("CLIENT", "ID")
    client.client_kill_filter(_id=killed)
    wait_until(lambda: str(killed) not in {known["id"] for known in client.client_list()})
    assert wire.command("CLIENT", "ID") != killed


def test_an_answer_that_was_not_awaited_never_meets_the_next_command(redis_url: str):
    hurried = connect_redis(redis_url)
    hurried.connection_pool.connection_kwargs["socket_timeout"] = 0.1
    wire = Wire(hurried.connection_pool)
    stream = f"test-wire:{uuid.uuid4().hex}"
    with pytest.raises(redis.TimeoutError):
        wire.command("XREAD", "BLOCK", 60_000, "STREAMS", stream, "$")
    assert wire.command("ECHO", "mine") == b"mine"
    hurried.connection_pool.disconnect()


def test_threads_get_their_own_answers(wire: Wire):
    wrong: list[tuple[int, bytes]] = []

    def ask(number: int) -> None:
        for turn in range(200):
            text = f"{number}-{turn}"
            answer = wire.command("ECHO", text)
            if answer != text.encode():
                wrong.append((number, answer))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_forked_process_does_not_use_its_parents_connection(wire: Wire):
    before = wire.command("CLIENT", "ID")
    process = os.getpid()
    wire._process = process - 1  # as a child sees it: another process made the connections
    assert wire.command("CLIENT", "ID") != before
    assert wire._process == process
