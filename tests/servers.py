"""Servers for tests: PostgreSQL and Redis of their own for each pytest process, and databases made from a template.

`python -m tests.servers FOLDER` is the keeper of one pair of servers: it starts them under FOLDER, prints their
URLs as one line of JSON, and when its standard input ends, because the tests have ended in whatever way, it
stops them and removes FOLDER.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import psutil
import sqlalchemy as sa

from core.database import connect_engine, driver_url
from core.embedded import EmbeddedServers, Endpoints
from core.migrations import migrate

REPOSITORY = Path(__file__).resolve().parent.parent
POLL_SECONDS = 0.01
Result = TypeVar("Result")


def wait_until(condition: Callable[[], Result], timeout_seconds: float = 10, message: str = "") -> Result:
    """Asks `condition` until it is true and returns what it said; raises AssertionError after the timeout."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_seconds} s: {message or condition}")
        time.sleep(POLL_SECONDS)


def kill_all(processes: Iterable[psutil.Process]) -> None:
    """Kills all that still live; some end by themselves, as PostgreSQL's do with their parent."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()


@contextmanager
def running_servers() -> Iterator[Endpoints]:
    """The servers named by TASKYARD_TEST_DATABASE_URL and TASKYARD_TEST_REDIS_URL, or own ones."""
    database_url = os.environ.get("TASKYARD_TEST_DATABASE_URL")
    redis_url = os.environ.get("TASKYARD_TEST_REDIS_URL")
    if database_url and redis_url:
        yield Endpoints(database_url, redis_url)
        return
    folder = tempfile.mkdtemp(prefix="ty-", dir="/tmp")  # a short path, for the sockets
    keeper = subprocess.Popen(
        [sys.executable, "-m", "tests.servers", folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
        start_new_session=True,  # out of reach of Ctrl-C
        text=True,
    )
    with keeper:  # closes its standard input at the end and waits for it
        line = keeper.stdout.readline()
        assert line, "the test servers did not start; their keeper says why above"
        yield Endpoints(**json.loads(line))


class Template:
    """A migrated database and the quick copies that tests get of it."""

    def __init__(self, url: str) -> None:
        self._server_url = url
        self._name = f"taskyard_template_{uuid.uuid4().hex[:12]}"
        self._engine = connect_engine(url).execution_options(isolation_level="AUTOCOMMIT")
        self._run(f"CREATE DATABASE {self._name}")
        migrate(self._url_of(self._name))

    @contextmanager
    def copy(self) -> Iterator[str]:
        """The URL of a fresh copy, which is dropped afterwards together with whoever is still connected."""
        name = f"taskyard_test_{uuid.uuid4().hex[:12]}"
        self._run(f"CREATE DATABASE {name} TEMPLATE {self._name}")
        try:
            yield self._url_of(name)
        finally:
            self._drop(name)

    def close(self) -> None:
        """Drops the template."""
        self._drop(self._name)
        self._engine.dispose()

    def _url_of(self, name: str) -> str:
        return driver_url(self._server_url).set(database=name).render_as_string(hide_password=False)

    def _drop(self, name: str) -> None:
        self._run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        self._run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        self._run(f"DROP DATABASE {name}")  # waits up to 5 s for the ended sessions to be gone

    def _run(self, statement: str) -> None:
        with self._engine.connect() as connection:
            connection.execute(sa.text(statement))


def _keep(folder: Path) -> None:
    try:
        with EmbeddedServers(folder, durable=False) as servers:
            print(json.dumps({"database_url": servers.database_url, "redis_url": servers.redis_url}), flush=True)
            sys.stdin.read()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    _keep(Path(sys.argv[1]))
