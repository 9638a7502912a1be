"""Several hosts: links that are cut one way, cut both ways and slowed, under a leader, a standby and agents."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator

import pytest

from taskyard.core.errors import Unavailable
from taskyard.core.postgres.database import Database, connect_leader
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.connection import connect_redis
from taskyard.core.submission.submit import Submitter
from taskyard.core.task_types.registry import registry
from taskyard.worker.devtools.prove import records
from tests.chaos.hosts import AGENT_HOSTS, NAMES, SLOTS, Hosts, running_hosts
from tests.chaos.links import IP_PROGRAM, TUN_DEVICE, inside, ip
from tests.servers import wait_until

TAKEOVER_SECONDS = 15.0  # P1's timeouts are 3 s; a busy machine gets some more
LOST_HOST_SECONDS = 15.0
REFUSAL_SECONDS = 15.0
WORK_SECONDS = 60.0
SLOW_SECONDS = 0.1
WAYS = {"both ways": {}, "to the servers": {"to_host": False}, "to the host": {"to_servers": False}}
pytestmark = pytest.mark.slow
each_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@pytest.fixture(scope="module")
def topology() -> Iterator[Hosts]:
    _require_namespaces()
    with running_hosts() as built:
        yield built


@pytest.fixture
def hosts(topology: Hosts) -> Hosts:
    """Four hosts that work, with every link as good as new."""
    topology.settle()
    return topology


def _require_namespaces() -> None:
    if IP_PROGRAM is None:
        message = "there is no `ip`: on Debian, apt-get install iproute2"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    if not TUN_DEVICE.exists():
        pytest.skip(f"this kernel has no {TUN_DEVICE}")
    trial = f"taskyard-{os.getpid()}-trial"
    try:
        ip("netns", "add", trial)
        ip("-n", trial, "tuntap", "add", "dev", "trial", "mode", "tun")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this kernel forbids network namespaces or TUN devices: {error.stderr.strip()}")
    finally:
        subprocess.run([IP_PROGRAM, "netns", "delete", trial], check=False, capture_output=True)


def finish(hosts: Hosts) -> None:
    """Waits for the end of all work, then compares the three records."""
    wait_until(lambda: not hosts.open_tasks(), WORK_SECONDS, "all work ends")
    verdict = hosts.verdict()
    assert verdict.is_kept, verdict


@each_way
def test_a_cut_off_agent_is_replaced_and_what_it_says_later_does_not_count(hosts: Hosts, way: dict[str, bool]) -> None:
    cut, name, lost = hosts[AGENT_HOSTS[0]], hosts[AGENT_HOSTS[0]].agent_name, hosts.lost_agents()
    boot = hosts.boots()[name]
    hosts.submit(2 * SLOTS, seconds=2.0)
    begun = wait_until(lambda: begun_on(hosts, f"{name}:{boot}"), WORK_SECONDS)
    hosts.cuts += 1
    cut.link.cut(**way)
    began = time.monotonic()
    on_it = begun & running_on(hosts, f"{name}:{boot}")  # whatever had ended before the cut ended well
    assert on_it
    wait_until(lambda: hosts.lost_agents() == lost + 1, LOST_HOST_SECONDS, "it is given up")
    wait_until(lambda: not hosts.open_tasks(), LOST_HOST_SECONDS, "another host does its tasks")
    print(f"done elsewhere {time.monotonic() - began:.1f} s after the cut")
    # of a deaf host the first report still arrives, and counts
    if cut.link.to_servers.is_cut:
        assert set(agents_of(hosts, list(on_it))) == {hosts[AGENT_HOSTS[1]].agent_name}
    cut.link.restore()
    wait_until(lambda: hosts.boots().get(name, boot) != boot, WORK_SECONDS, "it comes back under a new boot id")
    wait_until(lambda: stale(hosts) >= on_it, WORK_SECONDS, "what it did in vain is reported, and does not count")
    again = hosts.submit(6, seconds=0.5)
    finish(hosts)
    assert name in agents_of(hosts, again), "it works again"


@each_way
def test_a_cut_off_leader_is_followed_by_the_standby(hosts: Hosts, way: dict[str, bool]) -> None:
    old, (epoch, _), lost = hosts.leader(), hosts.term(), hosts.lost_agents()
    hosts.submit(20, seconds=0.05)
    hosts.cuts += 1
    old.link.cut(**way)
    began = time.monotonic()
    hosts.submit(20, seconds=0.05)
    wait_until(lambda: hosts.term()[0] > epoch, TAKEOVER_SECONDS, "the standby leads")
    print(f"the standby leads {time.monotonic() - began:.1f} s after the cut")
    term, successor = hosts.term(), hosts.leader()
    assert (term[0], successor.name != old.name) == (epoch + 1, True)
    wait_until(lambda: not hosts.open_tasks(), TAKEOVER_SECONDS, "it does the work")
    old.link.restore()
    hosts.submit(20, seconds=0.05)
    wait_until(lambda: old.name in hosts.standing_by(), WORK_SECONDS, "the old one stands by")
    finish(hosts)
    assert hosts.term() == term, "it does not take the lead back"
    assert old.process is not None
    assert old.process.poll() is None, "it still is the same process"
    assert hosts.lost_agents() == lost, "no agent is declared dead because a leader was deaf"


def test_on_slow_links_nobody_is_declared_dead(hosts: Hosts) -> None:
    term, boots, lost = hosts.term(), hosts.boots(), hosts.lost_agents()
    for name in NAMES:
        hosts[name].link.slow(SLOW_SECONDS)
    tasks = hosts.submit(12, seconds=0.5)
    finish(hosts)
    assert (hosts.term(), hosts.boots(), hosts.lost_agents()) == (term, boots, lost)
    with hosts.database.transaction() as tx:
        rows = tx.rows("SELECT DISTINCT attempt, refunded FROM tasks WHERE id = ANY(%(ids)s::uuid[])", {"ids": tasks})
    assert rows == [(1, 0)], "no attempt was burnt"


@each_way
def test_a_submission_from_a_cut_off_host_is_refused_in_time(hosts: Hosts, way: dict[str, bool]) -> None:
    host = hosts[AGENT_HOSTS[0]]
    database = Database(host.database_url, pool_size=1)
    broker = Broker(connect_redis(host.redis_url), hosts.settings.namespace, hosts.settings.placement_of)
    submitter = Submitter(hosts.settings, registry, database, broker)
    try:
        inside(host.namespace, lambda: submitter.submit("prove.thread", {}))  # its connections are open now
        host.link.cut(**way)
        began = time.monotonic()
        with pytest.raises(Unavailable):
            inside(host.namespace, lambda: submitter.submit("prove.thread", {}))
        seconds = time.monotonic() - began
        print(f"refused after {seconds:.1f} s")
        assert seconds < REFUSAL_SECONDS
        host.link.restore()
    finally:
        database.close()
        broker.redis.close()
    finish(hosts)


def test_a_lost_network_ends_a_leaders_session_by_itself(hosts: Hosts) -> None:
    host = hosts[AGENT_HOSTS[0]]
    connection = inside(host.namespace, lambda: connect_leader(host.database_url))
    with connection, connection.cursor() as cursor:
        cursor.execute("SET idle_session_timeout = 0")  # which PostgreSQL 12 and 13 don't have
    pid = connection.info.backend_pid
    try:
        assert has_session(hosts, pid)
        host.link.cut()
        wait_until(lambda: not has_session(hosts, pid), TAKEOVER_SECONDS, "the server ends the session")
    finally:
        connection.close()


def has_session(hosts: Hosts, pid: int) -> bool:
    with hosts.database.transaction() as tx:
        return bool(tx.rows("SELECT pid FROM pg_stat_activity WHERE pid = %(pid)s", {"pid": pid}))


def begun_on(hosts: Hosts, agent_id: str) -> set[str]:
    """The tasks that run on a boot of an agent, and whose handlers have begun.

    An agent that has announced a start and does not get the answer begins nothing, and has nothing to report.
    """
    return running_on(hosts, agent_id) & {task_id for task_id, _, _ in records.read(hosts.ledger)}


def running_on(hosts: Hosts, agent_id: str) -> set[str]:
    """The tasks that are in progress on a boot of an agent."""
    with hosts.database.transaction() as tx:
        statement = "SELECT id FROM tasks WHERE state = 'in_progress' AND assigned_agent_id = %(agent)s"
        return {str(id_) for (id_,) in tx.rows(statement, {"agent": agent_id})}


def agents_of(hosts: Hosts, tasks: list[str]) -> list[str]:
    """The names of the agents that the tasks were last assigned to."""
    with hosts.database.transaction() as tx:
        statement = "SELECT assigned_agent_id FROM tasks WHERE id = ANY(%(ids)s::uuid[])"
        return [str(boot).rpartition(":")[0] for (boot,) in tx.rows(statement, {"ids": tasks})]


def stale(hosts: Hosts) -> set[str]:
    """The tasks of which a report came too late."""
    with hosts.database.transaction() as tx:
        return {str(id_) for (id_,) in tx.rows("SELECT task_id FROM task_events WHERE event = 'stale_result'", {})}
