"""A task type that nobody has is refused as that, however it is submitted and whoever does it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from taskyard.api import fast_submit
from tests.api.conftest import Sender, problem_of

TASKS = "/api/v1/tasks"
LINES = {"content-type": "application/x-ndjson"}
ROLES = pytest.mark.parametrize("role", ["submitter", "operator", "admin"])


def says_unknown(problem: dict[str, Any], item: int | None = None) -> None:
    assert (problem["status"], problem["type"], problem["permission"]) == (422, "taskyard:unknown-type", None)
    [error] = problem["errors"]
    assert (error["item"], error["field"], error["value"]) == (item, "type", "'no.such'")
    assert "diagnostic.noop" in error["expected"]


@ROLES
@pytest.mark.parametrize("largest", [fast_submit.MAX_BODY_BYTES, -1], ids=["fast", "route"])
def test_of_one_task(sent_by: Sender, role: str, largest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_submit, "MAX_BODY_BYTES", largest)
    says_unknown(problem_of(sent_by(role).post(TASKS, json={"type": "no.such"}), 422))


@ROLES
def test_of_many(sent_by: Sender, role: str) -> None:
    client, given = sent_by(role), [{"type": "diagnostic.noop"}, {"type": "no.such"}]
    says_unknown(problem_of(client.post(f"{TASKS}/batch", json=given), 422), item=2)
    body = "\n".join(map(json.dumps, given))
    for query, count in (("", 2), ("?stop=true", 1)):
        results = client.post(f"{TASKS}/batch{query}", content=body, headers=LINES).text.splitlines()
        assert len(results) == count
        last = json.loads(results[-1])
        assert last["line"] == 2
        says_unknown(last["problem"])


def test_of_a_role_that_may_not_submit(sent_by: Sender) -> None:
    assert problem_of(sent_by("viewer").post(TASKS, json={"type": "no.such"}), 403)["permission"] == "task.submit"


def test_of_a_role_with_other_types(sent_by: Sender) -> None:
    """It learns nothing of what there is beyond its types."""
    client = sent_by("submitter", types=("diagnostic.*",))
    texts = {problem_of(client.post(TASKS, json={"type": type_}), 403)["title"] for type_ in ("no.such", "code.run")}
    assert len(texts) == 1
    says_unknown_here = problem_of(client.post(TASKS, json={"type": "diagnostic.such"}), 422)
    assert says_unknown_here["type"] == "taskyard:unknown-type"
