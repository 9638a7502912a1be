"""The pool of connections: which one is lent, and what becomes of it after an error."""

from __future__ import annotations

import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import psycopg2
import pytest

from taskyard.core.errors import Busy, Unavailable
from taskyard.core.postgres import pools
from taskyard.core.postgres.database import Database, DriverTransaction
from tests.servers import wait_until


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    yield opened
    opened.close()


def session_of(database: Database) -> int:
    with database.statements() as tx:
        return int(tx.rows("SELECT pg_backend_pid()", {})[0][0])


def end_session(tx: DriverTransaction, other: DriverTransaction) -> int:
    """Has the server end the session of `other`, and returns which it was, once this end has heard of it."""
    [(session,)] = other.rows("SELECT pg_backend_pid()", {})
    tx.rows("SELECT pg_terminate_backend(%(pid)s)", {"pid": session})
    wait_until(lambda: select.select([other.cursor.connection.fileno()], [], [], 0)[0])
    return int(session)


def test_one_after_the_other_use_the_same(database: Database) -> None:
    before = session_of(database)
    with database.transaction() as tx:
        assert tx.rows("SELECT pg_backend_pid()", {}) == [(before,)]
    assert session_of(database) == before
    assert database.pool.idle_count == 1


def test_more_are_made_while_it_is_in_use_and_so_many_stay(database: Database) -> None:
    with ExitStack() as uses:
        sessions = [
            uses.enter_context(database.transaction()).rows("SELECT pg_backend_pid()", {})[0][0] for _ in range(8)
        ]
    assert len(set(sessions)) == 8
    assert database.pool.idle_count == 5


def test_at_last_a_caller_waits(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "POOL_TIMEOUT_SECONDS", 0.05)
    with ExitStack() as uses:
        for _ in range(10):
            uses.enter_context(database.transaction())
        with pytest.raises(Unavailable, match="no database connection became free within"), database.transaction():
            pass
    assert session_of(database) > 0


def test_the_one_used_last_is_lent_first(database: Database) -> None:
    first = session_of(database)
    first = session_of(database)
    with database.statements() as tx:
        other = session_of(database)
        assert other != first
        assert tx.rows("SELECT pg_backend_pid()", {}) == [(first,)]
    assert session_of(database) == first
    with database.statements():
        assert session_of(database) == other


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
    with database.statements() as tx:
        [(kept,)] = tx.rows("SELECT pg_backend_pid()", {})
        with database.statements() as other:
            dead = end_session(tx, other)
    with database.statements():
        assert session_of(database) not in (dead, kept)
    assert session_of(database) not in (dead, kept)


def test_one_that_dies_in_use_takes_the_pool_along(database: Database) -> None:
    def die() -> None:
        with database.statements() as tx, database.statements() as killer:
            end_session(killer, tx)
            tx.rows("SELECT 1", {})

    with database.statements() as tx:
        [(kept,)] = tx.rows("SELECT pg_backend_pid()", {})
        with pytest.raises(Unavailable):
            die()
    assert session_of(database) != kept


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


def test_one_whose_user_was_interrupted_between_statements_is_closed(database: Database) -> None:
    """It may have prepared a statement and not know it."""
    before = session_of(database)
    with pytest.raises(KeyboardInterrupt), database.statements():
        raise KeyboardInterrupt
    assert session_of(database) != before


class Interrupted:
    def write(self, text: bytes) -> None:
        """Is interrupted, like a caller by Ctrl-C, while the statement goes on."""
        raise KeyboardInterrupt


def test_one_that_was_interrupted_is_closed(database: Database) -> None:
    before = session_of(database)
    with pytest.raises(KeyboardInterrupt), database.transaction() as tx:
        tx.cursor.copy_expert("COPY (SELECT generate_series(1, 1000000)) TO STDOUT", Interrupted())
    assert session_of(database) > 0
    with database.transaction() as tx:
        found = tx.rows("SELECT state FROM pg_stat_activity WHERE pid = %(pid)s", {"pid": before})
    assert found in ([], [("active",)])


def test_values_of_ids_are_texts_in_both_ways_to_run_statements(database: Database) -> None:
    one = "00000000-0000-0000-0000-000000000001"
    for opened in (database.statements, database.transaction):
        with opened() as tx:
            assert tx.rows("SELECT %(id)s::uuid", {"id": one}) == [(one,)]


PARENT = """
import os, sys
from taskyard.core.postgres import pools
from taskyard.core.postgres.database import Database
from tests.servers import wait_until
database = Database(sys.argv[1])
def session():
    with database.transaction() as tx:
        return tx.rows("SELECT pg_backend_pid()", {})[0][0]
before = session()
child = os.fork()
if child == 0:
    assert session() != before
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert session() == before
"""


def test_a_forked_process_uses_connections_of_its_own(database_url: str) -> None:
    subprocess.run([sys.executable, "-c", PARENT, database_url], check=True, timeout=60)
