"""The embedded servers: start, adoption after a crash, several users of one data directory, odd paths."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from taskyard.core.config import load_settings
from taskyard.core.embedded.host import processes_in, socket_folder
from taskyard.core.embedded.redis import RedisServer
from taskyard.core.embedded.servers import EmbeddedServers, Endpoints, resolve
from taskyard.core.errors import Unavailable
from taskyard.core.health.probes import database_answers, redis_answers
from taskyard.core.postgres.pools import connect_engine
from taskyard.core.redis.connection import connect_redis
from tests.servers import REPOSITORY, kill_all, running_endpoints, wait_until

USER = """
import sys
from pathlib import Path
from taskyard.core.embedded.servers import EmbeddedServers
with EmbeddedServers(Path(sys.argv[1]), durable=False):
    print("started", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def data_dir() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="ty-", dir="/tmp"))
    yield folder
    EmbeddedServers(folder).stop()
    remaining = server_processes(folder)
    kill_all(remaining)
    shutil.rmtree(folder, ignore_errors=True)
    assert not remaining


def server_processes(data_dir: Path) -> list[psutil.Process]:
    return processes_in(data_dir / "postgres", "postgres") + processes_in(data_dir / "redis", "redis-server")


def main_process(data_dir: Path, name: str) -> psutil.Process:
    file = {"postgres": "postgres/postmaster.pid", "redis": "redis/redis.pid"}[name]
    return psutil.Process(int((data_dir / file).read_text().split()[0]))


def execute(url: str, statement: str) -> list[tuple[object, ...]]:
    engine = connect_engine(url, pool_size=1)
    with engine.begin() as connection:
        result = connection.execute(sa.text(statement))
        rows = [tuple(row) for row in result] if result.returns_rows else []
    engine.dispose()
    return rows


