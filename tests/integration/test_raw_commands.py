"""The hot paths' own way to Redis: connections are reused, replaced when dead, and never mix up answers."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Iterator

import pytest
import redis

from taskyard.core.redis.connection import connect_redis
from taskyard.core.redis.raw_commands import RawCommands, Script
from tests.servers import wait_until


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    client = connect_redis(redis_url)
    yield client
    client.connection_pool.disconnect()


@pytest.fixture
def raw_commands(client: redis.Redis) -> RawCommands:
    return RawCommands(client.connection_pool)


def test_one_thread_keeps_one_connection(raw_commands: RawCommands):
    assert len({raw_commands.command("CLIENT", "ID") for _ in range(5)}) == 1


def test_a_script_that_the_server_does_not_know_is_sent(raw_commands: RawCommands):
    mark = uuid.uuid4().hex
    script = Script(raw_commands, f"return {{KEYS[1], ARGV[1], '{mark}'}}")
    assert script(keys=["k"], args=["v"]) == script(keys=["k"], args=["v"]) == [b"k", b"v", mark.encode()]


def test_an_error_answer_is_raised_and_the_connection_goes_on(raw_commands: RawCommands):
    before = raw_commands.command("CLIENT", "ID")
    with pytest.raises(redis.ResponseError, match="unknown command"):
        raw_commands.command("NO-SUCH-COMMAND")
    assert raw_commands.command("CLIENT", "ID") == before


def test_a_connection_that_the_server_closed_is_replaced_before_it_is_used(
    raw_commands: RawCommands, client: redis.Redis
):
    killed = raw_commands.command("CLIENT", "ID")
    client.client_kill_filter(_id=killed)
    wait_until(lambda: str(killed) not in {known["id"] for known in client.client_list()})
    assert raw_commands.command("CLIENT", "ID") != killed


def test_an_answer_that_was_not_awaited_never_meets_the_next_command(redis_url: str):
    hurried = connect_redis(redis_url)
    hurried.connection_pool.connection_kwargs["socket_timeout"] = 0.1
    raw_commands = RawCommands(hurried.connection_pool)
    stream = f"test-wire:{uuid.uuid4().hex}"
    with pytest.raises(redis.TimeoutError):
        raw_commands.command("XREAD", "BLOCK", 60_000, "STREAMS", stream, "$")
    assert raw_commands.command("ECHO", "mine") == b"mine"
    hurried.connection_pool.disconnect()


def test_an_answer_that_comes_in_pieces_is_put_together(raw_commands: RawCommands):
    raw_commands.command("PING")  # a connection is there now
    text = "ü" * 300_000
    assert raw_commands.command("ECHO", text) == text.encode()
    assert raw_commands.command("ECHO", "next") == b"next"


def test_numbers_are_sent_as_python_writes_them(raw_commands: RawCommands):
    for number in (7, -1, 0.1, 1e22, 1791000000.123456):
        for _ in range(2):  # as the first command of a connection, and as a later one
            assert raw_commands.command("ECHO", number) == repr(number).encode()


def test_a_value_that_no_command_can_carry_is_refused(raw_commands: RawCommands):
    raw_commands.command("PING")
    with pytest.raises(redis.DataError):
        raw_commands.command("ECHO", object())
    assert raw_commands.command("ECHO", "next") == b"next"


def test_a_connection_that_rested_for_long_is_checked_first(raw_commands: RawCommands, monkeypatch: pytest.MonkeyPatch):
    raw_commands.command("PING")
    [connection] = raw_commands._idle
    pings: list[None] = []
    monkeypatch.setattr(connection, "_send_ping", lambda: pings.append(None))
    raw_commands.command("ECHO", "at once")
    assert not pings
    connection.next_health_check = time.monotonic() - 1
    assert raw_commands.command("ECHO", "after a rest") == b"after a rest"
    assert len(pings) == 1
    raw_commands.command("ECHO", "at once")
    assert len(pings) == 1


def test_threads_get_their_own_answers(raw_commands: RawCommands):
    wrong: list[tuple[int, bytes]] = []

    def ask(number: int) -> None:
        for turn in range(200):
            text = f"{number}-{turn}"
            answer = raw_commands.command("ECHO", text)
            if answer != text.encode():
                wrong.append((number, answer))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_forked_process_does_not_use_its_parents_connection(raw_commands: RawCommands):
    before = raw_commands.command("CLIENT", "ID")
    process = os.getpid()
    raw_commands._process = process - 1  # as a child sees it: another process made the connections
    assert raw_commands.command("CLIENT", "ID") != before
    assert raw_commands._process == process
