"""Taking PostgreSQL away from those who use it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.engine import Connection, make_url

from taskyard.core.postgres.pools import connect_engine
from tests.servers import wait_until

_END_SESSIONS = sa.text(
    # A vacuum is not the role's to end.
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE backend_type = 'client backend' AND datname = :name"
)


def shut(connection: Connection, name: str) -> None:
    """Makes a database refuse connections, and ends those there are; returns when none is left.

    One that was being made meanwhile comes after the first look, so it looks until there is none.
    """
    connection.execute(sa.text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
    wait_until(lambda: connection.scalar(_END_SESSIONS, {"name": name}) == 0, message=f"{name} has no session")


@contextmanager
def switch_for(database_url: str, admin_url: str) -> Iterator[Callable[[], None]]:
    """Yields what shuts a database until the end of the block."""
    name = make_url(database_url).database
    assert name is not None
    admin = connect_engine(admin_url).execution_options(isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        try:
            yield lambda: shut(connection, name)
        finally:
            connection.execute(sa.text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
    admin.dispose()


@contextmanager
def database_away(database_url: str | None, admin_url: str) -> Iterator[None]:
    """A database refuses connections, and those that there were are broken off."""
    with switch_for(database_url or "", admin_url) as switch_off:
        switch_off()
        yield
