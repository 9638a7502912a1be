"""Connections of one command: opened for it, closed after it."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
import psycopg2.errors

from core.config import Settings, load_settings
from core.database import Database, DriverTransaction
from core.embedded import resolve
from core.errors import ConfigurationError, Unavailable
from core.queue import Queue
from core.redis_client import connect_redis
from core.registry import registry
from core.submission import Submitter


@contextmanager
def opened_submitter(
    settings: Settings | None = None, *, load_types: bool = False
) -> Iterator[tuple[Submitter, Database]]:
    """A submitter and the database it writes to; raises ConfigurationError or Unavailable."""
    settings = settings or load_settings()
    if load_types:
        registry.load(settings.task_modules)
    endpoints = resolve(settings)
    database = Database(endpoints.database_url)
    client = connect_redis(endpoints.redis_url)
    try:
        with _refusals_told():
            yield (
                Submitter(settings, registry, database, Queue(client, settings.namespace, settings.placement_of)),
                database,
            )
    finally:
        client.close()
        database.close()


@contextmanager
def opened_reading() -> Iterator[DriverTransaction]:
    """A transaction to read in, by the settings of the environment; raises ConfigurationError or Unavailable."""
    database = Database(resolve(load_settings()).database_url)
    try:
        with _refusals_told(), database.transaction() as tx:
            yield tx
    finally:
        database.close()


def user_name() -> str:
    """Who runs this command: the name the system knows, or the number if it knows none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"


@contextmanager
def _refusals_told() -> Iterator[None]:
    """Turns what PostgreSQL refuses into an error with advice."""
    try:
        yield
    except (psycopg2.errors.UndefinedTable, psycopg2.errors.UndefinedColumn):
        raise ConfigurationError(
            ["the database does not have this version's tables: run `python -m worker migrate`"]
        ) from None
    except psycopg2.errors.InsufficientPrivilege as error:
        raise Unavailable(f"PostgreSQL refuses: {str(error).splitlines()[0]}") from None
