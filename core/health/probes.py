"""Queries PostgreSQL and Redis for reachability, version, settings and rights.

They connect with short timeouts and without retries, so that an answer comes soon. No password appears in an error.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import quote

import psycopg2
from redis import exceptions

from taskyard.core.errors import ConfigurationError, Unavailable
from taskyard.core.i18n import msg
from taskyard.core.postgres.connections import UTF8, lone_cursor, pooling_of
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.pooler import Pooling
from taskyard.core.postgres.store import recovery
from taskyard.core.redis.agent_users import AgentUsers
from taskyard.core.redis.connection import Client, connect_redis
from taskyard.core.redis.keys import Keys
from taskyard.core.redis.url import passwords, user_of


class ProbeFailure(StrEnum):
    """Why a server gave no answer."""

    UNREACHABLE = "unreachable"
    REFUSED = "refused"  # the user, the password or the rights
    NO_DATABASE = "no_database"
    OTHER = "other"

    @property
    def label(self) -> str:
        return LABELS[self]


LABELS = {
    ProbeFailure.UNREACHABLE: msg("not reachable"),
    ProbeFailure.REFUSED: msg("access refused"),
    ProbeFailure.NO_DATABASE: msg("database missing"),
    ProbeFailure.OTHER: msg("no connection"),
}


@dataclass(frozen=True, slots=True)
class AgentUserFacts:
    """Agents with credentials of their own, as `user` sees them in Redis.

    `different` are those whose users are not as PostgreSQL has them; `refusal` is why Redis does not tell.
    """

    user: str
    agents: tuple[str, ...]
    different: tuple[str, ...]
    refusal: str


class ProbeFailed(Unavailable):
    """Raised if a server gave no answer; `failure` is the reason, the text is the server's or the driver's own."""

    def __init__(self, failure: ProbeFailure, message: str) -> None:
        self.failure = failure
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """Facts about a PostgreSQL server, from its own answers."""

    version: str  # "18.1"
    version_number: int  # 180001
    synchronous_commit: str
    fsync: str
    read_only: bool
    may_create_tables: bool
    role: str
    is_superuser: bool
    owns_tables: bool
    pooling: Pooling  # how a connection pooler in front of it shares sessions
    encoding: str = UTF8  # of the database's texts


@dataclass(frozen=True, slots=True)
class RedisFacts:
    """Facts about a Redis server, from its own answers."""

    version: str
    maxmemory_policy: str
    refused: tuple[str, ...]  # commands that this user may not use, with the reason


def database_facts(url: str) -> DatabaseFacts:
    """Queries the PostgreSQL server at `url`; raises ProbeFailed."""
    with _database(url) as cursor:
        cursor.execute(
            "SELECT current_setting('server_version') AS version,"
            " current_setting('server_version_num')::int AS version_number,"
            " current_setting('server_encoding') AS encoding,"
            " current_setting('synchronous_commit') AS synchronous_commit,"
            " current_setting('fsync') AS fsync,"
            " current_setting('transaction_read_only') = 'on' AS read_only,"
            " coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_create_tables,"
            " current_user::text AS role,"
            " current_setting('is_superuser') = 'on' AS is_superuser,"
            " EXISTS (SELECT FROM pg_tables WHERE tablename = 'tasks' AND schemaname = current_schema()"
            " AND tableowner = current_user) AS owns_tables"
        )
        facts = dict(zip([column.name for column in cursor.description], cursor.fetchone(), strict=True))
        shared = pooling_of(url)
    return DatabaseFacts(**facts, pooling=shared)


def database_answers(url: str) -> bool:
    """Returns True if the PostgreSQL server at `url` accepts a connection to its database now."""
    try:
        with _database(url):
            return True
    except ProbeFailed:
        return False


def redis_facts(url: str, namespace: str) -> RedisFacts:
    """Queries the Redis server at `url`, and tries the engine's commands on a key of its own; raises ProbeFailed."""
    with _redis(url) as client:
        info: dict[str, Any] = client.info()
        refused = _refused_commands(client, f"{Keys(namespace).prefix}doctor:{uuid.uuid4().hex}")
    return RedisFacts(str(info["redis_version"]), str(info.get("maxmemory_policy", "unknown")), refused)


