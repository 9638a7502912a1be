"""A desk's certificate that is renewed, half renewed, expires, or has expired; and hosts that are refused."""

from __future__ import annotations

import shutil
import ssl
from pathlib import Path

import pytest
from msgspec.structs import replace

from taskyard.worker.agents.pool_config import AgentSpec
from taskyard.worker.doctor.engines import engine_checks
from tests.certificates import renew
from tests.integration.seat_bench import MakeBench, SeatBench, benches
from tests.servers import wait_until
from tests.site_hosts import Hosts


def shown(hosts: Hosts) -> str:
    """The certificate that the desk shows."""
    host, _, port = hosts.settings.listen.rpartition(":")
    return ssl.get_server_certificate((host, int(port)), timeout=20).strip()


def problem_of(bench: SeatBench) -> str:
    return str(bench.runners.report().problem)


def test_a_renewed_certificate_is_used_at_once_and_seats_stay(hosts: Hosts, make_bench: MakeBench) -> None:
    bench = make_bench()
    hosts.start()
    assert bench.value("thread.noop", {"number": 1}) == {"number": 1}
    seat, before = bench.seat().id, shown(hosts)
    renew(hosts.certificate)
    assert shown(hosts) == hosts.certificate.file.read_text().strip() != before
    assert bench.value("thread.noop", {"number": 2}) == {"number": 2}
    assert bench.seat().id == seat
    hosts.start()
    wait_until(lambda: len(bench.runners.links) == 2)


def test_half_a_renewal_leaves_the_former_one_in_use(hosts: Hosts, make_bench: MakeBench, tmp_path: Path) -> None:
    bench, before = make_bench(), shown(hosts)
    new_key, old_key = tmp_path / "kept.key", hosts.certificate.key.read_bytes()
    renew(hosts.certificate)
    shutil.copy(hosts.certificate.key, new_key)
    hosts.certificate.key.write_bytes(old_key)
    assert shown(hosts) == before
    assert "the certificate of before stays in use" in problem_of(bench)
    shutil.copy(new_key, hosts.certificate.key)
    assert shown(hosts) == hosts.certificate.file.read_text().strip()
    assert "stays in use" not in problem_of(bench)


def test_an_expired_certificate_is_told_by_the_agent_and_by_doctor(hosts: Hosts, make_bench: MakeBench) -> None:
    renew(hosts.certificate, days=-1)
    bench = make_bench()
    hosts.start()
    told = "does not accept the certificate: certificate expired"
    wait_until(lambda: told in problem_of(bench), 30)
    assert problem_of(bench).startswith("no host has dialled in with a seat; the certificate has expired at 20")
    spec = AgentSpec("a-1", "a", ("*",), (), 1, engine=hosts.settings)
    assert [(check.ok, "has expired at" in check.found) for check in engine_checks([spec])][1:] == [(False, True)]
    renew(hosts.certificate)
    assert bench.value(
        "thread.noop",
        {"number": 1},
    ) == {"number": 1}


def test_one_that_expires_soon_is_a_remark(hosts: Hosts, make_bench: MakeBench) -> None:
    renew(hosts.certificate, days=5)
    bench = make_bench()
    hosts.start()
    wait_until(lambda: problem_of(bench).startswith("the certificate expires at 20"), 30)
    assert problem_of(bench).endswith("renew it")
    spec = AgentSpec("a-1", "a", ("*",), (), 1, engine=hosts.settings)
    checks = list(engine_checks([spec]))[1:]
    assert [(check.ok, check.warning, "renew it" in check.found) for check in checks] == [(True, True, True)]


@pytest.mark.parametrize(
    ("site", "key", "told"),
    [("berlin", "k" * 64, "wrong key"), ("oslo", "", "site 'oslo' is not known")],
)
def test_why_a_host_is_refused_is_told(hosts: Hosts, make_bench: MakeBench, site: str, key: str, told: str) -> None:
    bench = make_bench()
    hosts.start(site=site, key=key)
    wait_until(lambda: f"a host at 127.0.0.1 was refused: seat '{site}-" in problem_of(bench), 30)
    assert told in problem_of(bench)


def test_sites_that_can_not_be_read_are_told_on_both_sides(hosts: Hosts, make_bench: MakeBench) -> None:
    bench = make_bench()
    sites = Path(str(hosts.settings.options["sites"]))
    before = sites.read_text()
    sites.write_text("berlin = \n")
    number = hosts.start()
    wait_until(lambda: "its agent can't read the keys of its sites" in hosts.said(number), 30)
    refused = "a host at 127.0.0.1 was refused: the keys of sites can't be read: "
    wait_until(lambda: refused in problem_of(bench), 30)  # noted once the host has been told
    sites.write_text(before)
    assert bench.value("thread.noop", {"number": 1}) == {"number": 1}


def test_seats_on_a_network_expect_the_certificate_of_now(hosts: Hosts) -> None:
    settings = replace(hosts.settings, name="local", options={})
    with benches(settings) as make:
        bench = make(idle_seconds=0.0)
        assert bench.value("thread.noop", {"number": 1}) == {"number": 1}
        bench.runners.release(0)
        wait_until(lambda: not bench.runners.links)
        renew(hosts.certificate)
        assert bench.value("thread.noop", {"number": 2}) == {"number": 2}
