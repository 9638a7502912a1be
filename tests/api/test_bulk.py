"""Operations on many tasks: previews, progress, and what is left alone."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI

from taskyard.api.app import create
from taskyard.api.routes import bulk
from taskyard.core.config import settings
from taskyard.core.errors import Unavailable
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import tasks
from taskyard.core.submission import bulk as operations
from taskyard.core.submission.submit import Submitter
from tests.api.conftest import HERE, URL, Sender, TestClient, problem_of

V1 = "/api/v1/tasks/bulk"
NOOP = {"types": ["diagnostic.noop"], "states": ["pending"]}


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "BATCH_SIZE", 2)


@pytest.fixture
def many(submitter: Submitter) -> list[str]:
    return submitter.submit_many([{"type": "diagnostic.noop"}] * 5)


def run(client: TestClient, **given: Any) -> list[dict[str, Any]]:
    """The lines of an operation's answer."""
    answer = client.post(V1, json={"reason": "test", **given})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    return [json.loads(line) for line in answer.text.splitlines()]


def states(database: Database, ids: list[str]) -> list[str]:
    with database.transaction() as tx:
        return [task.state.value for task in tasks.tasks_of(tx, ids)]


def test_a_retry_of_many_has_a_scope(client: TestClient, submitter: Submitter, database: Database) -> None:
    parents = submitter.submit_many([{"type": "diagnostic.noop"}] * 2)
    children = [submitter.submit("diagnostic.echo", after=[parent]) for parent in parents]
    for parent in parents:
        submitter.cancel(parent, actor="me")
    order = {"action": "retry", "scope": "downstream", "filter": {"types": ["diagnostic.noop"]}}
    seen = client.post(f"{V1}/preview", json=order).json()
    assert (seen["changed"], seen["besides"], seen["is_exact"]) == (2, 2, True)
    assert {task["id"]: task["then"] for task in seen["again"]} == {
        **dict.fromkeys(parents, "pending"),
        **dict.fromkeys(children, "blocked"),
    }
    *_progress, end = run(client, **order, matching=seen["matching"])
    assert (end["done"], end["skipped"], end["dependants"]) == (2, 0, 2)
    assert states(database, [*parents, *children]) == ["pending"] * 2 + ["blocked"] * 2
    problem_of(client.post(f"{V1}/preview", json={**order, "action": "cancel"}), 422)


def test_a_preview_changes_nothing_and_freezes_what_is_meant(
    client: TestClient, submitter: Submitter, database: Database, many: list[str]
) -> None:
    seen = client.post(f"{V1}/preview", json={"action": "cancel", "filter": NOOP}).json()
    assert (seen["meant"], seen["changed"], seen["is_exact"], seen["matching"]["count"]) == (5, 5, True, 5)
    assert set(states(database, many)) == {"pending"}
    later = submitter.submit("diagnostic.noop")

    *_progress, end = run(client, action="cancel", filter=NOOP, matching=seen["matching"])

    assert (end["done"], end["is_over"], end["is_stopped"]) == (5, True, False)
    assert states(database, [*many, later]) == ["cancelled"] * 5 + ["pending"]


def test_progress_comes_batch_by_batch(client: TestClient, many: list[str], small_batches: None) -> None:
    lines = run(client, action="priority", priority="urgent", filter=NOOP)
    assert [line["done"] for line in lines] == [2, 4, 5, 5]
    assert [line["is_over"] for line in lines] == [False, False, False, True]
    assert {line["total"] for line in lines} == {5}


def test_a_list_of_tasks_is_cancelled_and_retried(client: TestClient, database: Database, many: list[str]) -> None:
    missing = "0199c0de-0000-7000-8000-000000000001"
    seen = client.post(f"{V1}/preview", json={"action": "cancel", "ids": [*many[:2], missing]}).json()
    assert (seen["meant"], seen["changed"], seen["matching"]) == (3, 2, None)
    end = run(client, action="cancel", ids=[*many[:2], missing])[-1]
    assert (end["done"], end["skipped"]) == (2, 1)
    assert run(client, action="retry", ids=many)[-1]["done"] == 2
    assert set(states(database, many)) == {"pending"}