def agent_user_facts(database_url: str, redis_url: str, namespace: str) -> AgentUserFacts | None:
    """Compares the agents' own credentials in PostgreSQL with the users in Redis; raises ProbeFailed, Unavailable.

    None if there are neither, or if the URL is itself that of an agent.
    """
    user = user_of(redis_url)
    database = Database(database_url, pool_size=1)
    try:
        with database.transaction() as tx:
            wanted = {one.name: set(one.password_hashes) for one in recovery.agent_users(tx)}
    finally:
        database.close()
    if user.startswith(Keys(namespace).prefix):
        return None
    with _redis(redis_url) as client:
        try:
            known = AgentUsers(client, Keys(namespace), ()).known()
        except exceptions.ResponseError as error:
            facts = AgentUserFacts(user or "default", tuple(wanted), (), _one_line(error, redis_url))
            return facts if wanted else None
    different = sorted(name for name in {*wanted, *known} if wanted.get(name) != known.get(name))
    return AgentUserFacts(user or "default", tuple(wanted), tuple(different), "") if wanted or known else None


def redis_answers(url: str) -> bool:
    """Returns True if the Redis server at `url` answers now."""
    try:
        with _redis(url) as client:
            return bool(client.ping())
    except ProbeFailed:
        return False


def without_password(text: str, url: str) -> str:
    """Returns `text` with every form of every password in `url` replaced by `***`."""
    text = text.replace(url, "the URL")
    for form in passwords(url):
        for written in (form, quote(form, safe="")):
            text = text.replace(written, "***")
    return text


@contextmanager
def _database(url: str) -> Iterator[Any]:
    try:
        with lone_cursor(url) as cursor:
            yield cursor
    except (ConfigurationError, Unavailable) as error:  # the URL is invalid, or a pooler answers
        raise ProbeFailed(ProbeFailure.OTHER, _one_line(error, url)) from None
    except psycopg2.Error as error:
        text = _one_line(error, url)
        raise ProbeFailed(_database_failure(text), text) from None


def _database_failure(text: str) -> ProbeFailure:
    # The driver provides no code for a refused connection, only the text.
    if "authentication failed" in text or "no password supplied" in text or "pg_hba.conf" in text:
        return ProbeFailure.REFUSED
    if "role" in text and "does not exist" in text:
        return ProbeFailure.REFUSED
    if "database" in text and "does not exist" in text:
        return ProbeFailure.NO_DATABASE
    return ProbeFailure.OTHER if "FATAL:" in text else ProbeFailure.UNREACHABLE


@contextmanager
def _redis(url: str) -> Iterator[Client]:
    try:
        with connect_redis(url) as client:
            yield client
    except (exceptions.AuthenticationError, exceptions.AuthorizationError, exceptions.NoPermissionError) as error:
        raise ProbeFailed(ProbeFailure.REFUSED, _one_line(error, url)) from None
    except (exceptions.ConnectionError, exceptions.TimeoutError, OSError) as error:
        raise ProbeFailed(ProbeFailure.UNREACHABLE, _one_line(error, url)) from None
    except (exceptions.RedisError, ConfigurationError) as error:
        failure = ProbeFailure.REFUSED if "NOAUTH" in str(error) else ProbeFailure.OTHER
        raise ProbeFailed(failure, _one_line(error, url)) from None


def _refused_commands(client: Client, key: str) -> tuple[str, ...]:
    commands: dict[str, Callable[[], object]] = {
        "XADD": lambda: client.xadd(key, {"a": 1}, maxlen=10),
        "XREAD": lambda: client.xread({key: "0-0"}, count=1),
        "XTRIM": lambda: client.xtrim(key, maxlen=0),
        "DEL": lambda: client.delete(key),
        "ZADD": lambda: client.zadd(key, {"a": 1}),
        "ZRANGE": lambda: client.zrange(key, 0, 0),
        "HSET": lambda: client.hset(f"{key}:hash", "a", "1"),
        "PEXPIRE": lambda: client.pexpire(f"{key}:hash", 1000),
        "EVAL": lambda: client.eval("return redis.call('DEL', KEYS[1], KEYS[2])", 2, key, f"{key}:hash"),
    }
    refused = []
    for name, command in commands.items():
        try:
            command()
        except exceptions.ResponseError as error:
            refused.append(f"{name} ({error})")
    return tuple(refused)


def _one_line(error: object, url: str) -> str:
    return without_password(" ".join(str(error).split()), url)
