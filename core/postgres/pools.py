"""Pools connections to PostgreSQL."""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

import psycopg2
import psycopg2.extras
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, TRANSACTION_STATUS_INERROR, TRANSACTION_STATUS_INTRANS

from taskyard.core.connection_era import Era
from taskyard.core.errors import Unavailable
from taskyard.core.i18n import msg
from taskyard.core.postgres.connections import (
    APPLICATION_NAME,
    CONNECT_TIMEOUT_SECONDS,
    NETWORK_TIMEOUT_MS,
    UTF8,
    Connection,
    network_options,
    parameters_of,
    read_ids_as_text,
    set_up,
)
from taskyard.core.postgres.errors import has_turned, meaning_of, unavailable_when_unreachable

if TYPE_CHECKING:
    import sqlalchemy

POOL_TIMEOUT_SECONDS = 10  # until a connection of the pool is free


class Pool:
    """Connections to one database: `size` that stay, and as many more while all of them are in use.

    Any thread may use it. The one used last is lent first: its statements are prepared, its caches filled. Those of a
    past era, and those of the process that this one was forked from, are not used again.
    """

    def __init__(self, connect: Callable[[], Connection], era: Era, size: int) -> None:
        self._connect, self._era, self._size = connect, era, size
        self._renew()

    @contextlib.contextmanager
    def lent(self, *, autocommit: bool) -> Iterator[Connection]:
        """Lends a connection, made if need be; what its user has left open is rolled back. Raises Unavailable and Busy.

        If the server turns out to be gone or replaced (restarted, demoted), every connection made before is dropped:
        no call fails if it said so while the connection was idle, else one does and not one for each of them.
        """
        connection = self._taken()
        closings = self._closings
        try:
            if connection.autocommit is not autocommit:
                connection.autocommit = autocommit
            yield connection
        except BaseException as error:
            if connection.closed or has_turned(error.__cause__ or error):
                self._era.end(connection.made_in)
                connection.close()
            elif not isinstance(error, Exception):
                connection.close()  # interrupted: it may have prepared what it does not know of
            if (unreachable := meaning_of(error)) is not None:
                raise unreachable from error
            raise
        finally:
            self._give_back(connection, is_kept=closings == self._closings)

    @property
    def idle_count(self) -> int:
        """Returns how many connections wait to be lent."""
        return len(self._idle)

    def close(self) -> None:
        """Closes the connections, those in use after their use; more are made if somebody asks for them."""
        self._closings += 1
        with contextlib.suppress(IndexError):
            while True:
                self._idle.pop().close()

    def _renew(self) -> None:
        # the driver closes none of another process's connections when they are freed
        self._idle: list[Connection] = []  # append and pop are atomic
        self._places: SimpleQueue[None] = SimpleQueue()  # a semaphore, at a tenth of the price of Python's
        for _ in range(2 * self._size):
            self._places.put(None)
        self._closings = 0
        self._process_id = os.getpid()

    def _taken(self) -> Connection:
        if self._process_id != os.getpid():
            self._renew()
        try:
            self._places.get(timeout=POOL_TIMEOUT_SECONDS)
        except Empty:
            text = msg("no database connection became free within {seconds} s", seconds=POOL_TIMEOUT_SECONDS)
            raise Unavailable(text) from None
        try:
            with contextlib.suppress(IndexError):
                while True:
                    connection = self._idle.pop()
                    if connection.made_in == self._era.number and not connection.closed:
                        if not _has_heard(connection):
                            return connection
                        self._era.end(connection.made_in)
                    connection.close()
            with unavailable_when_unreachable():
                made = self._connect()
            psycopg2.extras.register_uuid(None, made)  # type: ignore[no-untyped-call]  # arrays of them, and parameters
            read_ids_as_text(made, None)
            return made
        except BaseException:
            self._places.put(None)
            raise

    def _give_back(self, connection: Connection, *, is_kept: bool) -> None:
        try:
            if _is_clean(connection) and is_kept and len(self._idle) < self._size:
                self._idle.append(connection)
            else:
                connection.close()
        finally:
            self._places.put(None)


def _has_heard(connection: Connection) -> bool:
    """Returns True if the server said something to an idle connection: as a rule, that it closes it."""
    heard = select.poll()
    heard.register(connection.fileno(), select.POLLIN)
    return bool(heard.poll(0))


def _is_clean(connection: Connection) -> bool:
    """Ends a transaction that was left open; returns False if the connection is no longer usable."""
    if connection.closed:
        return False
    status = connection.info.transaction_status
    if status == TRANSACTION_STATUS_IDLE:
        return True
    # a BEGIN of its user's own is not ours to end, and a statement that was interrupted may take long to
    if connection.autocommit or status not in (TRANSACTION_STATUS_INTRANS, TRANSACTION_STATUS_INERROR):
        return False
    try:
        connection.rollback()
    except psycopg2.Error:  # it broke just now
        return False
    return True


def connecting(url: str, era: Era) -> Callable[[], Connection]:
    """Returns a function that opens a connection in the current `era`; raises ConfigurationError."""
    parameters = {
        "connect_timeout": str(CONNECT_TIMEOUT_SECONDS),
        "application_name": APPLICATION_NAME,
        **network_options(NETWORK_TIMEOUT_MS),
        **parameters_of(url),
        "client_encoding": UTF8,  # whatever PGCLIENTENCODING, the role or the database asks for
    }

    def connect() -> Connection:
        made_in = era.number
        connection: Connection = psycopg2.connect(connection_factory=Connection, **parameters)  # type: ignore[call-overload]
        connection.made_in = made_in
        return set_up(connection)

    return connect


def connect_engine(url: str, *, pool_size: int = 5) -> sqlalchemy.Engine:
    """Returns an SQLAlchemy engine for a `postgresql://` URL; connects on first use. Raises ConfigurationError."""
    import sqlalchemy  # 13 MB, and a seventh of the worker's start, which needs none of it

    engine = sqlalchemy.create_engine(
        "postgresql+psycopg2://",
        creator=connecting(url, Era()),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=POOL_TIMEOUT_SECONDS,
    )
    sqlalchemy.event.listen(engine, "connect", read_ids_as_text)
    return engine
