"""What is known of engines without their packages: their checks in `taskyard doctor`, and a seat's lease."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from taskyard.worker.agents.pool_config import AgentSpec
from taskyard.worker.doctor.engines import engine_checks
from taskyard.worker.engines import desk
from taskyard.worker.engines import lease as leases
from taskyard.worker.engines.lease import Lease, LeaseEnd
from taskyard.worker.engines.settings import EngineSettings
from tests.servers import free_port


def spec(name: str, address: str = "") -> AgentSpec:
    return AgentSpec("a-1", "a", ("*",), (), 1, engine=EngineSettings(name, address))


def test_doctor_says_whether_an_engine_is_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        found = list(engine_checks([spec("dask", f"tcp://127.0.0.1:{port}"), spec("local"), spec("local")]))
    assert [(check.name, check.ok) for check in found] == [("engine dask", True), ("engine local", True)]
    assert f"127.0.0.1:{port} is reached" in found[0].found
    [refused] = engine_checks([spec("celery", f"redis://:secret@127.0.0.1:{free_port()}/1")])
    assert not refused.ok
    assert "is not reached" in refused.found
    assert "secret" not in refused.found


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The time, as the lease sees it; the kernel's timer is far away."""
    at = [1000.0]
    monkeypatch.setattr(leases, "monotonic", lambda: at[0])
    monkeypatch.setattr(signal, "setitimer", lambda *given: (0.0, 0.0))
    before = signal.getsignal(signal.SIGALRM)
    yield at
    signal.signal(signal.SIGALRM, before)


def test_a_lease_runs_from_the_sending_of_the_beat_that_was_answered_last(now: list[float]) -> None:
    end = LeaseEnd()
    assert end.rest_seconds() is None
    lease = Lease(4.0, end)
    assert end.rest_seconds() == 4.0
    now[0] += 1
    first = lease.next_beat()
    now[0] += 1
    second = lease.next_beat()
    now[0] += 1  # slow is the network
    lease.renew(first)
    assert end.rest_seconds() == 2.0
    lease.renew(second)
    assert end.rest_seconds() == 3.0
    for late in (first, second, 99):  # what comes twice, late, or was never asked changes nothing
        lease.renew(late)
    assert end.rest_seconds() == 3.0
    now[0] += 3
    assert end.rest_seconds() == 0.0


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ("10.1.2.3", "10.1.2.3:70"),
        ("fd00::1", "[fd00::1]:70"),
        ("127.0.1.1", "me:70"),  # as Debian has it
        ("fe80::1%eth0", "me:70"),
        (None, "me:70"),
    ],
)
def test_desk_on_all_addresses_is_found_by_the_host_s(
    monkeypatch: pytest.MonkeyPatch, found: str | None, expected: str
) -> None:
    def looked_up(name: str, *given: object, **named: object) -> list[tuple[object, ...]]:
        if found is None:
            raise OSError("unknown")
        return [(0, 0, 0, "", (found, 0))]

    class Listener:
        def getsockname(self) -> tuple[str, int]:
            return "0.0.0.0", 70

    monkeypatch.setattr(socket, "gethostname", lambda: "me")
    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    listener: Any = Listener()
    assert desk._advertised(EngineSettings("local"), listener) == expected
    assert desk._advertised(EngineSettings("local", advertise="there"), listener) == "there:70"
    assert desk._advertised(EngineSettings("local", advertise="there:9"), listener) == "there:9"
