"""Servers for tests: PostgreSQL and Redis of their own for each pytest process.

`python -m tests.servers FOLDER` is the keeper of one pair of servers: it starts them under FOLDER, prints their
URLs as one line of JSON, and when its standard input ends, because the tests have ended in whatever way, it
stops them and removes FOLDER.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import psutil
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from taskyard.core.embedded.postgres import ROLE, PostgresServer
from taskyard.core.embedded.servers import EmbeddedServers, Endpoints, running_urls
from taskyard.core.postgres.pools import connect_engine

REPOSITORY = Path(__file__).resolve().parent.parent
POLL_SECONDS, MAX_POLL_SECONDS = 0.01, 2.0
POLL_SHARE = 4.0  # of the time that a question took
PATIENCE = 3.0  # deadlines are for machines at rest: a busy one takes longer, and that is no defect
Result = TypeVar("Result")


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def wait_until(condition: Callable[[], Result], timeout_seconds: float = 30, message: str = "") -> Result:
    """Asks `condition` until it is true and returns what it said; raises AssertionError after PATIENCE timeouts.

    Between two questions it sleeps for several times as long as the last one took: a question that starts a process
    or lists them all would otherwise take the processor from what it waits for.
    """
    deadline = time.monotonic() + PATIENCE * timeout_seconds
    while True:
        asked_at = time.monotonic()
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {PATIENCE * timeout_seconds:g} s: {message or condition}")
        time.sleep(min(MAX_POLL_SECONDS, max(POLL_SECONDS, POLL_SHARE * (time.monotonic() - asked_at))))


def running_endpoints(data_dir: Path) -> tuple[str, str] | None:
    """Returns the URLs of PostgreSQL and Redis under `data_dir` if both answer now, else None."""
    database_url, redis_url = running_urls(data_dir)
    return (database_url, redis_url) if database_url and redis_url else None


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


def _let_create_databases(server: PostgresServer) -> None:
    """Tests have databases of their own; for the rest they are the role that the product is."""
    engine = connect_engine(server.admin_url).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"ALTER ROLE {ROLE} CREATEDB CREATEROLE"))
        connection.execute(sa.text(f"GRANT SET ON PARAMETER deadlock_timeout TO {ROLE}"))
    engine.dispose()
    template = make_url(server.admin_url).set(database="template1").render_as_string(hide_password=False)
    engine = connect_engine(template).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"GRANT EXECUTE ON FUNCTION pg_stat_reset() TO {ROLE}"))
    engine.dispose()


def _keep(folder: Path) -> None:
    try:
        with EmbeddedServers(folder, durable=False) as servers:
            _let_create_databases(PostgresServer(folder))
            print(json.dumps({"database_url": servers.database_url, "redis_url": servers.redis_url}), flush=True)
            sys.stdin.read()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    _keep(Path(sys.argv[1]))
