"""Seats as real processes: what becomes of attempts, seats and their agent when one of them is killed or silent."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from taskyard.worker.engines import desk
from taskyard.worker.engines.engine import Engine, EngineProblem, SeatCommand
from taskyard.worker.engines.handshake import KEY_VARIABLE, new_nonce, proof_of
from taskyard.worker.engines.late_engine import LateEngine
from taskyard.worker.engines.local import LocalEngine
from taskyard.worker.engines.seat_frames import Admitted, Challenge, Hello, Refused, SeatStream
from taskyard.worker.engines.settings import Leases
from tests.certificates import make_certificate
from tests.integration.seat_bench import SETTINGS, Recording, SeatBench, keeper_and_all_below
from tests.integration.slot_bench import Started, is_dead, parent_of, pid_in
from tests.servers import free_port, wait_until

SHORT_TTL_SECONDS = 3.0
MakeBench = Callable[..., SeatBench]


@pytest.fixture
def make_bench() -> Iterator[MakeBench]:
    made: list[SeatBench] = []

    def make(**options: object) -> SeatBench:
        made.append(SeatBench(**options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for bench in made:
        bench.runners.close(kill=True)


def begun(bench: SeatBench, tmp_path: Path, handler: str = "process.leave_grandchild") -> tuple[Started, int]:
    """An attempt that runs in a seat, and a daemon that it has started."""
    path = tmp_path / f"pid-{time.monotonic_ns()}"
    started = bench.begin(handler, {"path": str(path)})
    return started, pid_in(path)


def run_again(bench: SeatBench, seat_id: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a seat's command once more, as an engine does that repeats what it thinks has failed."""
    command = bench.engine.commands[seat_id]  # type: ignore[attr-defined]
    paths = os.pathsep.join(filter(None, map(os.path.abspath, sys.path)))
    environment = {**os.environ, "PYTHONPATH": paths, **command.variables, **variables}
    given = [sys.executable, *command.arguments]
    return subprocess.run(given, env=environment, capture_output=True, text=True, timeout=60, check=False)


# deaths


@pytest.mark.parametrize("isolation", ["process", "thread"])
@pytest.mark.parametrize("victim", ["seat", "keeper"])
def test_attempt_of_a_killed_seat_is_lost_with_all_that_it_started(
    make_bench: MakeBench, tmp_path: Path, isolation: str, victim: str
) -> None:
    bench = make_bench()
    started, daemon = begun(bench, tmp_path, f"{isolation}.leave_grandchild")
    seat = bench.seat()
    below = keeper_and_all_below(seat.pid)
    keeper = parent_of(seat.pid)
    os.kill(seat.pid if victim == "seat" else keeper, signal.SIGKILL)
    error_class, message = started.failure()
    assert error_class == "crashed"
    assert message.startswith(f"seat {seat.id} on {socket.gethostname()} was lost: its connection ended")
    if (victim, isolation) == ("keeper", "thread"):  # nobody is left who could: as when a plain agent and its pool die
        os.kill(daemon, signal.SIGKILL)
    wait_until(lambda: all(map(is_dead, [*below, keeper, daemon])))
    assert bench.value("process.noop", {"number": 3}) == {"number": 3}  # in a new seat
    assert bench.seat().id != seat.id


def test_attempt_of_a_killed_handler_ends_and_its_seat_goes_on(make_bench: MakeBench, tmp_path: Path) -> None:
    bench = make_bench()
    bench.value("process.noop", {"number": 1})
    seat = bench.seat()
    pid = bench.value("process.pid")["number"]
    started, _ = begun(bench, tmp_path)
    os.kill(pid, signal.SIGKILL)
    assert started.failure() == ("crashed", "the handler's process was killed by SIGKILL")
    assert bench.value("process.noop", {"number": 2}) == {"number": 2}
    assert bench.seat() is seat


def test_silent_seat_is_ended_by_its_keeper_before_its_agent_gives_it_up(make_bench: MakeBench, tmp_path: Path) -> None:
    bench = make_bench(ttl_seconds=SHORT_TTL_SECONDS)
    leases = Leases.within(SHORT_TTL_SECONDS)
    assert leases.beat_seconds < leases.lease_seconds < leases.lost_seconds < SHORT_TTL_SECONDS
    started, daemon = begun(bench, tmp_path, "thread.leave_grandchild")
    seat = bench.seat()
    os.kill(seat.pid, signal.SIGSTOP)
    error_class, message = started.failure()
    assert (error_class, "its connection ended" in message) == ("crashed", True)
    wait_until(lambda: is_dead(seat.pid) and is_dead(daemon))  # although it is stopped


