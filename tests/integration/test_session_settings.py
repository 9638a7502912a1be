"""What a role or database has set for its sessions, as people do with ALTER … SET, changes nothing that we read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

import pytest
import sqlalchemy as sa

from taskyard.core.config import Settings
from taskyard.core.postgres.database import Database, connect_leader
from taskyard.core.postgres.store import recovery
from tests.databases import Databases
from tests.engine import Engine, running_engine

ODD = {
    "array_nulls": "off",
    "bytea_output": "escape",
    "client_encoding": "LATIN1",
    "datestyle": "'SQL, DMY'",
    "extra_float_digits": "-14",
    "intervalstyle": "iso_8601",
    "standard_conforming_strings": "off",
    "timezone": "'Asia/Kathmandu'",
    "transform_null_equals": "on",
}


@pytest.fixture
def odd(settings: Settings, databases: Databases) -> Iterator[Engine]:
    """An engine on a database that has set all of them."""
    with databases.copy() as url:
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for name, value in ODD.items():
                connection.execute(sa.text(f"ALTER DATABASE {sa.make_url(url).database} SET {name} = {value}"))
        engine.dispose()
        with running_engine(settings.model_copy(update={"database_url": url})) as running:
            yield running


def test_tasks_run_and_times_are_right(odd: Engine) -> None:
    odd.define("demo.echo", lambda given, context: given)
    odd.worker()
    odd.agent()
    with odd.database.transaction() as tx:
        assert abs(recovery.database_time(tx) - time.time()) < 60
    text = "back\\slash 'quoted' \u00e9 \u2212 \u4efb\u52a1"
    task_id = odd.submit("demo.echo", {"value": text}, requires=[], delay_seconds=0.2)
    task = odd.wait_for(task_id)
    assert (task.state, task.output) == ("completed", {"value": text})
    assert abs(task.created_at.timestamp() - time.time()) < 60


def test_the_leader_reads_what_it_expects(odd: Engine) -> None:
    connection = connect_leader(odd.settings.database_url)
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8, '{NULL}'::text[], %s", ("\u2212",))
        assert abs((row := cursor.fetchone())[0] - time.time()) < 60
        assert row[1:] == ([None], "\u2212")
    connection.close()


def test_the_environment_does_not_choose_the_encoding(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "SQL_ASCII")
    with running_engine(engine.settings) as running:
        running.define("demo.echo", lambda given, context: given)
        running.worker()
        running.agent()
        task_id = running.submit("demo.echo", {"value": "\u2212"}, requires=[])
        assert running.wait_for(task_id).output == {"value": "\u2212"}


def test_no_session_compiles_statements(settings: Settings, databases: Databases) -> None:
    """Where a server does that, the first statement on a table of unknown size took 90 ms in each session."""
    with databases.copy() as url:
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text(f"ALTER DATABASE {sa.make_url(url).database} SET jit = on"))
        engine.dispose()
        with closing(connect_leader(url)) as leader, leader.cursor() as cursor:
            cursor.execute("SHOW jit")
            assert cursor.fetchone() == ("off",)
        database = Database(url)
        with database.transaction() as tx:
            assert tx.rows("SHOW jit", {}) == [("off",)]
        database.close()
