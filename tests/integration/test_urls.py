"""Addresses of servers: what libpq and redis-py know works everywhere alike, anything else is one clear line."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import psycopg2
import pytest

from taskyard.core.config import Settings, load_settings
from taskyard.core.errors import ConfigurationError, Unavailable
from taskyard.core.postgres.connections import connect_driver, pooling_of
from taskyard.core.postgres.database import Database, connect_leader
from taskyard.core.postgres.pooler import Pooling
from taskyard.core.postgres.url import connection_parameters
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.connection import connect_redis
from taskyard.core.submission.submit import Submitter
from taskyard.worker.devtools.prove.faulty_servers import FaultyPostgres
from taskyard.worker.dispatch.leader import LeaderConnection
from taskyard.worker.doctor import report
from tests.engine import Engine
from tests.servers import wait_until

SECRET = "s3cr3t"
PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")


def plain(url: str, **changes: str) -> str:
    """The tests' database as a URL of its socket's folder, with other options."""
    found = connection_parameters(url) | changes
    options = "&".join(
        f"{name}={quote(value, safe='')}" for name, value in found.items() if name not in ("dbname", "user")
    )
    return f"postgresql://{found['user']}@/{found['dbname']}?{options}"


def check_everywhere(url: str, settings: Settings) -> None:
    """The settings, the pool, the leader and the doctor, all by the same URL."""
    chosen = load_settings(**{**settings.model_dump(), "database_url": url})
    database = Database(str(chosen.database_url))
    with database.transaction() as tx:
        assert tx.rows("SELECT 1", {}) == [(1,)]
    database.close()
    leader = LeaderConnection(url, "test")
    assert leader.try_lead() is not None
    leader.close()
    assert [check for check in report.server_checks(chosen) if not check.ok] == []


@pytest.mark.parametrize(
    "form",
    [
        "{unix}",
        "postgresql://{user}@127.0.0.1:{port}/{name}",
        "postgres://{user}@127.0.0.1:{port}/{name}",
        "postgresql+psycopg2://{user}@127.0.0.1:{port}/{name}",
        "postgresql://{user}@127.0.0.1:1,127.0.0.1:{port}/{name}",
        "postgresql://{user}@localhost:1,localhost:{port},localhost:2/{name}?target_session_attrs=read-write",
        "postgresql://{user}@/{name}?host=127.0.0.1:1&host=127.0.0.1:{port}",
        "postgresql://{user}@/{name}?host=127.0.0.1&host=127.0.0.1&port={port}",
        "postgresql://{user}@/{name}?host=127.0.0.1,127.0.0.1&port=1,{port}",
        "postgresql://{user}@/{name}?host=127.0.0.1:{port}",
        "postgresql://{user}:p%40ss%2Fw%3A%23%25@127.0.0.1:{port}/{name}?sslmode=prefer&gssencmode=disable",
        "postgresql://{user}@127.0.0.1:{port}/{name}?options=-c%20statement_timeout%3D5s",
        "postgresql://{user}@127.0.0.1:{port}/{name}?application_name=mine&connect_timeout=3&keepalives=1",
        "postgresql://{user}@127.0.0.1:{port}/{name}?client_encoding=latin1",
        "postgresql://{user}@[::ffff:127.0.0.1]:{port}/{name}",
        "postgresql:///?user={user}&dbname={name}&host=127.0.0.1&port={port}",
        "postgresql:///?service=yard",
    ],
)
def test_an_address_works_everywhere_alike(
    form: str, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultyPostgres(str(settings.database_url)) as server:
        found = connection_parameters(str(settings.database_url))
        names = {"user": found["user"], "name": found["dbname"], "port": str(server.port)}
        (tmp_path / "services").write_text(
            f"[yard]\nhost=127.0.0.1\nport={server.port}\nuser={names['user']}\ndbname={names['name']}\n"
        )
        monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
        check_everywhere(form.format(unix=plain(str(settings.database_url)), **names), settings)


def test_options_of_an_address_hold_for_pool_and_leader(settings: Settings) -> None:
    url = plain(str(settings.database_url), options="-c statement_timeout=5s", application_name="mine")
    database = Database(url)
    with database.transaction() as tx, closing(connect_leader(url)) as leader, leader.cursor() as cursor:
        for statement, pool, lead in (
            ("SHOW statement_timeout", "5s", "5s"),
            ("SHOW application_name", "mine", "mine leader"),
        ):
            cursor.execute(statement)
            assert (tx.rows(statement, {})[0][0], cursor.fetchone()[0]) == (pool, lead)
    database.close()


BAD_DATABASES = {
    "host=x dbname=y": "postgresql://",
    "mysql://h/x": "postgresql://",
    "postgresql+asyncpg://h/x": "postgresql://",
    f"postgresql://u:{SECRET}@h/x?colour=red": "colour",
    f"postgresql://u:{SECRET}@h/x?sslmode=perhaps": "sslmode",
    f"postgresql://u:{SECRET}@h/x?target_session_attrs=any-old": "target_session_attrs",
    f"postgresql://u:{SECRET}@h/x?connect_timeout=soon": "connect_timeout",
    f"postgresql://u:{SECRET}@h/x?keepalives_idle=-1": "keepalives_idle",
    f"postgresql://u:{SECRET}@h/x?replication=database": "replication",
    f"postgresql://u:{SECRET}@h/x?service=nobody-knows": "nobody-knows",
    f"postgresql://u:{SECRET}@h:0/x": "port",
    f"postgresql://u:{SECRET}@h:65536/x": "port",
    f"postgresql://u:{SECRET}@h1,h2/x?port=1,2,3": "port",
    f"postgresql://u:{SECRET}/more@h/x": "percent-encoded",
    f"postgresql://u:{SECRET}@more@h/x": "percent-encoded",
    f"postgresql://u:{SECRET}%zz@h/x": "percent-encoded",
    f"postgresql://u:{SECRET}@[::1/x": "percent-encoded",
}
BAD_REDISES = {
    "http://h": "redis://",
    "h:6379": "redis://",
    f"redis+sentinel://:{SECRET}@h": "Sentinel",
    f"redis-sentinel://:{SECRET}@h1,h2/mine": "Sentinel",
    f"redis+cluster://:{SECRET}@h": "Cluster",
    f"redis://:{SECRET}@h1:6379,h2:6379/0": "several hosts",
    f"redis://:{SECRET}@h/mine": "number of a database",
    f"redis://:{SECRET}@h/0?colour=red": "colour",
    f"redis://:{SECRET}@h/0?ssl_cert_reqs=none": "rediss://",
    f"rediss://:{SECRET}@h/0?ssl_cert_reqs=perhaps": "perhaps",
    f"redis://:{SECRET}@h?db=first": "db",
    f"redis://:{SECRET}@h?db=-1": "db",
    f"redis://:{SECRET}@h?socket_timeout=1": "socket_timeout",
    f"redis://:{SECRET}@h?socket_timeout=soon": "socket_timeout",
    f"redis://:{SECRET}@h?max_connections=0": "max_connections",
    f"redis://:{SECRET}@h:99999": "percent-encoded",
    f"redis://:{SECRET}/more@h:6379": "percent-encoded",
    f"redis://:{SECRET}#more@h:6379": "percent-encoded",
    "unix://run/redis.sock": "three slashes",
    "unix://": "path of a socket",
}


@pytest.mark.parametrize(
    ("setting", "url", "expected"),
    [
        *(("database_url", url, expected) for url, expected in BAD_DATABASES.items()),
        *(("redis_url", url, expected) for url, expected in BAD_REDISES.items()),
    ],
)
def test_a_wrong_address_is_one_line_that_names_the_setting_and_no_password(
    setting: str, url: str, expected: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load_settings(**{setting: url})
    [line] = raised.value.problems
    assert line.startswith(f"TASKYARD_{setting.upper()}: ")
    assert expected in line
    assert SECRET not in line
    assert "more" not in line.replace("or more", "")
    assert "\n" not in line


@pytest.mark.parametrize(
    "options",
    ["decode_responses=true", "protocol=3", "db=3", "client_name=mine&max_connections=9", "encoding=latin1"],
)
def test_redis_works_by_any_valid_address(options: str, redis_url: str, namespace: str) -> None:
    separator = "&" if "?" in redis_url else "?"
    with connect_redis(f"{redis_url}{separator}{options}") as client:
        broker = Broker(client, namespace, lambda name: "least_loaded")
        assert broker.lead(1)[0] is True
        broker.report(b"[]")
        assert broker.collect(b"0-0", b"0-0", None, 10)[0][0][1] == b"[]"
        assert isinstance(client.get(broker.keys.epoch), bytes)
        client.delete(broker.keys.epoch, broker.keys.results, broker.keys.generation)


@contextmanager
def pgbouncer(url: str, mode: str, folder: Path) -> Iterator[str]:
    """A PgBouncer before the database, with few sessions, as a URL."""
    found = connection_parameters(url)
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    with FaultyPostgres(url) as server:  # PgBouncer does not run as root, and the server's socket is not for everybody
        folder.chmod(0o755)
        (folder / "pgbouncer.ini").write_text(
            f"[databases]\n{found['dbname']} = user={found['user']} host=127.0.0.1 port={server.port}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = any\nunix_socket_dir =\n"
            f"pool_mode = {mode}\ndefault_pool_size = 5\n"
        )
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        with subprocess.Popen(
            [str(PGBOUNCER), *user, str(folder / "pgbouncer.ini")], stderr=subprocess.DEVNULL
        ) as process:
            address = f"postgresql://{found['user']}@127.0.0.1:{port}/{found['dbname']}?connect_timeout=5"
            try:
                wait_until(lambda: process.poll() is not None or _answers(address))
                yield address
            finally:
                process.terminate()


def _answers(url: str) -> bool:
    with suppress(psycopg2.OperationalError), closing(psycopg2.connect(url)):
        return True
    return False


@pytest.fixture(params=["transaction", "statement", "session"])
def pooled(request: pytest.FixtureRequest, settings: Settings, data_dir: Path) -> Iterator[tuple[str, str]]:
    folder = data_dir.parent
    with pgbouncer(str(settings.database_url), request.param, folder) as url:
        yield request.param, url


def test_a_pooler_that_shares_sessions_is_refused_where_the_session_matters(
    pooled: tuple[str, str], settings: Settings
) -> None:
    mode, url = pooled
    assert pooling_of(url) == mode
    assert pooling_of(str(settings.database_url)) is Pooling.NONE
    chosen = load_settings(**{**settings.model_dump(), "database_url": url})
    leader = LeaderConnection(url, "test")
    if mode == "session":
        assert leader.try_lead() is not None
        second = LeaderConnection(url, "other")
        assert second.try_lead() is None
        second.close()
        report.require(chosen)
    else:
        with pytest.raises(Unavailable, match=f"pooler in {mode} mode"):
            leader.try_lead()
        with pytest.raises(ConfigurationError, match=f"pooler (in|answers, in) {mode} mode"):
            report.require(chosen)
    leader.close()


def test_busy_sessions_do_not_hide_how_they_are_shared(settings: Settings, data_dir: Path) -> None:
    with pgbouncer(str(settings.database_url), "transaction", data_dir.parent) as url:
        others = [psycopg2.connect(url) for _ in range(4)]
        for number, other in enumerate(others):
            with other.cursor() as cursor:
                cursor.execute("SELECT 1")
            if number % 2:
                other.rollback()
        assert {pooling_of(url) for _ in range(5)} == {Pooling.TRANSACTION}
        for other in others:
            other.close()


def test_who_submits_works_through_a_pooler_of_transactions(engine: Engine, settings: Settings, data_dir: Path) -> None:
    engine.worker()
    engine.agent()
    with pgbouncer(str(settings.database_url), "transaction", data_dir.parent) as url:
        database = Database(url)
        submitter = Submitter(settings, engine.registry, database, engine.broker)
        ids = []
        for number in range(20):  # one statement each, in sessions that change
            ids.append(submitter.submit("demo.echo", {"n": number}))
            if number % 5 == 0:
                ids += submitter.submit_many({"type": "demo.echo", "input": {"n": n}} for n in range(3))
                ids.append(submitter.submit("demo.echo", {}, after=[ids[-1]]))
        later = submitter.submit("demo.echo", {}, delay_seconds=3600)
        submitter.reprioritise(later, "urgent", actor="me")
        submitter.cancel(later, actor="me")
        for task_id in ids:
            assert submitter.result(task_id, 20).state == "completed"
        database.close()
        # nothing of ours stays in a session that others use
        with closing(connect_driver(url)) as other, other.cursor() as cursor:
            cursor.execute("SHOW plan_cache_mode")
            assert cursor.fetchone()[0] == "auto"
            cursor.execute("SELECT count(*) FROM pg_prepared_statements")
            assert cursor.fetchone()[0] == 0


def test_who_submits_through_a_pooler_of_statements_is_told_so(
    engine: Engine, settings: Settings, data_dir: Path
) -> None:
    with pgbouncer(str(settings.database_url), "statement", data_dir.parent) as url:
        database = Database(url)
        submitter = Submitter(settings, engine.registry, database, engine.broker)
        with pytest.raises(Unavailable, match="statement mode"):
            submitter.submit("demo.echo", {})
        database.close()
