"""The connection beside the pool, for single statements: who has it, and what becomes of it after an error."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg2
import pytest

from taskyard.core.errors import Busy, Unavailable
from taskyard.core.postgres.database import Database


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    yield opened
    opened.close()


def session_of(database: Database) -> int:
    with database.statements() as tx:
        return int(tx.rows("SELECT pg_backend_pid()", {})[0][0])


def test_it_stays_the_same_and_out_of_the_pool(database: Database) -> None:
    assert session_of(database) == session_of(database)
    assert database.pool.checkedin() == 0


def test_while_it_is_in_use_others_go_to_the_pool(database: Database) -> None:
    first = session_of(database)
    with database.statements() as tx:
        assert session_of(database) != first
        assert tx.rows("SELECT pg_backend_pid()", {}) == [(first,)]
    assert session_of(database) == first


def test_each_statement_is_a_transaction(database: Database) -> None:
    with database.statements() as tx:
        [[one]], [[other]] = (tx.rows("SELECT pg_current_xact_id()::text", {}) for _ in range(2))
    assert one != other


def test_it_outlives_a_refused_statement(database: Database) -> None:
    before = session_of(database)
    with pytest.raises(psycopg2.DataError), database.statements() as tx:
        tx.rows("SELECT 1 / 0", {})
    assert session_of(database) == before


def test_a_lock_that_is_waited_for_too_long_is_said(database: Database) -> None:
    before = session_of(database)
    with database.transaction() as tx:
        tx.rows("LOCK TABLE holds IN ACCESS EXCLUSIVE MODE", {})
        with pytest.raises(Busy), database.statements(50) as waiting:
            waiting.rows("SELECT FROM holds LIMIT 0", {})
    assert session_of(database) == before


def test_a_dead_one_is_replaced_and_takes_the_pool_along(database: Database) -> None:
    with database.transaction() as tx:
        pooled = tx.rows("SELECT pg_backend_pid()", {})[0][0]
    before = session_of(database)
    with database.transaction() as tx:
        tx.rows("SELECT pg_terminate_backend(%(pid)s)", {"pid": before})
    with pytest.raises(Unavailable):
        session_of(database)
    assert session_of(database) != before
    with database.transaction() as tx:
        assert tx.rows("SELECT pg_backend_pid()", {})[0][0] != pooled


def test_a_failure_of_the_caller_inside_a_transaction_is_not_kept(database: Database) -> None:
    def fail() -> None:
        with database.statements() as tx:
            tx.rows("BEGIN", {})
            raise KeyError("mine")

    before = session_of(database)
    with pytest.raises(KeyError):
        fail()
    assert session_of(database) != before


def test_threads_share_it_one_at_a_time(database: Database) -> None:
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for number in range(50):
                with database.statements() as tx:
                    assert tx.rows("SELECT %(n)s", {"n": number}) == [(number,)]
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_closed_database_opens_it_again(database: Database) -> None:
    before = session_of(database)
    database.close()
    assert session_of(database) != before


def test_one_in_use_is_closed_after_its_use(database: Database) -> None:
    with database.statements() as tx:
        before = tx.rows("SELECT pg_backend_pid()", {})[0][0]
        database.close()
        assert tx.rows("SELECT pg_backend_pid()", {})[0][0] == before
    assert session_of(database) != before
