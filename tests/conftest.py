"""Fixtures for every test. A server starts only when a test asks for one."""

from __future__ import annotations

import contextlib
import functools
import importlib
import logging
import os
import shutil
import signal
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import redis
import structlog
import typer.testing

from taskyard.core.config import ENV_PREFIX, Settings, load_settings
from taskyard.core.config import settings as process_settings
from taskyard.core.embedded.servers import Endpoints
from taskyard.core.postgres.database import Database
from taskyard.core.redis.connection import connect_redis
from taskyard.core.redis.keys import Keys
from tests import servers
from tests.databases import Databases
from tests.engine import Engine, running_engine
from tests.gates import Gate

TEST_PREFIX = f"{ENV_PREFIX}TEST_"
LONG = ("packaging", "acceptance", "chaos", "browser")

# A shell's background jobs ignore it, and so would every process that a test starts and then interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes tells of the machine, not of what is tested.
hypothesis.settings.register_profile("taskyard", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("taskyard")


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Imports the files of a run of everything, in each of several processes beginning at another one.

    Pytest rewrites the assertions of a file that is new, and keeps the result: processes that all began at the first
    file would each rewrite all of them at once.
    """
    worker = getattr(session.config, "workerinput", None)
    if worker is None or session.config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return
    files = sorted(Path(__file__).parent.rglob("test_*.py"))
    first = len(files) * int(worker["workerid"].removeprefix("gw")) // worker["workercount"]
    for file in files[first:] + files[:first]:
        with contextlib.suppress(Exception, pytest.skip.Exception):  # pytest itself tells of it
            importlib.import_module(".".join(file.relative_to(servers.REPOSITORY).with_suffix("").parts))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sorts the tests: what takes long starts first, since at the end all processes but one would wait for it."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None and folder_of(item) not in LONG)


def folder_of(item: pytest.Item) -> str:
    """The folder of a test below tests/."""
    return item.path.relative_to(Path(__file__).parent).parts[0]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Neither the developer's variables nor their `.env` reach a test."""
    for name in list(os.environ):
        if name.upper().startswith(ENV_PREFIX) and not name.startswith(TEST_PREFIX):
            monkeypatch.delenv(name)
    monkeypatch.setitem(Settings.model_config, "env_file", None)
    process_settings.cache_clear()
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    umask = os.umask(0o022)
    # An engine's threads log while a test reads what a command prints: not to the same place.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.__stderr__))
    yield
    os.umask(umask)
    process_settings.cache_clear()
    # a test of the logs leaves them pointing at what pytest captured
    structlog.reset_defaults()
    root.handlers, root.level = handlers, level


@pytest.fixture(scope="session", autouse=True)
def _commands_made_once() -> Iterator[None]:
    """Making the tree of all commands takes longer than most of them: tests in one process make it once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.testing, "_get_command", functools.cache(typer.testing._get_command))
        yield


@pytest.fixture(scope="session")
def server_endpoints() -> Iterator[Endpoints]:
    """PostgreSQL and Redis of this pytest process."""
    with servers.running_servers() as endpoints:
        yield endpoints


@pytest.fixture(scope="session")
def databases(server_endpoints: Endpoints) -> Iterator[Databases]:
    databases = Databases(server_endpoints.database_url)
    yield databases
    databases.close()


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """A migrated, empty database of this test's own."""
    with databases.copy() as url:
        yield url


@pytest.fixture
def redis_url(server_endpoints: Endpoints) -> str:
    return server_endpoints.redis_url


@pytest.fixture
def namespace(redis_url: str) -> Iterator[str]:
    """A namespace of this test's own; its keys are deleted afterwards."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    yield name
    with connect_redis(redis_url) as client:
        _delete_keys(client, f"{Keys(name).prefix}*")


@pytest.fixture
def settings(database_url: str, redis_url: str, namespace: str, tmp_path: Path) -> Settings:
    """Settings with this test's database and namespace."""
    return load_settings(
        database_url=database_url, redis_url=redis_url, namespace=namespace, data_dir=tmp_path / "data"
    )


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """This test's database, opened."""
    database = Database(str(settings.database_url))
    yield database
    database.close()


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A folder that PostgreSQL's own user may pass through: pytest closes those of `tmp_path` to others."""
    folder = Path(tempfile.mkdtemp(prefix="taskyard-test-"))
    yield folder / "data"
    shutil.rmtree(folder)


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def engine(settings: Settings, gate: Gate) -> Iterator[Engine]:
    """An engine without worker and agents, with the types demo.gate (held open by the test) and demo.echo."""
    with running_engine(settings) as engine:
        engine.define("demo.gate", gate)
        engine.define("demo.echo", lambda given, context: given)
        yield engine
        gate.open.set()


def _delete_keys(client: redis.Redis, pattern: str) -> None:
    for key in client.scan_iter(pattern, count=1000):
        client.delete(key)
