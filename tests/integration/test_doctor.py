"""The doctor against real servers that are wrong in every way it knows."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from taskyard.core.config import Settings, load_settings
from taskyard.core.embedded.postgres import ROLE, SUPERUSER
from taskyard.core.embedded.servers import EmbeddedServers, Endpoints, resolve
from taskyard.core.errors import ConfigurationError, Unavailable
from taskyard.core.health.check import Check
from taskyard.core.health.checks import judge_database, judge_redis
from taskyard.core.health.probes import DatabaseFacts, RedisFacts, database_facts
from taskyard.core.postgres.migrations import migrate, schema_state
from taskyard.core.postgres.pooler import Pooling
from taskyard.core.postgres.pools import connect_engine
from taskyard.core.redis.connection import connect_redis
from taskyard.worker.doctor import report, room
from taskyard.worker.doctor.report import checks, require, server_checks

PASSWORD = "pa ss/w:rd@ä"
GOOD_DATABASE = DatabaseFacts("18.1", 180001, "on", "on", False, True, "taskyard", False, True, Pooling.NONE)
GOOD_REDIS = RedisFacts("6.2.14", "noeviction", ())


def by_name(found: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in found}


def problems(found: list[Check]) -> list[str]:
    return [check.name for check in found if not check.ok]


def warnings(found: list[Check]) -> list[str]:
    return [check.name for check in found if check.warning]


def with_urls(settings: Settings, **urls: str) -> Settings:
    return settings.model_copy(update=urls)


@pytest.fixture
def run_sql(database_url: str) -> Iterator[Callable[[str], None]]:
    engine = connect_engine(database_url, pool_size=1).execution_options(isolation_level="AUTOCOMMIT")

    def run(statement: str) -> None:
        with engine.connect() as connection:
            connection.execute(sa.text(statement))

    yield run
    engine.dispose()


@pytest.fixture
def redis_client(redis_url: str) -> Iterator[redis.Redis]:
    with connect_redis(redis_url) as client:
        yield client


@pytest.fixture
def own_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServers]:
    """Servers whose own configuration a test may change."""
    with EmbeddedServers(tmp_path_factory.mktemp("own"), durable=False) as servers:
        yield servers


@pytest.mark.parametrize(
    ("facts", "found", "is_warning"),
    [
        ({"is_superuser": True}, "taskyard, a superuser", True),
        ({}, "taskyard, who owns the tables: only a worker needs that", False),
        ({"role": "taskyard_app", "owns_tables": False}, "taskyard_app", False),
    ],
)
def test_the_role_is_named(facts: dict[str, Any], found: str, is_warning: bool) -> None:
    check = by_name(list(judge_database(replace(GOOD_DATABASE, **facts))))["PostgreSQL role"]
    assert (check.ok, check.warning, check.found) == (True, is_warning, found)


def test_good_servers_pass(settings: Settings) -> None:
    found = server_checks(settings)

    assert problems(found) == []
    assert set(by_name(found)) >= {
        "PostgreSQL",
        "PostgreSQL version",
        "PostgreSQL synchronous_commit",
        "PostgreSQL migrations",
        "Redis",
        "Redis version",
        "Redis maxmemory-policy",
    }


def test_unreachable_servers_are_both_told(settings: Settings, tmp_path: Path) -> None:
    nobody = with_urls(
        settings,
        database_url=f"postgresql://someone:{'s3cret'}@127.0.0.1:1/taskyard",
        redis_url=f"unix://:s3cret@{tmp_path}/none.sock",
    )

    with pytest.raises(ConfigurationError) as raised:
        require(nobody)

    text = raised.value.problems
    assert len([line for line in text if line.startswith("PostgreSQL: not reachable")]) == 1
    assert len([line for line in text if line.startswith("Redis: not reachable")]) == 1
    assert any("TASKYARD_DATABASE_URL" in line for line in text)
    assert any("TASKYARD_REDIS_URL" in line for line in text)
    assert "s3cret" not in str(raised.value)
    assert all("\n" not in line for line in text)


def test_wrong_database_password(settings: Settings, own_servers: EmbeddedServers, tmp_path: Path) -> None:
    admin_url = own_servers.database_url.replace(f"{ROLE}@", f"{SUPERUSER}@")
    with connect_engine(admin_url).begin() as connection:
        connection.execute(sa.text("CREATE ROLE someone LOGIN PASSWORD 'right'"))
        hba = connection.execute(sa.text("SHOW hba_file")).scalar_one()
        lines = "local all postgres trust\nlocal all all scram-sha-256\n"
        Path(hba).write_text(lines)
        connection.execute(sa.text("SELECT pg_reload_conf()"))
    url = make_url(own_servers.database_url).set(username="someone", password=PASSWORD)

    found = server_checks(with_urls(settings, database_url=url.render_as_string(hide_password=False)))

    [check] = [check for check in found if check.name == "PostgreSQL"]
    assert not check.ok
    assert check.found.startswith("access refused")
    assert "TASKYARD_DATABASE_URL" in check.advice
    assert PASSWORD not in str(found)
    assert url.render_as_string(hide_password=False) not in str(found)


def test_database_missing(settings: Settings) -> None:
    url = make_url(settings.database_url or "").set(database="nowhere").render_as_string(hide_password=False)

    check = by_name(server_checks(with_urls(settings, database_url=url)))["PostgreSQL"]

    assert not check.ok
    assert check.found.startswith("database missing")
    assert "createdb" in check.advice


def test_unreadable_url_is_not_shown(settings: Settings) -> None:
    broken = with_urls(settings, database_url="postgresql://user:s3cret@host:port/db", redis_url="redis://:s3cret@h:x")

    found = server_checks(broken)

    assert problems(found) == ["PostgreSQL", "Redis"]
    assert "s3cret" not in str(found)


def test_migrations_missing_then_done(settings: Settings, own_servers: EmbeddedServers) -> None:
    configured = with_urls(settings, database_url=own_servers.database_url)
    check = by_name(server_checks(configured))["PostgreSQL migrations"]
    assert not check.ok
    assert check.found == "no tables yet"
    assert "taskyard migrate" in check.advice

    migrate(own_servers.database_url)

    assert by_name(server_checks(configured))["PostgreSQL migrations"].ok


def test_synchronous_commit_off(settings: Settings, run_sql: Callable[[str], None]) -> None:
    name = make_url(settings.database_url or "").database
    run_sql(f"ALTER DATABASE {name} SET synchronous_commit = off")

    assert problems(server_checks(settings)) == ["PostgreSQL synchronous_commit"]


def test_read_only_database(settings: Settings, run_sql: Callable[[str], None]) -> None:
    name = make_url(settings.database_url or "").database
    run_sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")

    assert problems(server_checks(settings)) == ["PostgreSQL rights"]


def test_eviction_policy_and_synchronous_commit_are_told_together(
    settings: Settings, own_servers: EmbeddedServers, run_sql: Callable[[str], None]
) -> None:
    name = make_url(settings.database_url or "").database
    run_sql(f"ALTER DATABASE {name} SET synchronous_commit = off")
    with connect_redis(own_servers.redis_url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
    wrong = with_urls(settings, redis_url=own_servers.redis_url)

    with pytest.raises(ConfigurationError) as raised:
        require(wrong)

    lines = [line for line in raised.value.problems if line.startswith(("PostgreSQL", "Redis"))]
    assert len(lines) == 2
    assert lines[0].startswith("PostgreSQL synchronous_commit: off: set it to on")
    assert lines[1].startswith("Redis maxmemory-policy: allkeys-lru: set it to noeviction")


def test_redis_password_missing_and_wrong(settings: Settings, own_servers: EmbeddedServers) -> None:
    with connect_redis(own_servers.redis_url) as client:
        client.config_set("requirepass", "right")
        path = client.connection_pool.connection_kwargs["path"]

    for url in (f"unix://{path}", f"unix://:s3cret@{path}"):
        check = by_name(server_checks(with_urls(settings, redis_url=url)))["Redis"]
        assert not check.ok, url
        assert check.found.startswith("access refused"), check
        assert "s3cret" not in str(check)
    assert by_name(server_checks(with_urls(settings, redis_url=f"unix://:right@{path}")))["Redis"].ok


def test_redis_rights_are_tried(settings: Settings, own_servers: EmbeddedServers) -> None:
    with connect_redis(own_servers.redis_url) as client:
        client.acl_setuser(
            "narrow", enabled=True, passwords=["+right"], keys=["taskyard:*"], commands=["+@all", "-eval", "-xadd"]
        )
        path = client.connection_pool.connection_kwargs["path"]

    check = by_name(server_checks(with_urls(settings, redis_url=f"unix://narrow:right@{path}")))["Redis rights"]

    assert not check.ok
    assert re.findall(r"\b(XADD|EVAL|ZADD|HSET)\b", check.found) == ["XADD", "EVAL"]


def test_a_probe_leaves_no_key(settings: Settings, redis_client: redis.Redis) -> None:
    server_checks(settings)

    assert list(redis_client.scan_iter(f"taskyard:{settings.namespace}:*")) == []


def test_database_that_can_not_hold_every_text_is_refused(server_endpoints: Endpoints) -> None:
    """As `initdb` with the locale C makes them, and `createdb` then."""
    name = f"ascii_{uuid.uuid4().hex[:8]}"
    engine = connect_engine(server_endpoints.database_url).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as server:
        given = "TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C'"
        server.exec_driver_sql(f"CREATE DATABASE {name} {given}")
        try:
            url = make_url(server_endpoints.database_url).set(database=name).render_as_string(hide_password=False)
            with pytest.raises(ConfigurationError, match="SQL_ASCII is not accepted: expected UTF8, as `createdb"):
                migrate(url)
            assert schema_state(url).version is None
            assert database_facts(url).encoding == "SQL_ASCII"
        finally:
            server.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    engine.dispose()


@pytest.mark.parametrize(
    ("change", "is_problem"),
    [
        ({"version_number": 110022, "version": "11.22"}, True),
        ({"version_number": 130014, "version": "13.14"}, False),
        ({"fsync": "off"}, False),
        ({"may_create_tables": False}, False),
        ({"pooling": Pooling.SESSION}, False),
        ({"pooling": Pooling.TRANSACTION}, True),
        ({"pooling": Pooling.STATEMENT}, True),
        ({"read_only": True}, True),
        ({"encoding": "SQL_ASCII"}, True),
    ],
)
def test_judgement_of_databases(change: dict[str, object], is_problem: bool) -> None:
    assert problems(list(judge_database(GOOD_DATABASE))) == warnings(list(judge_database(GOOD_DATABASE))) == []

    found = list(judge_database(replace(GOOD_DATABASE, **change)))  # type: ignore[arg-type]

    assert (len(problems(found)), len(warnings(found))) == ((1, 0) if is_problem else (0, 1))
    assert all(check.advice for check in found if check.warning or not check.ok)


@pytest.mark.parametrize(
    ("version", "is_problem"), [("4.0.14", True), ("5.0.0", False), ("10.1", False), ("7.2.4-rc1", False)]
)
def test_judgement_of_redis_versions(version: str, is_problem: bool) -> None:
    found = list(judge_redis(RedisFacts(version, "noeviction", ())))

    assert problems(found) == (["Redis version"] if is_problem else [])


def test_embedded_servers(tmp_path: Path, own_servers: EmbeddedServers, namespace: str) -> None:
    stopped = load_settings(data_dir=tmp_path, namespace=namespace)
    found = server_checks(stopped)
    assert problems(found) == []
    assert warnings(found) == ["PostgreSQL", "Redis"]
    with pytest.raises(Unavailable, match="taskyard run"):
        require(stopped)

    running = Endpoints(own_servers.database_url, own_servers.redis_url)
    assert problems(server_checks(stopped, running)) == ["PostgreSQL migrations"]


def test_settings_that_do_not_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKYARD_NAMESPACE", "Not Good")
    monkeypatch.setenv("TASKYARD_DASHBOARD_PORT", "0")

    found = checks()

    assert problems(found) == ["settings", "settings"]
    assert "TASKYARD_NAMESPACE" in found[0].found
    assert "TASKYARD_DASHBOARD_PORT" in found[1].found


def test_task_module_that_does_not_import(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_types.py").write_text("raise RuntimeError('half done')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"no_such_module_{uuid.uuid4().hex}"

    found = checks(settings.model_copy(update={"task_modules": ("broken_types", name)}))

    texts = [check.found for check in found if check.name == "task types"]
    assert any("'broken_types'" in text and "half done" in text for text in texts)
    assert any(name in text for text in texts)


def test_pool_file_that_does_not_parse(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "pool.toml").write_text("this is [not toml\n")

    found = by_name(checks(settings.model_copy(update={"pool_file": tmp_path / "pool.toml"})))

    assert not found["agent pool"].ok
    assert "pool.toml" in found["agent pool"].found


def test_a_pool_file_that_is_named_is_read_and_agents_alone_do_not_miss_postgresql(
    settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "pool.toml"
    file.write_text('[[agents]]\nkind = "till"\ntypes = ["*"]\n')
    alone = settings.model_copy(update={"database_url": None, "data_dir": tmp_path / "none"})
    assert settings.redis_url is not None
    found = by_name(checks(alone, file))
    assert (found["Redis"].ok, "PostgreSQL" in found) == (True, False)
    assert (found["agent pool"].ok, found["agent pool"].found) == (True, str(file))
    by_api = alone.model_copy(update={"redis_url": None})
    assert not {"PostgreSQL", "Redis"} & set(by_name(checks(by_api, file, has_api=True)))
    assert "TASKYARD_REDIS_URL" in by_name(checks(by_api, file))["Redis"].advice
    file.write_text("[[agents]]\n")
    assert not by_name(checks(alone, file))["agent pool"].ok


def test_everything_is_fine(settings: Settings) -> None:
    found = checks(settings)

    assert problems(found) == []
    assert {"settings", "task types", "agent pool", "data folder", "disk", "process limits", "code execution"} <= set(
        by_name(found)
    )
    require(settings)
    require(settings, resolve(settings))


def test_data_folder_not_writable(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    found = by_name(list(report.local_data_checks(tmp_path / "file" / "below")))

    assert not found["data folder"].ok
    assert "TASKYARD_DATA_DIR" in found["data folder"].advice


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_data_folder_closed(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)

    assert not by_name(list(report.local_data_checks(tmp_path / "closed")))["data folder"].ok


def test_little_room_and_low_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = (
        "MIN_FREE_DISK_BYTES",
        "MIN_FREE_TEMPORARY_BYTES",
        "MIN_FREE_SHARED_BYTES",
        "MIN_FREE_INODES",
        "MIN_OPEN_FILES",
    )
    for name in names:
        monkeypatch.setattr(room, name, 1 << 60)
    found = by_name(list(room.room_checks(tmp_path)))
    for name in ("disk", "disk inodes", "temporary folder", "shared memory", "process limits"):
        assert found[name].warning, name
        assert found[name].advice
    assert "open files (ulimit -n)" in found["process limits"].found
    monkeypatch.undo()
    assert by_name([room.limits_check()])["process limits"].ok


def test_a_temporary_folder_that_takes_no_file_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(room.tempfile, "TemporaryFile", refuse)
    found = by_name(list(room.room_checks(tmp_path)))["temporary folder"]
    assert not found.ok
    assert "No space left on device" in found.found
    assert "TMPDIR" in found.advice


@pytest.mark.parametrize(
    ("host", "allowed", "warned"),
    [
        ("0.0.0.0", True, True),
        ("example.org", True, True),
        ("0.0.0.0", False, False),
        ("127.0.0.1", True, False),
        ("::1", True, False),
        ("localhost", True, False),
    ],
)
def test_code_execution_for_everybody(host: str, allowed: bool, warned: bool) -> None:
    settings = load_settings(dashboard_host=host, allow_code_execution=allowed)

    assert report.code_execution_check(settings).warning is warned
