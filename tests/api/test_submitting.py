"""Submitting over HTTP: one task, many at the same moment, lists and lines."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import Response
from starlette.testclient import TestClient

from taskyard.api import fast_submit
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import tasks
from tests.api.conftest import Sender, problem_of

TASKS = "/api/v1/tasks"
LINES = {"content-type": "application/x-ndjson"}
ECHO: dict[str, Any] = {"type": "diagnostic.echo", "input": {"value": 1}}
# Bodies that the framework's route and the fast way must answer alike.
BODIES: dict[str, Any] = {
    "a task": ECHO,
    "options": {**ECHO, "queue": "nightly", "priority": "high", "requires": ["gpu"], "title": "x", "delay_seconds": 5},
    "an unknown option": {**ECHO, "prio": "high"},
    "a wrong priority": {**ECHO, "priority": "hihg"},
    "a wrong input": {"type": "diagnostic.sleep", "input": {"seconds": "soon"}},
    "no type": {"input": {}},
    "a number": 5,
    "code": {"type": "code.run", "input": {"code": "1"}},
    "NUL": {**ECHO, "title": "a\x00b"},
}


def without_id(answer: Response) -> tuple[int, Any, str | None]:
    document = answer.json()
    is_task = set(document) == {"id"}
    return answer.status_code, "a task" if is_task else document, answer.headers.get("content-type")


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_the_fast_way_and_the_route_answer_alike(
    client: TestClient, body: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = client.post(TASKS, json=body)
    monkeypatch.setattr(fast_submit, "MAX_BODY_BYTES", -1)
    slow = client.post(TASKS, json=body)
    assert without_id(fast) == without_id(slow)
    assert set(fast.headers) - {"content-length"} == set(slow.headers) - {"content-length"}


def test_a_key_in_the_header_is_the_same_task_again(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    first = client.post(TASKS, json=ECHO, headers={"idempotency-key": "k1"})
    again = client.post(TASKS, json=ECHO, headers={"idempotency-key": "k1"})
    in_body = client.post(TASKS, json={**ECHO, "idempotency_key": "k1"})
    monkeypatch.setattr(fast_submit, "MAX_BODY_BYTES", -1)
    by_route = client.post(TASKS, json=ECHO, headers={"idempotency-key": "k1"})
    assert first.json() == again.json() == in_body.json() == by_route.json()
    assert [one.status_code for one in (first, again, in_body, by_route)] == [201, 200, 200, 200]
    assert client.post(TASKS, json=ECHO, headers={"idempotency-key": "k3"}).status_code == 201
    assert first.headers["location"] == f"{TASKS}/{first.json()['id']}"
    other = client.post(TASKS, json={**ECHO, "input": {"value": 2}}, headers={"idempotency-key": "k1"})
    assert problem_of(other, 409)["errors"][0]["field"] == "idempotency_key"
    two = client.post(TASKS, json={**ECHO, "idempotency_key": "k2"}, headers={"idempotency-key": "k1"})
    assert problem_of(two, 422)["errors"][0]["field"] == "idempotency_key"


def test_what_comes_at_the_same_moment_is_stored_whole(client: TestClient, database: Database) -> None:
    def submit(number: int) -> Response:
        return client.post(TASKS, json={**ECHO, "title": str(number), "priority": "bad" if number % 7 == 0 else "low"})

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(submit, range(100)))
    assert [answer.status_code for answer in answers] == [422 if n % 7 == 0 else 201 for n in range(100)]
    ids = [answer.json()["id"] for answer in answers if answer.status_code == 201]
    with database.transaction() as tx:
        assert [task.title for task in tasks.tasks_of(tx, ids)] == [str(n) for n in range(100) if n % 7]


def test_a_list_is_stored_whole_or_not_at_all(client: TestClient, database: Database) -> None:
    answer = client.post(f"{TASKS}/batch", json=[ECHO, {**ECHO, "title": "second"}])
    assert answer.status_code == 201
    with database.transaction() as tx:
        assert [task.title for task in tasks.tasks_of(tx, answer.json()["ids"])] == [None, "second"]
        before = tasks.state_counts(tx)
    refused = client.post(f"{TASKS}/batch", json=[ECHO, {**ECHO, "priority": "bad"}])
    [error] = problem_of(refused, 422)["errors"]
    assert (error["item"], error["field"]) == (2, "priority")
    with database.transaction() as tx:
        assert tasks.state_counts(tx) == before


def test_lines_are_answered_one_by_one(client: TestClient) -> None:
    good, bad = json.dumps(ECHO), json.dumps({**ECHO, "priority": "bad"})
    body = "\n".join([good, "", bad, "{", '["a"]', json.dumps({**ECHO, "nope": 1}), good])
    answer = client.post(f"{TASKS}/batch", content=body, headers=LINES)
    results = [json.loads(line) for line in answer.text.splitlines()]
    assert [one["line"] for one in results] == [1, 3, 4, 5, 6, 7]
    assert ["id" in one for one in results] == [True, False, False, False, False, True]
    assert results[1]["problem"]["errors"][0]["field"] == "priority"
    assert results[2]["problem"]["status"] == 422


def test_more_lines_than_one_portion_are_stored_in_order(client: TestClient, database: Database) -> None:
    body = "\n".join(json.dumps({**ECHO, "title": str(number)}) for number in range(4_500))
    answer = client.post(f"{TASKS}/batch", content=body, headers=LINES)
    results = [json.loads(line) for line in answer.text.splitlines()]
    assert [one["line"] for one in results] == list(range(1, 4_501))
    with database.transaction() as tx:
        assert tasks.tasks_of(tx, [results[-1]["id"]])[0].title == "4499"


def test_lines_of_code_need_the_permission(client: TestClient, sent_by: Sender) -> None:
    code = json.dumps({"type": "code.run", "input": {"script": "print(1)"}})
    [refused] = client.post(f"{TASKS}/batch", content=code, headers=LINES).text.splitlines()
    assert json.loads(refused)["problem"]["status"] == 403
    [accepted] = sent_by("admin").post(f"{TASKS}/batch", content=code, headers=LINES).text.splitlines()
    assert "id" in json.loads(accepted)


def test_other_content_is_refused(client: TestClient, app: FastAPI) -> None:
    problem_of(client.post(f"{TASKS}/batch", content="type: x", headers={"content-type": "text/yaml"}), 415)


def test_keys_of_hooks_are_taken_by_nobody_else(client: TestClient) -> None:
    """Otherwise whoever submits could have a hook take a call for one that came before."""
    task = {"type": "diagnostic.noop", "idempotency_key": "hook:orders:17"}
    lines = {"content-type": "application/x-ndjson"}
    answers = [
        client.post("/api/v1/tasks", json=task),
        client.post(
            "/api/v1/tasks", json={"type": "diagnostic.noop"}, headers={"idempotency-key": task["idempotency_key"]}
        ),
        client.post("/api/v1/tasks/batch", json=[task]),
        client.post("/api/v1/tasks/batch", content=json.dumps(task) + "\n", headers=lines),
    ]
    for answer in answers:
        assert "keys that begin with hook: are reserved" in answer.text, answer.text
        assert '"id":' not in answer.text


def test_the_header_of_one_task_is_refused_for_many(client: TestClient, database: Database) -> None:
    """It was ignored, so that a request that was repeated in good faith doubled its tasks."""
    task = {"type": "diagnostic.noop"}
    key = {"idempotency-key": "a"}
    for answer in (
        client.post("/api/v1/tasks/batch", json=[task], headers=key),
        client.post(
            "/api/v1/tasks/batch",
            content=json.dumps(task) + "\n",
            headers={**key, "content-type": "application/x-ndjson"},
        ),
    ):
        assert problem_of(answer, 422)["errors"][0]["field"] == "Idempotency-Key"
    with database.transaction() as tx:
        assert tx.rows("SELECT count(*) FROM tasks", {}) == [(0,)]


@pytest.mark.parametrize("path", ["/api/v1/tasks/", "/api/v1/queues/", "/healthz/"])
def test_a_final_slash_is_another_address(path: str, client: TestClient) -> None:
    """A redirect would name a scheme, which behind a proxy is not the client's."""
    for method in ("GET", "POST"):
        problem_of(client.request(method, path, follow_redirects=False), 404)
