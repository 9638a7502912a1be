"""Opens pools of connections to PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable

import psycopg2
import sqlalchemy
from sqlalchemy.engine import Engine

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


def connect_engine(url: str, *, pool_size: int = 5, era: Era | None = None) -> Engine:
    """Returns an SQLAlchemy engine for a `postgresql://` URL; connects on first use.

    Connections of a past `era` are replaced before use. Raises ConfigurationError.
    """
    current = era or Era()

    def check(connection: Connection, record: object, proxy: object) -> None:
        if connection.made_in != current.number:
            raise sqlalchemy.exc.DisconnectionError("the server behind this connection has changed since it was opened")

    engine = sqlalchemy.create_engine(
        "postgresql+psycopg2://",
        creator=connecting(url, current),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=POOL_TIMEOUT_SECONDS,
        pool_use_lifo=True,  # the one used last is warm: its statements are prepared, its caches filled
        pool_pre_ping=False,
    )
    sqlalchemy.event.listen(engine, "connect", read_ids_as_text)
    sqlalchemy.event.listen(engine, "checkout", check)
    return engine
