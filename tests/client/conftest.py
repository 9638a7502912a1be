"""An installation with an API process and an engine, for all tests of the client."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from taskyard.client import Client
from taskyard.core.access.identity import local_actor
from taskyard.core.access.permissions import Role
from taskyard.core.access.principals import Kind
from taskyard.core.config import Settings, load_settings
from taskyard.core.embedded.servers import Endpoints
from taskyard.core.submission import authorized_access
from taskyard.core.task_types.registry import registry
from tests.client.apis import ApiProcess, Link, running_api
from tests.client.doors import Doors
from tests.databases import Databases
from tests.engine import Engine, Payload, running_engine
from tests.gates import Gate
from tests.shipped import SHIPPED_NAMES


@pytest.fixture(scope="session")
def shared_settings(
    databases: Databases, server_endpoints: Endpoints, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    """Settings of the installation."""
    with databases.copy() as url:
        yield load_settings(
            database_url=url,
            redis_url=server_endpoints.redis_url,
            namespace=f"test-{uuid.uuid4().hex[:12]}",
            data_dir=tmp_path_factory.mktemp("client") / "data",
        )


@pytest.fixture(scope="session")
def api(shared_settings: Settings) -> Iterator[ApiProcess]:
    """Its API."""
    with running_api(shared_settings) as api:
        yield api


@pytest.fixture(scope="session")
def store(shared_settings: Settings) -> Iterator[Engine]:
    """Its tasks, as the engine sees them. Nothing runs."""
    engine = Engine(shared_settings, registry.load())
    yield engine
    engine.stop()


@pytest.fixture(scope="session")
def token(store: Engine) -> str:
    """A token that lets do everything."""
    with store.database.transaction() as tx:
        authorized_access.create(tx, local_actor(), "client", Role.ADMIN, kind=Kind.SERVICE)
        return authorized_access.make_token(tx, local_actor(), "client")[0]


@pytest.fixture
def running(shared_settings: Settings) -> Iterator[Engine]:
    """A worker and an agent; tasks of the type diagnostic.echo return their inputs, diagnostic.sleep is a gate."""
    gate = Gate()
    with running_engine(shared_settings) as engine:
        engine.define("diagnostic.echo", lambda given, context: given)
        engine.define("diagnostic.sleep", gate)
        engine.define("diagnostic.noop", lambda given, context: Payload())
        engine.gate = gate  # type: ignore[attr-defined]
        engine.worker()
        engine.agent()
        yield engine
        gate.open.set()


@pytest.fixture
def client(api: ApiProcess, token: str) -> Iterator[Client]:
    with Client(api.url, token, retry_seconds=10) as client:
        yield client


@pytest.fixture
def doors(shared_settings: Settings, api: ApiProcess, token: str, monkeypatch: pytest.MonkeyPatch) -> Doors:
    names = ("database_url", "redis_url", "namespace", "data_dir")
    local = {f"TASKYARD_{name.upper()}": str(getattr(shared_settings, name)) for name in names}
    monkeypatch.delenv("COLUMNS", raising=False)
    for name in set(registry.types) - set(SHIPPED_NAMES):  # other tests' own, which the API's process does not have
        monkeypatch.delitem(registry.types, name)
    return Doors(local, {"TASKYARD_URL": api.url, "TASKYARD_TOKEN": token}, monkeypatch)


@pytest.fixture
def link(api: ApiProcess) -> Iterator[Link]:
    """A link to the API that a test cuts."""
    link = Link(api.port)
    yield link
    link.close()
