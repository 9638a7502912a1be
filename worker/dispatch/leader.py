"""Implements leadership: a session advisory lock on one connection, and an epoch that everyone can compare (P1)."""

from __future__ import annotations

import psycopg2
import psycopg2.errors
import psycopg2.extensions

from taskyard.core.errors import LeadershipLost, Unavailable
from taskyard.core.postgres.database import LEADER_LOCK_TIMEOUT_MS, DriverTransaction, connect_leader
from taskyard.core.postgres.errors import explained
from taskyard.core.postgres.store import locks, recovery


class LeaderConnection:
    """The connection that holds the lock, and on which every tick commits."""

    def __init__(self, database_url: str, worker: str) -> None:
        self._url = database_url
        self._worker = worker
        self.connection: psycopg2.extensions.connection | None = None
        self.database = ""  # the identity of the database that it leads
        self.epoch = 0  # of the term in force, at the last try

    def try_lead(self) -> int | None:
        """Returns the epoch of a new term, or None if another worker leads; raises Unavailable."""
        try:
            if self.connection is None or self.connection.closed:
                self.connection = connect_leader(self._url)
            with self.connection.cursor() as cursor:
                tx = DriverTransaction(cursor)
                is_leader = recovery.try_lead(tx)
                if is_leader:
                    self.epoch = recovery.take_term(tx, self._worker)
                    self.database = recovery.database_identity(tx)
                else:
                    self.epoch = recovery.term_in_force(tx)
            self.connection.commit()
            return self.epoch if is_leader else None
        except psycopg2.errors.LockNotAvailable as error:
            reason = self.who_is_in_the_way()
            self.close()
            raise Unavailable(f"a term can't begin: {reason}") from error
        except psycopg2.Error as error:
            self.close()
            raise Unavailable(explained(error)) from error

    def who_is_in_the_way(self) -> str:
        """Returns one line about the oldest session with one of our locks, after a lock timeout."""
        connection = self.required()
        try:
            connection.rollback()
            with connection.cursor() as cursor:
                found = locks.holders(DriverTransaction(cursor), LEADER_LOCK_TIMEOUT_MS / 1000)
            connection.rollback()
        except psycopg2.Error as error:
            return f"another session holds a lock; it can't be identified: {str(error).strip()}"
        return str(found[0].text) if found else "another session has locked the tables it starts with"

    def close(self) -> None:
        """Ends the session, which releases the lock."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def required(self) -> psycopg2.extensions.connection:
        """Returns the open connection; raises LeadershipLost."""
        if self.connection is None:
            raise LeadershipLost("the leader's connection is closed")
        return self.connection
