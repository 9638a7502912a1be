"""Hosts of a site that are asked to stop: what runs may finish, what is left goes back, and nothing new begins."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from taskyard.core.config import Settings
from taskyard.worker.agents.pool_config import AgentSpec
from taskyard.worker.attempts.channel import KEPT_FROM_RUNNING
from tests.engine import engine_for_processes
from tests.integration.seat_bench import MakeBench
from tests.integration.slot_bench import is_dead, pid_in
from tests.servers import wait_until
from tests.site_hosts import Hosts

END_SECONDS = 60.0  # for a host to end that has nothing to wait for, or for an attempt that has a seat


def has_line(path: Path) -> bool:
    return path.exists() and path.read_text().endswith("\n")


@pytest.mark.parametrize(("isolation", "number"), [("thread", signal.SIGINT), ("process", signal.SIGTERM)])
def test_what_runs_finishes_and_nothing_new_begins(
    hosts: Hosts, make_bench: MakeBench, tmp_path: Path, isolation: str, number: signal.Signals
) -> None:
    bench, ledger = make_bench(), tmp_path / "ledger"
    host = hosts.started[hosts.start(count=2)]
    wait_until(lambda: len(bench.runners.links) == 2)
    started = bench.begin(f"{isolation}.note", {"path": str(ledger), "seconds": 2.0})
    wait_until(lambda: has_line(ledger))
    host.send_signal(number)
    [busy] = wait_until(lambda: [link for link in bench.runners.links if link.is_draining])
    wait_until(lambda: bench.runners.links == [busy])  # the idle one is gone already
    later = bench.begin(f"{isolation}.note", {"path": str(ledger)}, slot=1)
    done = started.end(END_SECONDS)
    assert done is not None
    assert done.failure is None
    bench.runners.release(0)
    assert host.wait(END_SECONDS) == 0
    assert "a second signal ends at once" in hosts.said(0)
    assert len(ledger.read_text().splitlines()) == 1
    hosts.start()
    done = later.end(END_SECONDS)
    assert done is not None
    assert done.failure is None


def test_what_does_not_finish_within_the_grace_goes_back_once_it_has_ended(
    hosts: Hosts, make_bench: MakeBench, tmp_path: Path
) -> None:
    bench, path = make_bench(), tmp_path / "pid"
    host = hosts.started[hosts.start(grace_seconds=1.0)]
    started = bench.begin("process.leave_grandchild", {"path": str(path)})
    daemon, seat = pid_in(path), bench.seat()
    host.terminate()
    error_class, message = started.failure()
    assert (error_class, message) == (KEPT_FROM_RUNNING, f"the host of its {seat.name} stops")
    assert is_dead(seat.pid)
    assert host.wait(END_SECONDS) == 0
    assert is_dead(daemon)


def test_second_signal_ends_at_once(hosts: Hosts, make_bench: MakeBench, tmp_path: Path) -> None:
    bench, path = make_bench(), tmp_path / "pid"
    host = hosts.started[hosts.start(grace_seconds=600.0)]
    started = bench.begin("process.leave_grandchild", {"path": str(path)})
    daemon, seat = pid_in(path), bench.seat()
    host.terminate()
    wait_until(lambda: seat.is_draining)
    host.terminate()
    assert host.wait(END_SECONDS) == 0
    assert started.failure()[0] == "crashed"
    wait_until(lambda: is_dead(seat.pid) and is_dead(daemon))


def test_host_whose_seats_are_not_admitted_ends_without_delay(hosts: Hosts) -> None:
    number = hosts.start(count=2, grace_seconds=600.0)
    wait_until(lambda: "Connection refused" in hosts.said(number))
    hosts.started[number].terminate()
    assert hosts.started[number].wait(END_SECONDS) == 0


def test_handed_back_attempt_costs_none_and_runs_on_another_host(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, hosts: Hosts, tmp_path: Path
) -> None:
    """A real leader and agent: one host stops while its task runs, another one comes."""
    ledger = tmp_path / "ledger"
    with engine_for_processes(settings, monkeypatch) as engine:
        spec = AgentSpec("far-1", "far", ("process.*",), (), 1, engine=hosts.settings)
        with engine.pool(spec):
            first = hosts.start(grace_seconds=0.2)
            given = {"path": str(ledger), "seconds": 4.0}
            task = {"type": "process.note", "input": given, "max_attempts": 1}
            [task_id] = engine.submitter.submit_many([task])
            wait_until(lambda: has_line(ledger), 60)
            hosts.started[first].terminate()
            assert hosts.started[first].wait(END_SECONDS) == 0
            hosts.start()
            engine.wait_for_all([task_id], timeout_seconds=60)
    assert engine.task(task_id).state == "completed"
    assert [line.split()[1] for line in ledger.read_text().splitlines()] == ["1", "2"]