def test_everything_must_be_said(client: TestClient, many: list[str]) -> None:
    for target in ({}, {"filter": {}}, {"filter": NOOP, "all": True}, {"ids": many, "filter": NOOP}):
        problem_of(client.post(f"{V1}/preview", json={"action": "cancel", **target}), 422)
    assert client.post(f"{V1}/preview", json={"action": "cancel", "all": True}).json()["meant"] == 5


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"reason": ""}, "reason"),
        ({"reason": "  "}, "reason"),
        ({"action": "delete"}, "action"),
        ({"action": "priority"}, "priority"),
        ({"priority": "low"}, "priority"),
        ({"filter": {"types": "a"}}, "types"),
        ({"filter": {"colour": "red"}}, "colour"),
        ({"filter": {"states": ["completed"]}}, "states"),
        ({"filter": None, "ids": ["x"]}, "task"),
    ],
)
def test_a_wrong_field_is_named(client: TestClient, given: dict[str, Any], field: str) -> None:
    body = {"action": "cancel", "filter": NOOP, "reason": "test", **given}
    assert problem_of(client.post(V1, json=body), 422)["errors"][0]["field"] == field


def test_code_is_not_retried_by_those_who_may_not_run_it(sent_by: Sender, submitter: Submitter) -> None:
    task_id = submitter.submit("code.run", {"script": "print(1)"})
    submitter.cancel(task_id, actor="test")
    operator = sent_by("operator")
    for target in ({"ids": [task_id]}, {"filter": {"types": ["code.run"]}}, {"all": True}):
        found = problem_of(operator.post(V1, json={"action": "retry", "reason": "test", **target}), 403)
        assert "code.submit" in found["detail"]


def test_a_server_that_goes_away_meanwhile_ends_the_answer_with_a_problem(
    client: TestClient, many: list[str], small_batches: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = operations.Bulk._change
    calls = []

    def change(self: operations.Bulk, operation: operations.Operation, ids: list[str]) -> tuple[int, int]:
        calls.append(ids)
        if len(calls) == 2:
            raise Unavailable("PostgreSQL is away")
        return original(self, operation, ids)

    monkeypatch.setattr(operations.Bulk, "_change", change)
    first, end = run(client, action="cancel", filter=NOOP)
    assert (first["done"], end["done"], end["is_over"], end["problem"]) == (2, 2, True, "PostgreSQL is away")
    calls.clear()
    calls.append([])
    problem_of(client.post(V1, json={"action": "cancel", "filter": NOOP, "reason": "test"}), 503)


def test_an_operation_may_take_longer_than_a_request(
    app: FastAPI, many: list[str], small_batches: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASKYARD_API_REQUEST_SECONDS", "5")
    settings.cache_clear()
    original = operations.Bulk._change

    def change(self: operations.Bulk, operation: operations.Operation, ids: list[str]) -> tuple[int, int]:
        time.sleep(2.0)
        return original(self, operation, ids)

    monkeypatch.setattr(operations.Bulk, "_change", change)
    with TestClient(create(), base_url=URL, client=HERE) as client:
        assert run(client, action="cancel", filter=NOOP)[-1]["done"] == 5


def test_a_client_that_goes_away_stops_it_after_its_batch() -> None:
    batches = []

    def work(progress: Callable[[int, int, int], object], should_stop: Callable[[], bool]) -> operations.BulkResult:
        while not should_stop():
            batches.append(progress(len(batches), 0, 100))
            time.sleep(0.01)
        return operations.BulkResult("id", len(batches), 0, 0, is_stopped=True)

    lines = bulk._lines(work, str)
    assert json.loads(next(lines))["done"] == 0
    lines.close()
    seen = len(batches)
    time.sleep(0.05)
    assert len(batches) == seen  # its thread has ended


def test_a_defect_is_no_answer() -> None:
    def work(progress: Callable[[int, int, int], object], should_stop: Callable[[], bool]) -> operations.BulkResult:
        progress(1, 0, 2)
        raise ZeroDivisionError

    lines = bulk._lines(work, str)
    assert json.loads(next(lines))["done"] == 1
    with pytest.raises(ZeroDivisionError):  # the connection breaks off
        next(lines)
