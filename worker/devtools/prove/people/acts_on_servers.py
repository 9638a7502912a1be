"""Holds locks, and makes servers answer with temporary errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

import psycopg2
import sqlalchemy

from taskyard.core.errors import TaskyardError
from taskyard.core.postgres.pools import connect_engine
from taskyard.worker.devtools.prove import records
from taskyard.worker.devtools.prove.people import faults, plan

if TYPE_CHECKING:
    from taskyard.worker.devtools.prove.people.yard import Yard

ROW = "SELECT id FROM tasks WHERE finished_at IS NULL ORDER BY random() LIMIT 20 FOR UPDATE"
PARENT = """
SELECT id FROM tasks WHERE finished_at IS NULL AND NOT coalesce((input ->> 'hopeless')::bool, false)
ORDER BY random() LIMIT 1"""
SPARE_CONNECTIONS = 200


@contextmanager
def hold_a_lock(yard: Yard, act: plan.Act) -> Iterator[None]:
    """Leaves a transaction open: with rows, a parent of a new task, or a whole table in it."""
    if act.way == "a parent":
        with _submitted_but_not_committed(yard):
            yield
        return
    connection = yard.connect()
    try:
        with connection.cursor() as cursor, suppress(psycopg2.errors.DeadlockDetected):
            mode = "ACCESS EXCLUSIVE" if act.way == "tasks" else "SHARE ROW EXCLUSIVE"
            cursor.execute(ROW if act.way == "a row" else f"LOCK TABLE {act.way} IN {mode} MODE")
        yield
    finally:
        connection.close()


@contextmanager
def _submitted_but_not_committed(yard: Yard) -> Iterator[None]:
    engine = connect_engine(yard.settings.database_url or "", pool_size=1)
    task_id = ""
    try:
        with engine.connect() as connection:
            parent = connection.exec_driver_sql(PARENT).scalar()
            if parent is not None:
                with suppress(TaskyardError):
                    task_id = yard.submitter.submit("prove.thread", {}, after=[str(parent)], connection=connection)
            yield
            with suppress(sqlalchemy.exc.DBAPIError):
                connection.commit()
                if task_id:
                    records.append(yard.journal, [task_id, {"after": str(parent)}])
    finally:
        engine.dispose()


@contextmanager
def disturb_redis(yard: Yard, act: plan.Act) -> Iterator[None]:
    """Makes Redis answer with temporary errors, fills it, or breaks its connections."""
    if act.way == "cut":
        yard.redis_proxy.cut()
        yield
    elif act.way == "full":
        yard.broker.redis.config_set("maxmemory", 1)
        try:
            yield
        finally:
            yard.broker.redis.config_set("maxmemory", 0)
    else:
        fault = faults.REDIS[act.way]
        yard.redis_proxy.refuse(fault.reply, only=fault.strikes)
        try:
            yield
        finally:
            yard.redis_proxy.allow()


@contextmanager
def disturb_postgres(yard: Yard, act: plan.Act) -> Iterator[None]:
    """Makes PostgreSQL answer with temporary errors, be read-only, end sessions, time statements out, or be full."""
    if act.way in faults.POSTGRES:
        yard.postgres_proxy.refuse(act.way, faults.POSTGRES[act.way], fatal=True, at_login=True)
        try:
            yield
        finally:
            yard.postgres_proxy.allow()
    elif act.way == "terminated":
        _terminate_all(yard)
        yield
    elif act.way == "no connection left":
        with _all_connections(yard):
            yield
    else:
        name, value = ("default_transaction_read_only", "on") if act.way == "read-only" else (act.way, "50ms")
        with _database_setting(yard, name, value):
            yield


@contextmanager
def _database_setting(yard: Yard, name: str, value: str) -> Iterator[None]:
    """Changes a setting as an operator does: for new sessions, and the old ones are ended."""
    _run(yard, f"ALTER DATABASE taskyard SET {name} = '{value}'")
    _terminate_all(yard)
    try:
        yield
    finally:
        _run(yard, "SET default_transaction_read_only = off", f"ALTER DATABASE taskyard RESET {name}")
        # a failover's new primary has none of the old sessions either
        _terminate_all(yard)


@contextmanager
def _all_connections(yard: Yard) -> Iterator[None]:
    _terminate_all(yard)
    with ExitStack() as stack:
        with suppress(psycopg2.OperationalError):
            for _ in range(SPARE_CONNECTIONS):
                stack.callback(yard.connect().close)
        yield


def _terminate_all(yard: Yard) -> None:
    _run(
        yard,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = 'taskyard'",
    )


def _run(yard: Yard, *statements: str) -> None:
    connection = yard.connect()
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
    finally:
        connection.close()