def test_stopped_keeper_does_not_keep_a_seat_that_hears_nothing(make_bench: MakeBench, tmp_path: Path) -> None:
    """As when a whole node stands still: the kernel's own timer ends the seat in the moment in which it goes on."""
    bench = make_bench(ttl_seconds=SHORT_TTL_SECONDS)
    started, _ = begun(bench, tmp_path)
    seat = bench.seat()
    keeper = parent_of(seat.pid)
    for pid in (keeper, seat.pid):
        os.kill(pid, signal.SIGSTOP)
    error_class, message = started.failure()
    assert (error_class, "it was silent for 2.1 s" in message) == ("crashed", True)
    os.kill(seat.pid, signal.SIGCONT)
    wait_until(lambda: is_dead(seat.pid))
    os.kill(keeper, signal.SIGCONT)
    wait_until(lambda: is_dead(keeper))


def test_seat_that_outlives_its_agent_ends_what_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    code = (
        "from tests.integration.seat_bench import SeatBench; import os; bench = SeatBench(); "
        f"bench.begin('process.leave_grandchild', {{'path': {str(path)!r}}}); "
        f"open({str(tmp_path / 'seat')!r}, 'w').write(f'{{bench.seat().pid}}\\n'); input()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as agent:
        daemon = pid_in(path)
        below = keeper_and_all_below(pid_in(tmp_path / "seat"))
        agent.kill()
        wait_until(lambda: all(map(is_dead, [*below, daemon])))


def test_agent_that_ends_kills_its_seats(make_bench: MakeBench, tmp_path: Path) -> None:
    bench = make_bench()
    started, daemon = begun(bench, tmp_path)
    below = keeper_and_all_below(bench.seat().pid)
    bench.runners.close(kill=True)
    assert started.end() is None
    wait_until(lambda: all(map(is_dead, [*below, daemon])))


# admission


def test_seat_that_is_started_twice_is_admitted_once(make_bench: MakeBench) -> None:
    bench = make_bench(make=Recording)
    assert bench.value("process.noop", {"number": 1}) == {"number": 1}
    again = run_again(bench, bench.seat().id)
    assert (again.returncode, "it was admitted before" in again.stderr) == (0, True)
    assert len(bench.runners.links) == 1


def test_seat_with_a_wrong_key_is_refused(make_bench: MakeBench) -> None:
    bench = make_bench(make=Recording)
    assert bench.value("process.noop", {"number": 1}) == {"number": 1}
    again = run_again(bench, bench.seat().id, TASKYARD_SEAT_KEY="0" * 64)
    assert (again.returncode, "its key is not the one" in again.stderr) == (1, True)


def test_recorded_admission_is_of_no_use(make_bench: MakeBench) -> None:
    """What a seat has said once proves nothing on another connection, whether its id was used up or not."""
    bench = make_bench(make=Recording)
    desk = bench.runners.seats._desk
    command = desk.expect("recorded")
    host, _, port = command.arguments[2].rpartition(":")

    def connected() -> tuple[SeatStream, Challenge]:
        stream = SeatStream(socket.create_connection((host, int(port))), 5.0)
        challenge = stream.receive_within(20)
        assert isinstance(challenge, Challenge)
        return stream, challenge

    first, challenge = connected()
    nonce = new_nonce()
    proof = proof_of(command.variables[KEY_VARIABLE], "seat", challenge.nonce, nonce, "recorded")
    said = Hello(1, "recorded", nonce, proof, "node", 1)
    second, _ = connected()
    second.send(said)
    refused = second.receive_within(20)
    assert isinstance(refused, Refused)
    assert not refused.for_good
    first.send(said)
    assert isinstance(first.receive_within(20), Admitted)
    for stream in (first, second):
        stream.shut()
        stream.close()


def test_stranger_is_neither_read_for_long_nor_kept(make_bench: MakeBench) -> None:
    bench = make_bench()
    host, _, port = bench.runners.seats._desk.address.rpartition(":")
    with socket.create_connection((host, int(port)), 20) as stranger:
        stranger.recv(4096)
        stranger.sendall(b"\xff" * 100)  # announces a frame of 4 GB
        assert stranger.recv(1) == b""


@pytest.mark.parametrize("has_tls", [False, True], ids=["plain", "TLS"])
def test_seats_come_past_many_that_say_nothing(
    make_bench: MakeBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_tls: bool
) -> None:
    monkeypatch.setattr(desk, "ADMISSION_SECONDS", 600.0)  # they would stay
    settings = SETTINGS
    if has_tls:
        made = make_certificate(tmp_path)
        settings = replace(SETTINGS, certificate=str(made.file), private_key=str(made.key))
    bench = make_bench(settings=settings)
    host, _, port = bench.runners.seats._desk.address.rpartition(":")
    with contextlib.ExitStack() as silent:
        for _ in range(desk.MAX_STRANGERS + 44):
            silent.enter_context(socket.create_connection((host, int(port)), 20))
        done = bench.begin("thread.noop", {"number": 7}).end(60)
        assert done is not None
        assert done.failure is None


def test_seats_over_tls(make_bench: MakeBench, tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    settings = replace(SETTINGS, certificate=str(made.file), private_key=str(made.key))
    bench = make_bench(settings=settings, make=Recording)
    big = {"value": ["é" * 200_000] * 3}
    assert bench.failure("process.output", {"case": "big"})[0] == "unstorable"
    assert bench.value("thread.noop", {"number": 4}) == {"number": 4}
    assert bench.done("process.talk", big) is not None
    (tmp_path / "other").mkdir()
    other = make_certificate(tmp_path / "other")
    again = run_again(bench, bench.seat().id, TASKYARD_SEAT_CERTIFICATE=other.file.read_text())
    assert (again.returncode, "CERTIFICATE_VERIFY_FAILED" in again.stderr) == (1, True)


# coming and going


class LosableLocal(LocalEngine):
    """Its client refuses everything once it has given up, as Dask's does."""

    is_closed = False

    def is_lost(self) -> bool:
        return self.is_closed

    def launch(self, seat_id: str, command: SeatCommand) -> None:
        if self.is_closed:
            raise RuntimeError("the client is closed")
        super().launch(seat_id, command)


def test_engine_that_does_not_answer_is_told_at_once_and_reached_once_it_does(make_bench: MakeBench) -> None:
    port = free_port()
    bench = make_bench(
        settings=replace(SETTINGS, address=f"127.0.0.1:{port}"),
        make=lambda settings: LateEngine(settings, lambda: LocalEngine(settings)),
    )
    expected = f"local does not answer: 127.0.0.1:{port} is not reached"
    wait_until(lambda: bench.runners.report().problem.startswith(expected))
    with socket.create_server(("127.0.0.1", port)):
        assert bench.value("thread.noop", {"number": 1}) == {"number": 1}
        assert bench.runners.report().problem == ""


def test_engine_whose_client_has_given_up_is_reached_anew(make_bench: MakeBench) -> None:
    opened = list[LosableLocal]()

    def open_engine() -> Engine:
        opened.append(LosableLocal(SETTINGS))
        return opened[-1]

    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        bench = make_bench(
            settings=replace(SETTINGS, address=address, idle_seconds=0.0),
            make=lambda settings: LateEngine(settings, open_engine),
        )
        assert bench.value("thread.noop", {"number": 1}) == {"number": 1}
        bench.runners.release(0)
        wait_until(lambda: not bench.runners.links)
        opened[0].is_closed = True
        assert bench.value("thread.noop", {"number": 2}) == {"number": 2}
        assert len(opened) == 2


def test_agent_ends_while_it_waits_for_its_engine(make_bench: MakeBench) -> None:
    gate = threading.Event()

    def opened() -> Engine:
        gate.wait(60)
        raise EngineProblem("away")

    bench = make_bench(make=lambda settings: LateEngine(settings, opened))
    assert bench.runners.report().problem == "local has not answered yet"
    began = time.monotonic()
    bench.runners.close(kill=True)
    assert time.monotonic() - began < 10
    gate.set()


def test_idle_seat_goes(make_bench: MakeBench) -> None:
    bench = make_bench(settings=replace(SETTINGS, idle_seconds=0.0))
    bench.value("thread.noop", {"number": 4})
    pid = bench.seat().pid
    bench.runners.release(0)
    wait_until(lambda: is_dead(pid) and not bench.runners.links)


def test_seat_goes_after_its_share_of_runs(make_bench: MakeBench) -> None:
    bench = make_bench(settings=replace(SETTINGS, runs_per_seat=1))
    pids = set()
    for _ in range(2):
        pids.add(bench.value("thread.pid")["number"])
        bench.runners.release(0)
    assert len(pids) == 2
    wait_until(lambda: all(map(is_dead, pids)))


def test_seats_are_shared_and_no_more_than_allowed(make_bench: MakeBench) -> None:
    bench = make_bench()
    first = bench.value("thread.pid")["number"]
    bench.runners.release(0)
    assert bench.value("thread.pid", slot=1)["number"] == first


def test_module_that_does_not_import_costs_no_attempt(make_bench: MakeBench) -> None:
    bench = make_bench(modules=("no.such.module",))
    seats = bench.runners.seats
    assert bench.runners.reserve(0, "thread.noop", lambda: not seats.state().problem) == ""
    assert seats.state().why_none("local").startswith("seat ")
    assert "task module 'no.such.module'" in seats.state().why_none("local")


def test_seat_that_does_not_come_in_time_is_waited_for_no_longer(make_bench: MakeBench) -> None:
    bench = make_bench(modules=("no.such.module",), settings=replace(SETTINGS, wait_seconds=1.0))
    assert bench.runners.reserve(0, "thread.noop", lambda: True).startswith("no seat came within 1 s: ")


def test_waiting_for_a_seat_can_be_given_up(make_bench: MakeBench) -> None:
    bench = make_bench(modules=("no.such.module",))
    assert bench.runners.reserve(0, "thread.noop", lambda: False) == ""
