"""Counts what an installation sends to its servers and lets them do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from taskyard.core.postgres.database import Database, queries
from taskyard.core.postgres.url import connection_parameters
from taskyard.core.redis.connection import Client, connect_redis
from taskyard.core.redis.url import connection_options
from taskyard.worker.devtools.bench.costs.relays import PostgresRelay, Relay

OF_POSTGRES = ("statements", "transactions")
# Nothing but the relay stands before the server: no client asks it for encryption.
PLAIN = "sslmode=disable&gssencmode=disable"


@dataclass(frozen=True, slots=True)
class Wires:
    """Both servers, and the URLs by which to reach them so that it is counted."""

    postgres: PostgresRelay
    redis: Relay
    database: Database  # not counted, as is …
    client: Client  # … this one
    database_url: str
    redis_url: str

    def counted(self, act: Callable[[], object]) -> dict[str, int]:
        """Returns what `act` cost both servers: nobody else may use them meanwhile."""
        before = self._counts()
        before["redis_commands"] += 1  # that asked for it
        act()
        return {name: count - before[name] for name, count in self._counts().items()}

    def _counts(self) -> dict[str, int]:
        postgres, redis = self.postgres.counts(), self.redis.counts()
        with self.database.statements() as tx:
            written = int(tx.rows(queries("bench")["wal_position"], {})[0][0])
        return {
            **{name: postgres[name] for name in OF_POSTGRES},
            "postgres_round_trips": postgres["round_trips"],
            "wal_bytes": written,
            "redis_round_trips": redis["round_trips"],
            "redis_commands": int(self.client.info("stats")["total_commands_processed"]),  # those of scripts, too
            "redis_bytes_sent": redis["bytes_sent"],
            "redis_bytes_received": redis["bytes_received"],
        }


@contextmanager
def wires(database_url: str, redis_url: str) -> Iterator[Wires]:
    """Stands between an installation and its servers, which listen on Unix sockets, for the length of a block."""
    given, options = connection_parameters(database_url), connection_options(redis_url)
    socket = f"{given['host']}/.s.PGSQL.{given['port']}"
    database, client = Database(database_url, pool_size=1), connect_redis(redis_url)
    try:
        with PostgresRelay(socket) as postgres, Relay(options["path"]) as redis:
            user, name = given["user"], given["dbname"]
            yield Wires(
                postgres,
                redis,
                database,
                client,
                f"postgresql://{user}@127.0.0.1:{postgres.port}/{name}?{PLAIN}",
                f"redis://127.0.0.1:{redis.port}/{options['db']}",
            )
    finally:
        database.close()
        client.close()
