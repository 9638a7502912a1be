"""Fixtures of the API's tests: the application on this test's servers, people with tokens, and tasks."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from typing import Any, Protocol

import pytest
from fastapi import FastAPI
from httpx import Response

from taskyard.api.app import create
from taskyard.core.access.identity import EVERY
from taskyard.core.config import Settings
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import principals, recovery, tick, tokens
from taskyard.core.submission.submit import Submitter, open_submitter
from taskyard.core.task_types.registry import registry
from taskyard.worker.monitor.rollup import RollUp

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it asks for another fork of httpx
    from starlette.testclient import TestClient

URL = "http://127.0.0.1:8600"
HERE = ("127.0.0.1", 50_000)
ELSEWHERE = ("192.0.2.7", 50_000)
AGENT_ID = "builder:b1"
FINGERPRINT = "00aa11bb22cc33dd"
SECRET = "4711-secret"  # in inputs, outputs, checkpoints, logs and errors


class Sender(Protocol):
    """Sends requests with the token of a role."""

    def __call__(
        self, role: str, queues: tuple[str, ...] = ..., types: tuple[str, ...] = ..., kind: str = ...
    ) -> TestClient: ...


@pytest.fixture
def app(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    """The application, configured for this test's servers."""
    for name in ("database_url", "redis_url", "namespace", "data_dir"):
        monkeypatch.setenv(f"TASKYARD_{name.upper()}", str(getattr(settings, name)))
    return create()


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    """A program on this machine, without a token."""
    with TestClient(app, base_url=URL, client=HERE) as client:
        yield client


@pytest.fixture
def sent_by(app: FastAPI, client: TestClient, database: Database) -> Sender:
    """Makes a principal with a role and returns a client with its token, from elsewhere."""

    def sent_by(
        role: str, queues: tuple[str, ...] = (EVERY,), types: tuple[str, ...] = (EVERY,), kind: str = "service"
    ) -> TestClient:
        name = f"{role}-{time.monotonic_ns()}"
        with database.transaction() as tx:
            principals.create(tx, name, role, "test", kind=kind, queues=queues, types=types)
            token, _made = tokens.make(tx, name, "test")
        headers = {"authorization": f"Bearer {token}"}
        return TestClient(app, base_url=URL, client=ELSEWHERE, headers=headers)

    return sent_by


@pytest.fixture
def submitter(settings: Settings) -> Submitter:
    return open_submitter(settings, registry.load(), settings.database_url or "", settings.redis_url or "")


@pytest.fixture
def loaded(submitter: Submitter, database: Database) -> dict[str, str]:
    """Tasks in several states, an agent and a failure that is counted; returns the tasks' ids by name."""
    ids = {
        "running": submitter.submit("diagnostic.echo", {"value": SECRET}, title="The running one"),
        "completed": submitter.submit("diagnostic.echo", {"value": SECRET}),
        "failed": submitter.submit("diagnostic.echo", {"value": SECRET}, queue="reports"),
        "pending": submitter.submit("diagnostic.noop", priority="urgent"),
        "other": submitter.submit("diagnostic.noop", queue="reports"),
        "scheduled": submitter.submit("diagnostic.noop", delay_seconds=3600),
        "cancelled": submitter.submit("diagnostic.noop"),
    }
    submitter.cancel(ids["cancelled"], actor="test")
    given = [ids[name] for name in ("running", "completed", "failed")]
    agent = {"name": "builder", "kind": "task", "host": "here", "pid": 1, "types": ["diagnostic.*"], "tags": ["linux"]}
    now = time.time()
    error = (
        f'{{"class": "permanent", "message": "no file {SECRET}", "traceback": "{SECRET}",'
        f' "fingerprint": "{FINGERPRINT}"}}'
    )
    with database.transaction() as tx:
        recovery.register_agents(
            tx, [{**agent, "id": AGENT_ID, "boot_id": "b1", "max_concurrency": 3, "state": "online"}]
        )
        attempts = {claim.id: claim.attempt for claim in tick.claim(tx, given, [AGENT_ID] * len(given))}
        tick.start(tx, [(ids["running"], attempts[ids["running"]], now - 90)])
        tick.update_progress(tx, [(ids["running"], attempts[ids["running"]], 0.4, f"reading {SECRET}")])
        tick.complete(tx, [tick.Completion(ids["completed"], 1, f'{{"value": "{SECRET}"}}', now - 2, 1.5)])
        tick.settle(
            tx, [tick.Settlement(ids["failed"], 1, "failed", "failed", error=error, detail=error, started_at=now - 2)]
        )
    RollUp(database).run(lambda: True)
    return ids


def problem_of(answer: Response, status: int) -> dict[str, Any]:
    """The problem document of an answer that must have this status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["status"] == status
    assert found["title"]
    return found
