"""Questions of tasks over HTTP: listed, answered, delegated, and refused as problems."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import principals
from taskyard.core.submission.submit import Submitter
from tests.api.conftest import Sender, problem_of
from tests.asked import asked, asked_again

V1 = "/api/v1"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"version": {"type": "string"}},
    "required": ["version"],
}
NOBODY = "0199c0de-0000-7000-8000-000000000001"


def test_a_question_is_listed_answered_and_gone(
    client: TestClient, sent_by: Sender, submitter: Submitter, database: Database
) -> None:
    question_id = asked(submitter, database, schema=SCHEMA, context="all of it", submission={"queue": "releases"})
    operator = sent_by("operator")
    [found] = operator.get(f"{V1}/questions").json()
    assert (found["id"], found["queue"], found["is_yours"]) == (question_id, "releases", True)
    assert (found["schema"], found["context"]) == (SCHEMA, "all of it")
    path = f"{V1}/questions/{question_id}/answer"
    problem = problem_of(operator.post(path, json={"decision": "approved"}), 422)
    assert problem["errors"][0]["field"] == "data.version"
    answered = operator.post(path, json={"decision": "approved", "data": {"version": "1"}, "reason": "well"})
    assert answered.status_code == 200, answered.text
    assert (answered.json()["state"], answered.json()["answers"][0]["data"]) == ("answered", {"version": "1"})
    again = problem_of(sent_by("operator").post(path, json={"decision": "approved"}), 409)
    assert (again["type"], again["state"]) == ("taskyard:question-closed", "answered")
    assert operator.get(f"{V1}/questions").json() == []
    [ended] = operator.get(f"{V1}/questions", params={"state": "ended"}).json()
    assert ended["id"] == question_id
    assert operator.get(f"{V1}/tasks/{ended['task_id']}").json()["state"] == "pending"


def test_who_may_not_see_or_answer(
    client: TestClient, sent_by: Sender, submitter: Submitter, database: Database
) -> None:
    question_id = asked(submitter, database, context="secret")
    viewer = sent_by("viewer")
    assert viewer.get(f"{V1}/questions/{question_id}").json()["context"] == "…"
    problem_of(viewer.post(f"{V1}/questions/{question_id}/answer", json={"decision": "approved"}), 403)
    narrowed = sent_by("operator", queues=("reports",))
    assert narrowed.get(f"{V1}/questions").json() == []
    problem_of(narrowed.get(f"{V1}/questions/{question_id}"), 404)
    problem_of(narrowed.post(f"{V1}/questions/{question_id}/answer", json={"decision": "approved"}), 404)
    submitter_of_tasks = sent_by("submitter")
    refused = submitter_of_tasks.post(f"{V1}/questions/{question_id}/answer", json={"decision": "approved"})
    assert "it is asked of operator" in problem_of(refused, 403)["detail"]
    assert submitter_of_tasks.get(f"{V1}/questions", params={"own": "true"}).json() == []


def test_a_question_that_is_asked_again_has_the_answer_that_was_not_accepted(
    client: TestClient, sent_by: Sender, submitter: Submitter, database: Database
) -> None:
    first = asked(submitter, database, schema=SCHEMA)
    path, body = f"{V1}/questions/{first}/answer", {"decision": "approved", "data": {"version": "9"}}
    assert sent_by("operator").post(path, json=body).status_code == 200
    second = asked_again(database, first, "data.version: '9' is not accepted")
    seen = {role: sent_by(role).get(f"{V1}/questions/{second}").json()["refused"] for role in ("operator", "viewer")}
    assert (seen["operator"]["data"], seen["viewer"]["data"]) == ({"version": "9"}, "…")
    assert (seen["operator"]["reason"], seen["viewer"]["reason"]) == ("data.version: '9' is not accepted", "…")


def test_delegating(client: TestClient, sent_by: Sender, submitter: Submitter, database: Database) -> None:
    question_id = asked(submitter, database)
    with database.transaction() as tx:
        principals.create(tx, "kim", "submitter", "test")
    operator = sent_by("operator")
    path = f"{V1}/questions/{question_id}/delegate"
    assert operator.post(path, json={"to": "kim"}).json() == {"is_changed": True}
    assert operator.post(path, json={"to": "kim"}).json() == {"is_changed": False}
    assert problem_of(operator.post(path, json={"to": "nobody"}), 422)["errors"][0]["field"] == "to"
    assert operator.get(f"{V1}/questions/{question_id}").json()["delegated_to"] == ["kim"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/questions?state=maybe", None, 422),
        ("GET", "/questions?limit=0", None, 422),
        ("GET", "/questions?state=ended&before=x", None, 422),
        ("GET", "/questions/x", None, 422),
        ("GET", f"/questions/{NOBODY}", None, 404),
        ("POST", f"/questions/{NOBODY}/answer", {"decision": "approved"}, 404),
        ("POST", f"/questions/{NOBODY}/answer", {}, 422),
        ("POST", f"/questions/{NOBODY}/answer", {"decision": "yes"}, 422),
        ("POST", f"/questions/{NOBODY}/answer", {"decision": "approved", "else": 1}, 422),
        ("POST", f"/questions/{NOBODY}/delegate", {"to": "no name"}, 422),
    ],
)
def test_bad_requests_are_one_problem(
    client: TestClient, sent_by: Sender, method: str, path: str, body: dict[str, Any] | None, status: int
) -> None:
    problem = problem_of(sent_by("operator").request(method, f"{V1}{path}", json=body), status)
    assert "\n" not in problem["detail"]
