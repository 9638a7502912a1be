"""What the embedded PostgreSQL lets Taskyard's own role do, and that older data folders are taken along."""

import shutil
import tempfile
from pathlib import Path

import psycopg2.errors
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from taskyard.core.embedded.postgres import DATABASE, ROLE, PostgresServer
from taskyard.core.embedded.postgres_role import prepare_role
from taskyard.core.postgres.connections import connect_driver
from taskyard.core.postgres.migrations import migrate
from taskyard.core.postgres.pools import connect_engine

FORBIDDEN = (
    "COPY (SELECT 1) TO PROGRAM 'id'",
    "CREATE TEMP TABLE t (x text); COPY t FROM PROGRAM 'id'",
    "COPY (SELECT 1) TO '/tmp/taskyard-role-test'",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_read_binary_file('postgresql.conf')",
    "SELECT pg_ls_dir('/')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT lo_export(lo_create(0), '/tmp/taskyard-role-test')",
    "ALTER SYSTEM SET archive_command = 'id'",
    "SET ROLE postgres",
    "SET SESSION AUTHORIZATION postgres",
    "ALTER ROLE taskyard SUPERUSER",
    "GRANT postgres TO taskyard",
    "GRANT pg_execute_server_program TO taskyard",
    "CREATE ROLE other",
    "CREATE DATABASE other",
    "CREATE EXTENSION plpython3u",
    "CREATE FUNCTION f() RETURNS int LANGUAGE c AS '/tmp/x', 'f'",
    "CREATE FUNCTION f() RETURNS int LANGUAGE internal AS 'x'",
    "LOAD '/tmp/x.so'",
    "SET session_preload_libraries = 'x'",
    "SELECT * FROM pg_authid",
    "CREATE SUBSCRIPTION s CONNECTION 'host=localhost' PUBLICATION p",
    "SELECT pg_reload_conf()",
    "DROP OWNED BY postgres",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = Path(tempfile.mkdtemp(prefix="ty-", dir="/tmp"))  # PostgreSQL's own user must pass through it
    server = PostgresServer(folder / "data", durable=False)
    server.data_dir.mkdir()
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_the_role_is_no_superuser(server, statement):
    connection = connect_driver(server.url)
    try:
        with (
            pytest.raises((psycopg2.errors.InsufficientPrivilege, psycopg2.errors.Error)),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
    finally:
        connection.close()
    assert not Path("/tmp/taskyard-role-test").exists()


def test_migrations_partitions_and_statistics_need_no_superuser(server):
    migrate(server.url)
    engine = connect_engine(server.url)
    with engine.begin() as connection:
        assert connection.scalar(sa.text("SELECT current_user")) == ROLE
        assert connection.scalar(sa.text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")) is False
        connection.execute(sa.text("SELECT query FROM pg_stat_activity"))
        connection.execute(sa.text("SELECT pg_database_size(current_database())"))
    engine.dispose()


def test_what_a_superuser_made_before_is_handed_over(server):
    """As a data folder of an earlier version has it: everything is the superuser's."""
    name = f"{DATABASE}_old"
    admin = connect_engine(server.admin_url).execution_options(isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    old = make_url(server.admin_url).set(database=name).render_as_string(hide_password=False)
    migrate(old)
    for _ in range(2):  # at every start
        prepare_role(server.admin_url, ROLE, name)
    ours = connect_engine(make_url(server.url).set(database=name).render_as_string(hide_password=False))
    with ours.begin() as connection:
        others = sa.text(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relowner <> (:role)::regrole"
        )
        assert connection.scalars(others, {"role": ROLE}).all() == []
        connection.execute(sa.text("ALTER TABLE tasks ADD COLUMN one_more int"))
        connection.execute(
            sa.text(
                "CREATE TABLE task_events_later PARTITION OF task_events FOR VALUES FROM "
                "('2099-01-01') TO ('2099-01-02')"
            )
        )
        connection.execute(sa.text("DROP TABLE task_events_later"))
    ours.dispose()
    with admin.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()
