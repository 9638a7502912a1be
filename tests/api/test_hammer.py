"""No generated request makes the API answer what its document does not say: a short, seeded run."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from taskyard.api.document import PERMISSION
from taskyard.core.config import Settings
from tests.api.hammer.cases import Hammer
from tests.api.hammer.judge import Judge
from tests.api.hammer.known import Known
from tests.api.hammer.scene import ENVIRONMENT, Scene, hammer_of
from tests.api.hammer.senders import Sender
from tests.client.apis import running_api

EXAMPLES = 2  # for each operation and kind of data
SEED = 20


@pytest.fixture
def _configured(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("database_url", "redis_url", "namespace", "data_dir"):
        monkeypatch.setenv(f"TASKYARD_{name.upper()}", str(getattr(settings, name)))


@pytest.mark.slow
@pytest.mark.usefixtures("_configured")
def test_answers_are_as_documented(settings: Settings, tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    with (
        closing(Scene(settings)) as scene,
        running_api(settings, environment=ENVIRONMENT, log=log) as api,
        closing(hammer_of(scene, api.url, log)) as hammer,
    ):
        found = hammer.run(EXAMPLES, SEED)
    assert found.wrong == {}
    assert found.cases > 400
    assert {status for _name, status in found.statuses} >= {200, 201, 202, 204, 403, 404, 409, 422}
    for sender in scene.senders:
        assert found.of(sender.name), sender.name
        if sender.permissions is None:
            assert found.of(sender.name)[401] > 0


SCHEMA = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
PROBLEMS = {"description": "x", "content": {"application/problem+json": {"schema": {"type": "object"}}}}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "x", "version": "1"},
    "components": {"schemas": {}},
    "paths": {
        "/things": {
            "get": {
                "responses": {
                    "200": {"description": "x", "content": {"application/json": {"schema": SCHEMA}}},
                    "404": PROBLEMS,
                    "4XX": PROBLEMS,
                },
                "security": [{"token": []}],
                PERMISSION: "task.read",
            }
        }
    },
}
READER = Sender("reader", 1, frozenset({"task.read"}))
PROBLEM = "application/problem+json"


@pytest.mark.parametrize(
    ("status", "body", "kind", "problem"),
    [
        (200, b'{"id": "x"}', "application/json", ""),
        (404, b"{}", PROBLEM, ""),
        (405, b"{}", PROBLEM, ""),
        (200, b'{"id": 5}', "application/json", "outside its schema at ['id']"),
        (200, b"{", "application/json", "no JSON"),
        (200, b"id", "text/plain", "200 is of 'text/plain'"),
        (404, b"[]", PROBLEM, "outside its schema at []"),
        (409, b"{}", PROBLEM, "409 is not documented"),
        (201, b"{}", "application/json", "201 is not documented"),
        (500, b"{}", PROBLEM, "answers 500"),
    ],
)
def test_wrong_answers_are_found(status: int, body: bytes, kind: str, problem: str) -> None:
    answer = httpx.Response(status, content=body, headers={"content-type": kind})
    found = Judge(DOCUMENT).problem_of("/things", "GET", answer, body, READER)
    assert found.startswith(problem)
    assert bool(found) is bool(problem)


@pytest.mark.parametrize("sender", [Sender("stranger", 1, None), Sender("other", 1, frozenset({"task.submit"}))])
def test_an_answer_to_whom_nothing_is_to_be_told_is_found(sender: Sender) -> None:
    body = b'{"id": "x"}'
    answer = httpx.Response(200, content=body, headers={"content-type": "application/json"})
    found = Judge(DOCUMENT).problem_of("/things", "GET", answer, body, sender)
    assert found == f"answers 200 to {sender.name}"


def test_a_trace_in_the_log_is_found(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    log.write_text("started\n")
    hammer = Hammer("http://localhost", DOCUMENT, [READER], Known, log)
    hammer.close()
    hammer._read_log("GET /things")
    assert hammer.findings.wrong == {}
    with log.open("a") as added:
        added.write("ERROR: Exception in ASGI application\nTraceback (most recent call last):\n")
    hammer._read_log("GET /things")
    assert list(hammer.findings.wrong) == ["GET /things: a trace in the API's log"]
