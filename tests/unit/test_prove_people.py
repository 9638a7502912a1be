"""The parts of `prove --people`: plans that repeat, judgement of what health said, proxies that answer."""

from __future__ import annotations

import contextlib
import io
import itertools
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskyard.worker.devtools.prove import faulty_servers
from taskyard.worker.devtools.prove.faulty_servers import FaultyPostgres, FaultyRedis
from taskyard.worker.devtools.prove.people import faults, plan
from taskyard.worker.devtools.prove.people.health import Answer, HealthWatch
from taskyard.worker.devtools.prove.people.run import ActDone

ACT = plan.Act(plan.REDIS, "MISCONF", 40.0, 0.5, 0.1, ("agents",))


def test_a_seed_repeats_the_acts() -> None:
    first, again, other = (list(itertools.islice(plan.acts(seed), 60)) for seed in (7, 7, 8))
    assert first == again != other


def test_every_kind_and_way_has_its_turn_and_one_in_sixteen_lasts() -> None:
    planned = list(itertools.islice(plan.acts(3), 16 * 20))
    assert {(act.kind, act.way) for act in planned if not act.red} == {
        (kind, way) for kind, ways in plan.WAYS.items() for way in ways
    }
    assert [bool(act.red) for act in planned] == [number % plan.EVERY == 0 for number in range(1, len(planned) + 1)]


@pytest.mark.parametrize(
    ("recovery", "red", "green", "complaint"),
    [
        (1.0, 12.0, 4.0, None),
        (None, 12.0, 4.0, "work did not go on"),
        (1.0, None, 4.0, "health of agents was not red within 30 s"),
        (1.0, 31.0, 4.0, "health of agents was not red within 30 s"),
        (1.0, 12.0, None, "health was not green 10 s after its end"),
        (1.0, 12.0, 11.0, "health was not green 10 s after its end"),
    ],
)
def test_what_is_said_of_an_outage_that_lasted(
    recovery: float | None, red: float | None, green: float | None, complaint: str | None
) -> None:
    problems = ActDone(ACT, recovery, {"agents": red}, green, ("agents: no answer",)).problems
    assert len(problems) == (complaint is not None)
    assert complaint is None or complaint in problems[0]


def test_health_is_red_and_green_from_what_was_answered() -> None:
    watch = HealthWatch({})
    watch._urls = {"a": "", "b": ""}
    watch.answers += [Answer(1.0, "a", True, "ok"), Answer(2.0, "a", False, "no tick"), Answer(3.0, "b", True, "ok")]
    assert (watch.first_red("a", 0.5), watch.first_red("b", 0.5), watch.green_since(0.5)) == (1.5, None, None)
    watch.answers.append(Answer(4.0, "a", True, "ok"))
    assert watch.green_since(2.5) == 1.5
    assert watch.words(0.5) == ["a: no tick"]


def test_where_a_command_ends() -> None:
    command = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"
    assert faulty_servers._command(io.BytesIO(command + b"*1")) == (command, [b"GET", b"k"])
    for cut in range(len(command)):
        with pytest.raises(ConnectionError):
            faulty_servers._command(io.BytesIO(command[:cut]))


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[str]:
    """A server on a Unix socket that answers everything with +OK."""
    path = str(tmp_path / ".s.PGSQL.5432")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()

    def serve() -> None:
        with contextlib.suppress(OSError):  # nobody came, or the proxy that goes resets it
            connection, _ = listener.accept()
            with connection:
                while connection.recv(1000):
                    connection.sendall(b"+OK\r\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield path
    listener.close()


def test_a_proxy_answers_what_writes_while_it_has_a_fault(upstream: str) -> None:
    fault = faults.REDIS["MISCONF"]
    get, write = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n"
    with (
        FaultyRedis(f"unix://{upstream}") as redis,
        socket.create_connection(("127.0.0.1", redis.port), timeout=5) as client,
    ):
        redis.refuse(fault.reply, only=fault.strikes)
        client.sendall(write)
        assert client.recv(1000).startswith(b"-MISCONF ")
        client.sendall(get)
        assert client.recv(1000) == b"+OK\r\n"
        redis.allow()
        client.sendall(write)
        assert client.recv(1000) == b"+OK\r\n"


def test_a_proxy_ends_sessions_with_its_fault(upstream: str) -> None:
    folder = str(Path(upstream).parent)
    startup = b"\0\x03\0\0user\0somebody\0\0"
    with FaultyPostgres(f"postgresql://somebody@/name?host={folder}") as postgres:
        postgres.refuse("57P01", faults.POSTGRES["57P01"], fatal=True, at_login=True)
        with socket.create_connection(("127.0.0.1", postgres.port), timeout=5) as client:
            client.sendall(struct.pack("!I", len(startup) + 4) + startup)
            said = client.recv(1000)
            assert said[:1] == b"E"
            assert b"C57P01\0" in said
            assert client.recv(1000) == b""
