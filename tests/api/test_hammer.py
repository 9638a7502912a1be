"""No generated request makes the API answer what its document does not say: a short, seeded run."""

from __future__ import annotations

from contextlib import closing
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from taskyard.core.config import Settings
from tests.api.hammer.cases import Hammer
from tests.api.hammer.scene import hammer_of
from tests.client.apis import running_api

EXAMPLES = 5  # for each operation and kind of data, so that each role has its turn
SEED = 20


@pytest.fixture
def _configured(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("database_url", "redis_url", "namespace", "data_dir"):
        monkeypatch.setenv(f"TASKYARD_{name.upper()}", str(getattr(settings, name)))


@pytest.mark.usefixtures("_configured")
def test_answers_are_as_documented(settings: Settings) -> None:
    with running_api(settings) as api, closing(hammer_of(settings, api.url)) as hammer:
        found = hammer.run(EXAMPLES, SEED)
    assert found.wrong == {}
    assert found.cases > 500
    assert found.statuses.keys() >= {200, 403, 404, 422}


SCHEMA = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "x", "version": "1"},
    "components": {"schemas": {}},
    "paths": {
        "/things": {
            "get": {"responses": {"200": {"description": "x", "content": {"application/json": {"schema": SCHEMA}}}}}
        }
    },
}


@pytest.mark.parametrize(
    ("status", "body", "kind", "problem"),
    [
        (200, b'{"id": "x"}', "application/json", ""),
        (200, b'{"id": 5}', "application/json", "outside its schema at ['id']"),
        (200, b"{", "application/json", "no JSON"),
        (200, b"id", "text/plain", "200 is of 'text/plain'"),
        (404, b"{}", "application/problem+json", "404 is not documented"),
        (500, b"{}", "application/problem+json", "answers 500"),
    ],
)
def test_wrong_answers_are_found(status: int, body: bytes, kind: str, problem: str) -> None:
    hammer = Hammer("http://localhost", DOCUMENT, {}, {})
    hammer.close()
    answer = httpx.Response(status, content=body, headers={"content-type": kind})
    found = hammer._problem_of(SimpleNamespace(path="/things", method="GET"), answer, body, False)
    assert found.startswith(problem)
    assert bool(found) is bool(problem)
