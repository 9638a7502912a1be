"""Bodies longer than the setting are refused, whatever they say of their length; streams of lines are not."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from fastapi import FastAPI

from taskyard.api.app import create
from taskyard.core.config import Settings
from tests.api.conftest import HERE, URL, TestClient, problem_of

LIMIT_BYTES = 2_000
TASK = {"type": "diagnostic.echo", "input": {"value": "x" * 3_000}}


@pytest.fixture
def app(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    for name in ("database_url", "redis_url", "namespace", "data_dir"):
        monkeypatch.setenv(f"TASKYARD_{name.upper()}", str(getattr(settings, name)))
    monkeypatch.setenv("TASKYARD_API_BODY_LIMIT_BYTES", str(LIMIT_BYTES))
    return create()


def in_pieces(text: str) -> Iterator[bytes]:
    for at in range(0, len(text), 500):
        yield text[at : at + 500].encode()


@pytest.mark.parametrize("path", ["/api/v1/tasks", "/api/v1/tasks/batch", "/api/v1/tasks/check"])
@pytest.mark.parametrize("is_announced", [True, False])
def test_a_long_body_is_refused(app: FastAPI, path: str, is_announced: bool) -> None:
    text = json.dumps([TASK] if path.endswith("batch") else TASK)
    headers = {"content-type": "text/csv" if path.endswith("check") else "application/json"}
    with TestClient(app, base_url=URL, client=HERE) as client:
        answer = client.post(path, content=text if is_announced else in_pieces(text), headers=headers)
        problem = problem_of(answer, 413)
    assert problem["detail"] == "expected a body of at most 2,000 bytes"


def test_lines_of_any_length_together_are_accepted(app: FastAPI) -> None:
    line = json.dumps({"type": "diagnostic.noop"})
    headers = {"content-type": "application/x-ndjson"}
    with TestClient(app, base_url=URL, client=HERE) as client:
        answer = client.post("/api/v1/tasks/batch", content="\n".join([line] * 100), headers=headers)
    assert [set(json.loads(one)) for one in answer.text.splitlines()] == [{"line", "id"}] * 100
