"""The three roles of `taskyard access database` in a real PostgreSQL: what each may do, and that all works by them."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2.errors
import pytest
from sqlalchemy.engine import make_url
from typer.testing import CliRunner

from taskyard.core.config import Settings, load_settings
from taskyard.core.embedded.postgres import PostgresServer
from taskyard.core.health.probes import database_facts
from taskyard.core.postgres.connections import connect_driver
from taskyard.core.postgres.migrations import migrate
from taskyard.worker.cli.app import app
from tests.dashboard.conftest import OpenPage, _fresh_caches, _installed_components, open_page
from tests.dashboard.seen import plain_texts
from tests.dashboard.test_every_page import ADDRESSES
from tests.engine import Engine, running_engine

__all__ = ["_fresh_caches", "_installed_components", "open_page"]  # fixtures


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    folder = Path(tempfile.mkdtemp(prefix="ty-", dir="/tmp"))  # PostgreSQL's own user must pass through it
    server = PostgresServer(folder / "data", durable=False)
    server.data_dir.mkdir()
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder)


def url_of(server: PostgresServer, role: str) -> str:
    return make_url(server.url).set(username=role).render_as_string(hide_password=False)


def make_roles(server: PostgresServer) -> None:
    printed = CliRunner().invoke(app, ["access", "database"])
    url = make_url(server.admin_url).set(database=make_url(server.url).database)
    connection = connect_driver(url.render_as_string(hide_password=False))
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(printed.stdout)
    connection.close()


@pytest.fixture(scope="module")
def urls(server: PostgresServer) -> tuple[str, str]:
    """Of the worker's role and of the doors'; half of the tables were made by a former role, and handed over."""
    migrate(server.url)
    make_roles(server)
    leader, doors = url_of(server, "taskyard_leader"), url_of(server, "taskyard_app")
    migrate(leader)
    make_roles(server)
    return leader, doors


@pytest.fixture
def engine(urls: tuple[str, str], redis_url: str, namespace: str, tmp_path: Path) -> Iterator[Engine]:
    settings = load_settings(database_url=urls[0], redis_url=redis_url, namespace=namespace, data_dir=tmp_path)
    with running_engine(settings) as engine:
        engine.define("demo.echo", lambda given, context: given)
        yield engine


@pytest.fixture
def settings(engine: Engine, urls: tuple[str, str]) -> Settings:
    """Of a door: what the pages of the dashboard are opened by."""
    return engine.settings.model_copy(update={"database_url": urls[1]})


FORBIDDEN = (
    "UPDATE task_events SET actor = 'nobody'",
    "DELETE FROM task_events",
    "TRUNCATE task_events",
    "DELETE FROM task_events_default",
    "INSERT INTO task_events_default SELECT * FROM task_events",
    "UPDATE alembic_version SET version_num = '0001'",
    "CREATE TABLE more (n int)",
    "CREATE TEMP TABLE more (n int)",
    "ALTER TABLE tasks ADD COLUMN more int",
    "DROP TABLE tasks",
    "TRUNCATE tasks",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "SET ROLE taskyard_owner",
    "SET ROLE postgres",
    "ALTER ROLE taskyard_app SUPERUSER",
    "CREATE ROLE other",
    "COPY (SELECT 1) TO PROGRAM 'id'",
    "SELECT pg_read_file('/etc/passwd')",
)


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_what_is_not_for_the_doors(urls: tuple[str, str], statement: str) -> None:
    connection = connect_driver(urls[1])
    with pytest.raises(psycopg2.errors.InsufficientPrivilege), connection.cursor() as cursor:
        cursor.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    "statement", ["CREATE ROLE other", "COPY (SELECT 1) TO PROGRAM 'id'", "SET ROLE postgres", "CREATE DATABASE other"]
)
def test_the_leader_is_no_superuser(urls: tuple[str, str], statement: str) -> None:
    connection = connect_driver(urls[0])
    connection.autocommit = True
    with pytest.raises(psycopg2.errors.InsufficientPrivilege), connection.cursor() as cursor:
        cursor.execute(statement)
    connection.close()


def test_what_doctor_sees_of_them(urls: tuple[str, str]) -> None:
    leader, doors = (database_facts(url) for url in urls)
    assert (leader.role, leader.is_superuser, leader.owns_tables) == ("taskyard_owner", False, True)
    assert (doors.role, doors.is_superuser, doors.owns_tables) == ("taskyard_app", False, False)


@pytest.fixture
def cli(engine: Engine, urls: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., object]:
    """Runs commands by the role of the doors."""
    settings: Settings = engine.settings
    monkeypatch.setenv("TASKYARD_DATABASE_URL", urls[1])
    for name in ("redis_url", "namespace", "data_dir"):
        monkeypatch.setenv(f"TASKYARD_{name.upper()}", str(getattr(settings, name)))

    def run(*words: str) -> object:
        result = CliRunner().invoke(app, [*words, "--json"], prog_name="taskyard")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return run


def test_everything_works_by_them(engine: Engine, cli: Callable[..., object]) -> None:
    """The worker by one role; submissions, operations and readings by the other."""
    engine.worker()
    engine.agent()
    made = cli("submit", "diagnostic.echo", "--input", '{"value": "x"}', "--delay", "3600")
    ids = [engine.submit("demo.echo", {"n": n}) for n in range(20)]
    engine.wait_for_all(ids)
    task_id = made["id"] if isinstance(made, dict) else ""
    cli("cancel", task_id, "--reason", "no")
    assert engine.task(task_id).state == "cancelled"
    cli("priority", engine.submit("demo.echo", {"n": 1}, delay_seconds=3600), "urgent")
    cli("pause", "queue", "default", "--reason", "x")
    cli("resume", "queue", "default")
    cli("access", "create", "ci", "--kind", "service")
    for words in ("status", "list", "agents", "holds", "alerts", "silences", "types", "access list", "access tokens"):
        cli(*words.split())
    assert len(cli("history", ids[0])) > 1  # type: ignore[arg-type]
    cli("why", ids[0])
    assert engine.leader() > 0


@pytest.mark.parametrize("view", sorted(ADDRESSES))
def test_every_page_can_be_read_by_them(open_page: OpenPage, view: str) -> None:
    for query in ADDRESSES[view]:
        page = open_page(view, query=query)
        assert not page.exception
        assert not page.error
        assert not [text for text in plain_texts(page) if "permission denied" in text or "refuses" in text]
