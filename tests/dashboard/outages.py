"""Taking PostgreSQL away from a page that has been read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from taskyard.core.config import Settings
from taskyard.core.embedded.servers import Endpoints
from taskyard.core.postgres.database import connect_engine
from tests.servers import end_sessions


@contextmanager
def database_away(settings: Settings, server_endpoints: Endpoints) -> Iterator[None]:
    """This test's database refuses connections, and those that there were are broken off."""
    name = make_url(settings.database_url or "").database
    admin = connect_engine(server_endpoints.database_url).execution_options(isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
        connection.execute(sa.text(end_sessions(name)))
        try:
            yield
        finally:
            connection.execute(sa.text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
    admin.dispose()
