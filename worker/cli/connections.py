"""Opens and closes the connections of one command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2.errors
import sqlalchemy.exc

from taskyard.core.access.identity import local_actor
from taskyard.core.config import load_settings
from taskyard.core.embedded.servers import resolve
from taskyard.core.errors import ConfigurationError, Unavailable
from taskyard.core.postgres.database import Database, DriverTransaction
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.connection import connect_redis
from taskyard.core.submission.authorized import Authorized
from taskyard.core.submission.submit import Submitter
from taskyard.core.task_types.registry import registry


@contextmanager
def acting(*, load_types: bool = False) -> Iterator[tuple[Authorized, Database]]:
    """Opens what this process's user may do with tasks, and the database, by the settings of the environment.

    Only submissions need the task types. Raises ConfigurationError or Unavailable.
    """
    settings = load_settings()
    if load_types:
        registry.load(settings.task_modules)
    with opened_servers() as (database, broker):
        yield Authorized(Submitter(settings, registry, database, broker), registry, database, local_actor()), database


@contextmanager
def opened_servers() -> Iterator[tuple[Database, Broker]]:
    """Opens both servers, by the settings of the environment; raises ConfigurationError or Unavailable."""
    settings = load_settings()
    endpoints = resolve(settings)
    with _opened_database(endpoints.database_url) as database, connect_redis(endpoints.redis_url) as client:
        yield database, Broker(client, settings.namespace, settings.placement_of)


@contextmanager
def opened_broker() -> Iterator[Broker]:
    """Opens Redis alone, by the settings of the environment; raises ConfigurationError or Unavailable."""
    settings = load_settings()
    with connect_redis(resolve(settings).redis_url) as client:
        yield Broker(client, settings.namespace, settings.placement_of)


@contextmanager
def opened_reading() -> Iterator[DriverTransaction]:
    """Opens a transaction that only reads, one moment; raises ConfigurationError or Unavailable."""
    with opened_database() as database, database.snapshot() as tx:
        yield tx


@contextmanager
def opened_writing() -> Iterator[DriverTransaction]:
    """Opens a transaction, with Redis reached beforehand; raises ConfigurationError or Unavailable."""
    with opened_servers() as (database, _), database.transaction() as tx:
        yield tx


@contextmanager
def opened_database() -> Iterator[Database]:
    """Opens PostgreSQL alone, by the settings of the environment; raises ConfigurationError or Unavailable."""
    with _opened_database(resolve(load_settings()).database_url) as database:
        yield database


@contextmanager
def printing_refusals() -> Iterator[None]:
    """Turns PostgreSQL's refusals because of its schema or permissions into an error with advice."""
    try:
        yield
    except (psycopg2.errors.UndefinedTable, psycopg2.errors.UndefinedColumn):
        problem = "the database does not have this version's tables: run `taskyard migrate`"
        raise ConfigurationError([problem]) from None
    except psycopg2.errors.InsufficientPrivilege as error:
        raise Unavailable(f"PostgreSQL refuses: {str(error).splitlines()[0]}") from None
    except sqlalchemy.exc.ProgrammingError as error:
        raise Unavailable(f"PostgreSQL refuses: {str(error.orig).splitlines()[0]}") from None


@contextmanager
def _opened_database(url: str) -> Iterator[Database]:
    database = Database(url)
    try:
        with printing_refusals():
            yield database
    finally:
        database.close()
