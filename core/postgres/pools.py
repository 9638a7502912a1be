"""Opens pools of connections to PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg2
import psycopg2.extras
import sqlalchemy
from sqlalchemy.pool import QueuePool

from taskyard.core.connection_era import Era
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
from taskyard.core.postgres.errors import POOL_TIMEOUT_SECONDS


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


def connect_pool(url: str, *, pool_size: int, era: Era) -> QueuePool:
    """Returns SQLAlchemy's pool of connections to a `postgresql://` URL; connects on first use.

    An engine would load the rest of SQLAlchemy: 13 MB, and a seventh of the worker's start. Raises ConfigurationError.
    """
    connect = connecting(url, era)

    def connect_with_types() -> Any:
        connection = connect()
        psycopg2.extras.register_uuid(None, connection)  # type: ignore[no-untyped-call]  # as SQLAlchemy's engines do
        read_ids_as_text(connection, None)
        return connection

    return QueuePool(
        connect_with_types,
        pool_size=pool_size,
        max_overflow=pool_size,
        timeout=POOL_TIMEOUT_SECONDS,
        use_lifo=True,  # the one used last is warm: its statements are prepared, its caches filled
    )


def connect_engine(url: str, *, pool_size: int = 5) -> sqlalchemy.Engine:
    """Returns an SQLAlchemy engine for a `postgresql://` URL; connects on first use. Raises ConfigurationError."""
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg2://",
        creator=connecting(url, Era()),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=POOL_TIMEOUT_SECONDS,
    )
    sqlalchemy.event.listen(engine, "connect", read_ids_as_text)
    return engine
