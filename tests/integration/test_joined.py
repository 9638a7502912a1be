"""A transaction whose BEGIN travels with its first statement commits and rolls back as any other."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg2
import psycopg2.errors
import psycopg2.extensions
import pytest

from taskyard.core.postgres.database import connect_leader
from taskyard.core.postgres.joined import _roll_back, joined

ADD = "INSERT INTO joined_test (n) VALUES (%(n)s) RETURNING n"


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg2.extensions.connection]:
    opened = connect_leader(database_url)
    with opened.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE joined_test (n int PRIMARY KEY)")
    opened.commit()
    yield opened
    opened.close()


def stored(connection: psycopg2.extensions.connection) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT n FROM joined_test ORDER BY n")
        found = [row[0] for row in cursor.fetchall()]
    connection.rollback()
    return found


def run(connection: psycopg2.extensions.connection, statements: list[str], error: Exception | None = None) -> None:
    with joined(connection, is_lone=False) as tx:
        for statement in statements:
            tx.rows(statement, {"n": 1})
        if error is not None:
            raise error


def test_all_statements_are_one_transaction(connection: psycopg2.extensions.connection) -> None:
    with joined(connection, is_lone=False) as tx:
        [[first]] = tx.rows("SELECT pg_current_xact_id()::text", {})
        assert tx.rows(ADD, {"n": 1}) == [(1,)]
        assert tx.rows("SELECT pg_current_xact_id()::text", {}) == [(first,)]
    assert stored(connection) == [1]


@pytest.mark.parametrize("fails_first", [True, False])
def test_an_error_rolls_all_back(fails_first: bool, connection: psycopg2.extensions.connection) -> None:
    statements = ["SELECT 1 / 0"] if fails_first else [ADD, "SELECT 1 / 0"]
    with pytest.raises(psycopg2.errors.DivisionByZero):
        run(connection, statements)
    assert stored(connection) == []
    with joined(connection, is_lone=False) as tx:
        tx.rows(ADD, {"n": 2})
    assert stored(connection) == [2]


def test_an_error_of_the_block_rolls_all_back(connection: psycopg2.extensions.connection) -> None:
    with pytest.raises(ValueError, match="mine"):
        run(connection, [ADD], ValueError("mine"))
    assert stored(connection) == []


def test_a_lone_statement_is_a_transaction(connection: psycopg2.extensions.connection) -> None:
    with joined(connection, is_lone=True) as tx:
        tx.rows(ADD, {"n": 1})
    with pytest.raises(psycopg2.errors.UniqueViolation), joined(connection, is_lone=True) as tx:
        tx.rows("INSERT INTO joined_test SELECT * FROM generate_series(0, 1)", {})
    assert stored(connection) == [1]


def test_a_block_without_statements_does_nothing(connection: psycopg2.extensions.connection) -> None:
    with joined(connection, is_lone=False):
        pass
    assert not connection.autocommit
    assert connection.info.transaction_status == psycopg2.extensions.TRANSACTION_STATUS_IDLE


def test_a_broken_connection_raises_its_own_error(connection: psycopg2.extensions.connection) -> None:
    with pytest.raises(psycopg2.OperationalError), joined(connection, is_lone=False) as tx:
        tx.rows("SELECT pg_terminate_backend(pg_backend_pid())", {})


def test_a_connection_that_can_not_roll_back_is_closed(connection: psycopg2.extensions.connection) -> None:
    """Else it would go on in a transaction that its driver does not know of."""

    class Refusing:
        def execute(self, statement: str) -> None:
            raise psycopg2.errors.QueryCanceled(statement)

    with pytest.raises(psycopg2.InterfaceError, match="rollback failed"):
        _roll_back(connection, Refusing())
    assert connection.closed
