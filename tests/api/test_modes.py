"""Who is let in to the API without a token, by TASKYARD_AUTH."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from taskyard.api.app import create
from taskyard.core.access.permissions import Role
from taskyard.core.config import Settings
from taskyard.core.errors import ConfigurationError, SubmissionError
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import principals, tokens
from taskyard.worker.web_servers.api import check_api_hosts
from tests.api.conftest import ELSEWHERE, HERE, URL, TestClient

TASK = {"type": "diagnostic.noop", "input": {}}
PROXY = {"auth": "proxy", "auth_header": "X-User", "trusted_proxies": "192.0.2.0/24"}


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = Database(str(settings.database_url))
    with database.transaction() as tx:
        principals.create(tx, "ann", Role.SUBMITTER, "local:root")
    yield database
    database.close()


def client_with(settings: Settings, monkeypatch: pytest.MonkeyPatch, peer: tuple[str, int], **given: str) -> TestClient:
    for name in ("database_url", "redis_url", "namespace", "data_dir"):
        monkeypatch.setenv(f"TASKYARD_{name.upper()}", str(getattr(settings, name)))
    for name, value in given.items():
        monkeypatch.setenv(f"TASKYARD_{name.upper()}", value)
    return TestClient(create(), base_url=URL, client=peer)


def test_a_token_is_needed(settings: Settings, monkeypatch: pytest.MonkeyPatch, database: Database) -> None:
    with database.transaction() as tx:
        token, _ = tokens.make(tx, "ann", "local:root")
    with client_with(settings, monkeypatch, HERE, auth="password") as client:
        assert client.get("/api/v1/tasks").status_code == 401
        assert client.post("/api/v1/tasks", json=TASK).status_code == 401
        assert client.get("/api/v1/tasks", headers={"authorization": f"Bearer {token}"}).status_code == 200


def test_everybody_reads(settings: Settings, monkeypatch: pytest.MonkeyPatch, database: Database) -> None:
    with client_with(settings, monkeypatch, ELSEWHERE, auth="none") as client:
        assert client.get("/api/v1/tasks").status_code == 200
        answer = client.post("/api/v1/tasks", json=TASK)
        assert answer.status_code == 403
        assert "everybody only reads here" in answer.text


def test_a_trusted_proxy_names_people(settings: Settings, monkeypatch: pytest.MonkeyPatch, database: Database) -> None:
    with client_with(settings, monkeypatch, ELSEWHERE, **PROXY) as client:
        assert client.get("/api/v1/tasks").status_code == 401
        assert client.get("/api/v1/tasks", headers={"x-user": "eve"}).status_code == 401
        assert client.get("/api/v1/tasks", headers=[("x-user", "ann"), ("x-user", "ann")]).status_code == 401
        assert client.post("/api/v1/tasks", json=TASK, headers={"x-user": "ann"}).status_code == 201
        # what a proxy said before is no token
        assert client.get("/api/v1/tasks", headers={"authorization": "Bearer ann"}).status_code == 401


def test_nobody_else_names_people(settings: Settings, monkeypatch: pytest.MonkeyPatch, database: Database) -> None:
    with client_with(settings, monkeypatch, HERE, **PROXY) as client:
        for sent in ({"x-user": "ann"}, {"x-user": "ann", "x-forwarded-for": "192.0.2.7"}):
            assert client.get("/api/v1/tasks", headers=sent).status_code == 401


def test_an_open_api_is_refused_at_the_start(settings: Settings) -> None:
    opened = settings.model_copy(update={"api_host": "192.0.2.7"})

    with pytest.raises(ConfigurationError, match=r"TASKYARD_AUTH: loopback.*TASKYARD_API_HOST=192\.0\.2\.7"):
        check_api_hosts(opened)


def test_a_proxy_may_write_a_name_in_capitals(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    given = {**PROXY, "auth_new_role": "viewer"}
    with client_with(settings, monkeypatch, ELSEWHERE, **given) as client:
        for name in ("ANN", "Ann", "ann", "BOB", "bob"):
            assert client.get("/api/v1/tasks", headers={"x-user": name}).status_code == 200
        assert client.post("/api/v1/tasks", json=TASK, headers={"x-user": "aNN"}).status_code == 201  # ann's role
    with database.transaction() as tx:
        assert [one.name for one in principals.principals(tx)] == ["ann", "BOB"]


def test_names_in_two_cases_from_before_stay_apart(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    with database.transaction() as tx:
        principals.create(tx, "other", Role.VIEWER, "local:root")
        tx.rows("UPDATE principals SET name = 'ANN' WHERE name = 'other' RETURNING id", {})
    with client_with(settings, monkeypatch, ELSEWHERE, **PROXY, auth_new_role="viewer") as client:
        statuses = [
            client.post("/api/v1/tasks", json=TASK, headers={"x-user": name}).status_code
            for name in ("ann", "ANN", "Ann")
        ]
    assert statuses == [201, 403, 401]  # nobody can tell whom the last one means


def test_a_name_in_capitals_is_taken(settings: Settings, database: Database) -> None:
    with database.transaction() as tx, pytest.raises(SubmissionError, match="a new name"):
        principals.create(tx, "ANN", Role.VIEWER, "local:root", kind="service")