@pytest.fixture
def other_user(data_dir: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that uses the servers of `data_dir` until its standard input is closed."""
    with subprocess.Popen(
        [sys.executable, "-c", USER, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
        text=True,
    ) as process:
        assert process.stdout.readline() == "started\n"
        yield process
        process.kill()


def test_start_and_stop(data_dir: Path) -> None:
    servers = EmbeddedServers(data_dir, durable=False)
    assert running_endpoints(data_dir) is None

    assert servers.start() is servers
    assert running_endpoints(data_dir) == (servers.database_url, servers.redis_url)
    first = {process.pid for process in server_processes(data_dir)}
    servers.start()
    assert {process.pid for process in server_processes(data_dir)} & first

    servers.stop()
    assert running_endpoints(data_dir) is None
    assert server_processes(data_dir) == []
    servers.stop()


def test_committed_rows_survive_a_restart_and_redis_starts_empty(data_dir: Path) -> None:
    with EmbeddedServers(data_dir) as servers:
        execute(servers.database_url, "CREATE TABLE kept AS SELECT 7 AS number")
        with connect_redis(servers.redis_url) as client:
            client.set("volatile", "1")

    with EmbeddedServers(data_dir) as servers:
        assert execute(servers.database_url, "SELECT number FROM kept") == [(7,)]
        with connect_redis(servers.redis_url) as client:
            assert client.get("volatile") is None


def test_settings_are_durable_and_local(data_dir: Path) -> None:
    with EmbeddedServers(data_dir) as servers:
        wanted = {
            "fsync": "on",
            "synchronous_commit": "on",
            "full_page_writes": "on",
            "listen_addresses": "",
            "jit": "off",
            "max_connections": "200",
            "TimeZone": "UTC",
        }
        for name, value in wanted.items():
            assert execute(servers.database_url, f"SHOW {name}") == [(value,)], name
        with connect_redis(servers.redis_url) as client:
            for name, value in {"maxmemory-policy": "noeviction", "save": "", "appendonly": "no", "port": "0"}.items():
                assert client.config_get(name) == {name: value}
        for process in server_processes(data_dir):
            with suppress(psutil.NoSuchProcess):  # one of a query that has ended
                assert not [c for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN]


def test_servers_are_in_sessions_of_their_own(data_dir: Path) -> None:
    with EmbeddedServers(data_dir, durable=False):
        for name in ("postgres", "redis"):
            server = main_process(data_dir, name)
            assert os.getsid(server.pid) != os.getsid(0)
            assert os.getpgid(server.pid) != os.getpgid(0)


def test_sockets_are_closed_to_other_users(data_dir: Path) -> None:
    with EmbeddedServers(data_dir, durable=False):
        for path in (data_dir / "postgres", data_dir / "redis"):
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
        for path in (data_dir / "postgres/.s.PGSQL.5432", data_dir / "redis/redis.sock"):
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_kill_of_everything_leaves_nothing_in_the_way(data_dir: Path) -> None:
    servers = EmbeddedServers(data_dir).start()
    execute(servers.database_url, "CREATE TABLE kept AS SELECT 7 AS number")
    kill_all(server_processes(data_dir))
    wait_until(lambda: not server_processes(data_dir))
    assert (data_dir / "postgres/postmaster.pid").exists()
    assert (data_dir / "postgres/.s.PGSQL.5432").exists()
    assert (data_dir / "redis/redis.pid").exists()

    servers.start()

    assert execute(servers.database_url, "SELECT number FROM kept") == [(7,)]
    assert redis_answers(servers.redis_url)
    servers.stop()


def test_children_of_a_killed_server_do_not_block_the_next(data_dir: Path) -> None:
    servers = EmbeddedServers(data_dir).start()
    engine = connect_engine(servers.database_url, pool_size=1)
    with engine.connect() as connection:
        [[backend]] = connection.execute(sa.text("SELECT pg_backend_pid()"))
        os.kill(backend, signal.SIGSTOP)  # stands for one that is too busy to notice
        main_process(data_dir, "postgres").kill()

        servers.start()

        assert not psutil.pid_exists(backend) or psutil.Process(backend).status() == psutil.STATUS_ZOMBIE
        assert database_answers(servers.database_url)
        connection.invalidate()
    engine.dispose()
    servers.stop()


def test_one_dead_server_is_started_again_and_the_other_left_alone(data_dir: Path) -> None:
    servers = EmbeddedServers(data_dir, durable=False).start()
    postgres = main_process(data_dir, "postgres")
    main_process(data_dir, "redis").kill()
    wait_until(lambda: not redis_answers(servers.redis_url))

    servers.start()

    assert running_endpoints(data_dir) is not None
    assert main_process(data_dir, "postgres") == postgres
    servers.stop()


def test_a_frozen_redis_is_replaced(data_dir: Path) -> None:
    servers = EmbeddedServers(data_dir, durable=False, postgres=False).start()
    frozen = main_process(data_dir, "redis")
    frozen.suspend()

    servers.start()

    assert redis_answers(servers.redis_url)
    assert main_process(data_dir, "redis").pid != frozen.pid
    servers.stop()


def test_servers_of_a_killed_user_are_adopted(data_dir: Path, other_user: subprocess.Popen[str]) -> None:
    before = main_process(data_dir, "postgres"), main_process(data_dir, "redis")
    other_user.kill()
    other_user.wait()
    assert all(process.is_running() for process in before)

    with EmbeddedServers(data_dir, durable=False):
        assert (main_process(data_dir, "postgres"), main_process(data_dir, "redis")) == before

    assert server_processes(data_dir) == []


def test_the_last_user_stops_the_servers(data_dir: Path, other_user: subprocess.Popen[str]) -> None:
    servers = EmbeddedServers(data_dir, durable=False).start()
    servers.stop()
    assert running_endpoints(data_dir) is not None

    other_user.communicate()  # closes its standard input

    assert other_user.returncode == 0
    assert running_endpoints(data_dir) is None
    assert server_processes(data_dir) == []


@pytest.mark.slow
def test_many_start_at_once(data_dir: Path) -> None:
    users = [
        subprocess.Popen(
            [sys.executable, "-c", USER, str(data_dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=REPOSITORY,
            text=True,
        )
        for _ in range(4)
    ]
    assert [user.stdout.readline() for user in users] == ["started\n"] * 4
    assert running_endpoints(data_dir) is not None
    for user in users:
        user.communicate()

    assert [user.returncode for user in users] == [0] * 4
    assert server_processes(data_dir) == []


def test_data_deleted_under_a_running_server(data_dir: Path) -> None:
    EmbeddedServers(data_dir, durable=False).start()
    orphans = server_processes(data_dir)
    for name in ("postgres", "redis", "servers.lock"):
        shutil.rmtree(data_dir / name, ignore_errors=True)
    (data_dir / "servers.lock").unlink()

    with EmbeddedServers(data_dir, durable=False) as servers:
        wait_until(lambda: not any(process.is_running() and process.status() != "zombie" for process in orphans))
        assert execute(servers.database_url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]
        assert redis_answers(servers.redis_url)


def test_an_initdb_that_was_cut_off_is_done_again(data_dir: Path) -> None:
    (data_dir / "postgres.new").mkdir()
    (data_dir / "postgres.new" / "PG_VERSION").write_text("18\n")

    with EmbeddedServers(data_dir, durable=False, redis=False) as servers:
        assert database_answers(servers.database_url)


@pytest.mark.parametrize("name", ["long" * 30, "blank and, comma's", "per%20cent?#"])
def test_odd_paths(data_dir: Path, name: str) -> None:
    folder = data_dir / name
    sockets = socket_folder(folder / "redis", "redis.sock")
    assert sockets != folder / "redis"

    with EmbeddedServers(folder, durable=False) as servers:
        assert running_endpoints(folder) == (servers.database_url, servers.redis_url)
        assert execute(servers.database_url, "SELECT 1") == [(1,)]

    assert server_processes(folder) == []
    assert not sockets.parent.exists()


def test_a_foreign_socket_folder_is_refused(data_dir: Path) -> None:
    folder = data_dir / ("long" * 30)
    shared = socket_folder(folder / "redis", "redis.sock").parent
    shared.mkdir()
    shared.chmod(0o777)
    try:
        with pytest.raises(Unavailable, match="belongs to another user"):
            EmbeddedServers(folder, durable=False).start()
    finally:
        shared.rmdir()
    assert server_processes(folder) == []


def test_variables_for_other_servers_do_not_disturb(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGDATA", "/nowhere")
    monkeypatch.setenv("PGHOST", "nowhere.invalid")

    with EmbeddedServers(data_dir, durable=False, redis=False) as servers:
        assert database_answers(servers.database_url)


def test_a_broken_configuration_is_told(data_dir: Path) -> None:
    servers = EmbeddedServers(data_dir, durable=False, redis=False)
    with servers:
        pass
    with (data_dir / "postgres/postgresql.conf").open("a") as file:
        file.write("no_such_setting = 1\n")

    with pytest.raises(Unavailable, match="no_such_setting"):
        servers.start()
    assert server_processes(data_dir) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes users")
def test_root_may_keep_its_data_in_a_closed_folder(data_dir: Path) -> None:
    closed = data_dir / "closed"
    closed.mkdir(mode=0o700)
    before = os.umask(0o077)
    try:
        with EmbeddedServers(closed / "data", durable=False, redis=False) as servers:
            assert database_answers(servers.database_url)
    finally:
        os.umask(before)

    assert stat.S_IMODE(closed.stat().st_mode) == 0o701


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_data_dir_that_is_not_writable_is_told(data_dir: Path) -> None:
    closed = data_dir / "closed"
    closed.mkdir(mode=0o500)

    with pytest.raises(Unavailable, match="Permission denied"):
        EmbeddedServers(closed / "data").start()


def test_resolve_takes_configured_urls_first(data_dir: Path) -> None:
    configured = {"database_url": "postgresql://host/db", "redis_url": "redis://host"}

    assert resolve(load_settings(data_dir=data_dir, **configured)) == Endpoints(**configured)
    assert "host" not in repr(Endpoints(**configured))


def test_resolve_finds_what_is_not_configured(data_dir: Path) -> None:
    settings = load_settings(data_dir=data_dir, database_url="postgresql://host/db")
    with pytest.raises(Unavailable, match=f"no server is running under {data_dir}: start one with `taskyard run`"):
        resolve(settings)

    with EmbeddedServers.missing_from(settings) as servers:
        assert resolve(settings) == Endpoints("postgresql://host/db", servers.redis_url)
        assert not (data_dir / "postgres").exists()


def test_nothing_is_started_when_both_are_configured(data_dir: Path) -> None:
    settings = load_settings(data_dir=data_dir / "new", database_url="postgresql://host/db", redis_url="redis://host")

    with EmbeddedServers.missing_from(settings):
        assert not (data_dir / "new").exists()


def test_a_user_of_other_servers_stops_none(data_dir: Path) -> None:
    """A worker with both URLs set may share its folder with servers that somebody else started."""
    redis = RedisServer(data_dir)
    redis.start()
    try:
        for wanted in ({"postgres": False, "redis": False}, {"redis": False}):
            EmbeddedServers(data_dir, **wanted).stop()
            assert redis.answers()
    finally:
        redis.stop()
