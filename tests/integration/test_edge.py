"""Hosts of a site that dial in: over real TLS, with keys and certificates right and wrong, cut off, and come back."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import MutableMapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from taskyard.worker.agents.pool_config import AgentSpec
from taskyard.worker.doctor.engines import engine_checks
from taskyard.worker.engines.handshake import key_of, new_nonce, proof_of
from taskyard.worker.engines.seat_frames import SEAT_VERSION, Admitted, Challenge, Frame, Hello, Refused, SeatStream
from taskyard.worker.engines.site_host import SITE_KEY_VARIABLE
from tests.certificates import make_certificate
from tests.integration.seat_bench import MakeBench
from tests.integration.slot_bench import is_dead, pid_in
from tests.servers import REPOSITORY, wait_until
from tests.site_hosts import Hosts


def test_host_that_dials_in_runs_attempts_and_keeps_its_seat(hosts: Hosts, make_bench: MakeBench) -> None:
    bench = make_bench(idle_seconds=0.0)
    hosts.start()
    for isolation in ("thread", "process", "async"):
        assert bench.value(f"{isolation}.noop", {"number": 7}) == {"number": 7}
    seat = bench.seat()
    assert re.fullmatch(r"berlin-[0-9a-f]{12}", seat.id)
    bench.runners.release(0)
    assert bench.value("thread.noop", {"number": 8}) == {"number": 8}
    assert bench.seat() is seat  # nobody sends it away: its host would only start it again


def test_agent_says_that_it_waits_for_a_host(make_bench: MakeBench) -> None:
    bench = make_bench(wait_seconds=2.0)
    reason = bench.runners.reserve(0, "thread.noop", lambda: True)
    assert reason == "no seat came within 2 s: no host has dialled in with a free seat; known sites: berlin"


def test_host_without_room_tries_again(hosts: Hosts, make_bench: MakeBench) -> None:
    bench = make_bench()
    hosts.start(count=2)
    wait_until(lambda: len(bench.runners.links) == 2)
    third = hosts.start()
    wait_until(lambda: "it has as many seats as it wants" in hosts.said(third))
    hosts.started[0].terminate()
    hosts.started[0].wait()
    wait_until(lambda: len(bench.runners.links) == 1)
    assert bench.value("thread.noop", {"number": 1}) == {"number": 1}


def test_wrong_keys_and_unknown_sites_are_refused(hosts: Hosts, make_bench: MakeBench) -> None:
    bench = make_bench()
    wrong = hosts.start(key=secrets.token_hex(32))
    unknown = hosts.start(site="oslo")
    for number in (wrong, unknown):
        wait_until(lambda number=number: "its key is not its site's" in hosts.said(number))
        assert hosts.started[number].poll() is None  # it tries again
    assert bench.runners.links == []


def test_log_says_from_where_strangers_come_and_tells_a_wrong_site_from_a_wrong_key(
    hosts: Hosts, make_bench: MakeBench
) -> None:
    with capture_logs() as lines:
        make_bench()
        hosts.start(key=secrets.token_hex(32))
        hosts.start(site="oslo")
        expected = {"wrong key", "site 'oslo' is not known"}
        wait_until(lambda: {line["reason"].partition(": ")[2] for line in strangers(lines)} == expected)
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+", line["address"]) for line in strangers(lines))


def strangers(lines: Sequence[MutableMapping[str, Any]]) -> list[MutableMapping[str, Any]]:
    return [line for line in list(lines) if line["event"] == "desk.stranger"]


def test_host_says_once_that_it_is_connected_and_that_it_is_not_any_more(hosts: Hosts, make_bench: MakeBench) -> None:
    bench = make_bench()
    number = hosts.start(count=2)
    wait_until(lambda: len(bench.runners.links) == 2)
    wait_until(lambda: "seats.connected" in hosts.said(number))
    bench.runners.close(kill=True)
    wait_until(lambda: "seats.disconnected" in hosts.said(number))
    [line] = [line for line in hosts.said(number).splitlines() if "seats.connected" in line]
    assert hosts.settings.listen in line
    assert hosts.said(number).count("seats.disconnected") == 1


def test_site_that_is_added_may_dial_in_at_once(hosts: Hosts, make_bench: MakeBench) -> None:
    bench = make_bench()
    key = secrets.token_hex(32)
    Path(hosts.settings.options["sites"]).write_text(f'berlin = "{hosts.key}"\noslo = "{key}"\n')
    hosts.start(site="oslo", key=key)
    assert bench.value("thread.noop", {"number": 1}) == {"number": 1}
    assert bench.seat().id.startswith("oslo-")


def test_host_does_not_speak_to_a_desk_of_another_certificate(
    hosts: Hosts, make_bench: MakeBench, tmp_path: Path
) -> None:
    bench = make_bench()
    (tmp_path / "other").mkdir()
    other = make_certificate(tmp_path / "other")
    number = hosts.start(ca_file=str(other.authority))
    named = hosts.start(desk=f"localhost:{hosts.settings.listen.rpartition(':')[2]}")
    for one in (number, named):  # by the right authority, but for another name
        wait_until(lambda one=one: "CERTIFICATE_VERIFY_FAILED" in hosts.said(one))
    assert bench.runners.links == []


def test_plain_connection_is_no_way_in(hosts: Hosts, make_bench: MakeBench) -> None:
    make_bench()
    host, _, port = hosts.settings.listen.rpartition(":")
    with socket.create_connection((host, int(port)), 20) as stranger:
        stranger.sendall(b"\x00" * 64)
        with contextlib.suppress(ConnectionResetError):
            assert stranger.recv(4096)[:1] in (b"", b"\x15")  # an alert of TLS, or the end


def test_two_hosts_with_one_key(hosts: Hosts, make_bench: MakeBench) -> None:
    bench = make_bench()
    hosts.start()
    hosts.start()
    pids = {bench.value("thread.pid", slot=slot)["number"] for slot in (0, 1)}
    assert len(pids) == 2
    parents = {psutil.Process(pid).parent().ppid() for pid in pids}
    assert parents == {host.pid for host in hosts.started}


def test_host_that_is_killed_ends_what_it_runs_and_comes_back(
    hosts: Hosts, make_bench: MakeBench, tmp_path: Path
) -> None:
    bench = make_bench()
    hosts.start()
    started = bench.begin("process.leave_grandchild", {"path": str(tmp_path / "pid")})
    daemon, seat = pid_in(tmp_path / "pid"), bench.seat()
    hosts.started[0].kill()
    error_class, message = started.failure()
    assert (error_class, message.startswith(f"seat {seat.id} on ")) == ("crashed", True)
    wait_until(lambda: is_dead(seat.pid) and is_dead(daemon))
    hosts.start()
    assert bench.value("process.noop", {"number": 2}) == {"number": 2}
    assert bench.seat().id != seat.id


def test_host_asked_to_end_ends_its_seats_in_order(hosts: Hosts, make_bench: MakeBench) -> None:
    bench = make_bench()
    hosts.start(count=2)
    wait_until(lambda: len(bench.runners.links) == 2)
    pids = [link.pid for link in bench.runners.links]
    hosts.started[0].send_signal(signal.SIGTERM)
    assert hosts.started[0].wait(20) == 0
    wait_until(lambda: all(map(is_dead, pids)) and not bench.runners.links)


def test_host_waits_for_its_agent_and_finds_it_again(hosts: Hosts, make_bench: MakeBench) -> None:
    number = hosts.start()
    wait_until(lambda: "Connection refused" in hosts.said(number))
    first = make_bench()
    assert first.value("thread.noop", {"number": 1}) == {"number": 1}
    pid = first.seat().pid
    first.runners.close(kill=True)
    wait_until(lambda: is_dead(pid))
    second = make_bench()
    assert second.value("thread.noop", {"number": 2}) == {"number": 2}


class Wire:
    """Passes bytes on between a port and a desk, until it is cut."""

    def __init__(self, desk: str) -> None:
        self._desk = desk
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections: list[socket.socket] = []
        self._lock = threading.Lock()
        self._is_closed = False
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        host, _, port = self._desk.rpartition(":")
        while not self._is_closed:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection((host, int(port)))
            with self._lock:
                self.connections += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    @staticmethod
    def _pass_on(one: socket.socket, other: socket.socket) -> None:
        try:
            while data := one.recv(1 << 16):
                other.sendall(data)
        except OSError:
            pass

    def cut(self) -> None:
        """Ends all connections; the next ones are passed on again."""
        with self._lock:
            ended, self.connections = self.connections, []
        for one in ended:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def close(self) -> None:
        """Ends all connections, and listening."""
        self._is_closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        self.cut()


def test_cut_connection_ends_the_attempt_and_the_host_dials_again(
    hosts: Hosts, make_bench: MakeBench, tmp_path: Path
) -> None:
    bench = make_bench()
    wire = Wire(hosts.settings.listen)
    try:
        hosts.start(desk=wire.address)
        started = bench.begin("process.leave_grandchild", {"path": str(tmp_path / "pid")})
        daemon, seat = pid_in(tmp_path / "pid"), bench.seat()
        wire.cut()
        error_class, message = started.failure()
        assert (error_class, "its connection ended" in message) == ("crashed", True)
        wait_until(lambda: is_dead(seat.pid) and is_dead(daemon))
        assert bench.value("process.noop", {"number": 2}) == {"number": 2}
    finally:
        wire.close()


def test_id_of_a_site_is_admitted_once_and_only_as_its_own(hosts: Hosts, make_bench: MakeBench) -> None:
    bench = make_bench()

    def answer_to(seat_id: str, site: str = "berlin") -> Frame | None:
        context = ssl.create_default_context(cafile=str(hosts.certificate.authority))
        host, _, port = hosts.settings.listen.rpartition(":")
        plain = socket.create_connection((host, int(port)), 20)
        stream = SeatStream(context.wrap_socket(plain, server_hostname=host), 5.0)
        challenge = stream.receive_within(20)
        assert isinstance(challenge, Challenge)
        nonce, key = new_nonce(), key_of(hosts.key.encode(), seat_id)
        proof = proof_of(key, "seat", challenge.nonce, nonce, seat_id)
        stream.send(Hello(SEAT_VERSION, seat_id, nonce, proof, "node", 1, site))
        try:
            return stream.receive_within(20)
        finally:
            stream.shut()
            stream.close()

    assert isinstance(answer_to("berlin-0123456789ab"), Admitted)
    wait_until(lambda: not bench.runners.seats.state().coming)
    for seat_id in ("berlin-0123456789ab", "oslo-0123456789ab", "berlin-", "0123456789ab"):
        answer = answer_to(seat_id)
        assert isinstance(answer, Refused), seat_id
    # a site's key makes no key of a seat that the agent has launched
    assert isinstance(answer_to("0123456789ab", ""), Refused)


def test_handlers_learn_no_key_of_the_site(hosts: Hosts, make_bench: MakeBench) -> None:
    bench = make_bench()
    hosts.start()
    pid = bench.value("process.pid")["number"]
    for process in [psutil.Process(pid), *psutil.Process(pid).parents()]:
        if process.pid == hosts.started[0].pid:
            break  # root of these tests may read it, others of its user may not
        said = Path(f"/proc/{process.pid}/environ").read_bytes() + Path(f"/proc/{process.pid}/cmdline").read_bytes()
        assert hosts.key.encode() not in said
    assert hosts.key not in " ".join(hosts.started[0].args)  # type: ignore[arg-type]


def test_doctor_says_where_sites_dial_in_and_whether_the_certificate_can_be_used(hosts: Hosts) -> None:
    spec = AgentSpec("a-1", "a", ("*",), (), 1, engine=hosts.settings)
    [found] = engine_checks([spec])
    assert (found.ok, found.found) == (True, f"hosts dial in at {hosts.settings.listen}, from sites berlin")
    other = replace(hosts.settings, private_key=str(hosts.certificate.authority))
    [found] = engine_checks([AgentSpec("a-1", "a", ("*",), (), 1, engine=other)])
    assert (found.ok, "expected a private key (PEM), it holds a certificate" in found.found) == (False, True)


@pytest.mark.parametrize(
    ("given", "environment", "problem"),
    [
        (["a:1", "--site", "berlin"], {}, "TASKYARD_SITE_KEY: not set, and no --key-file"),
        (["a:1", "--site", "berlin"], {SITE_KEY_VARIABLE: "short"}, "TASKYARD_SITE_KEY: the key is not accepted"),
        (["a:1", "--site", "berlin", "--key-file", "no/such"], {}, "--key-file no/such: it can't be read"),
        (["a:1", "--site", "berlin", "--key-file", "/dev/null"], {}, "--key-file /dev/null: its first line is empty"),
        (["a", "--site", "berlin"], {SITE_KEY_VARIABLE: "k" * 32}, "DESK: 'a' is not accepted, expected HOST:PORT"),
        (["a:1", "--site", "Ber lin"], {SITE_KEY_VARIABLE: "k" * 32}, "--site: 'Ber lin' is not accepted"),
        (["https://a:1", "--site", "b"], {SITE_KEY_VARIABLE: "k" * 32}, "DESK: 'https://a:1' is not accepted"),
        (["a:1", "--site", "b", "--ca-file", __file__], {SITE_KEY_VARIABLE: "k" * 32}, "expected certificates (PEM)"),
        (["a:1", "--site", "b", "--ca-file", "no"], {SITE_KEY_VARIABLE: "k" * 32}, "--ca-file no: expected a file"),
    ],
)
def test_wrong_arguments_are_one_clear_line(given: list[str], environment: dict[str, str], problem: str) -> None:
    paths = os.pathsep.join([str(REPOSITORY), *filter(None, sys.path)])
    command = [sys.executable, "-m", "taskyard", "seats", *given]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": paths, **environment}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0
    assert problem in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "short" not in done.stdout + done.stderr
