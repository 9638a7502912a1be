"""Lines of tasks that end badly: what was stored before is said, and nothing is stored unsaid."""

from __future__ import annotations

import json
from typing import Any

import pytest

from taskyard.core.errors import Unavailable
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import tasks
from taskyard.core.submission.many import CHUNK_SIZE
from taskyard.core.submission.submit import Submitter
from tests.api.conftest import Sender, TestClient, problem_of

BATCH = "/api/v1/tasks/batch"
LINES = {"content-type": "application/x-ndjson"}
GOOD = json.dumps({"type": "diagnostic.noop"})
BAD = json.dumps({"type": "diagnostic.noop", "priority": "hihg"})
CODE = json.dumps({"type": "code.run", "input": {"script": "print(1)"}})


def results_of(client: TestClient, lines: list[str], query: str = "") -> list[dict[str, Any]]:
    answer = client.post(BATCH + query, content="\n".join(lines), headers=LINES)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def stored(database: Database) -> int:
    with database.transaction() as tx:
        return sum(tasks.state_counts(tx).values())


def test_a_line_that_is_too_long_loses_no_result_of_lines_before(client: TestClient, database: Database) -> None:
    limit_bytes = client.app.state.services.settings.input_limit_bytes  # type: ignore[attr-defined]
    results = results_of(client, [*[GOOD] * CHUNK_SIZE, "x" * (limit_bytes + (1 << 20))])
    assert [one["line"] for one in results] == list(range(1, CHUNK_SIZE + 2))
    assert all("id" in one for one in results[:-1])
    assert results[-1]["is_stopped"]
    assert results[-1]["problem"]["errors"][0]["field"] == "body"
    assert stored(database) == CHUNK_SIZE


def test_a_server_that_goes_away_ends_it_where_it_was(
    client: TestClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, calls = Submitter.store_many, []

    def away(self: Submitter, submissions: Any) -> Any:
        calls.append(len(submissions))
        if len(calls) == 2:
            raise Unavailable("PostgreSQL is away")
        return store(self, submissions)

    monkeypatch.setattr(Submitter, "store_many", away)
    results = results_of(client, [GOOD] * (CHUNK_SIZE * 3))
    assert calls == [CHUNK_SIZE] * 2
    assert results[-1]["line"] == CHUNK_SIZE + 1
    assert results[-1]["is_stopped"]
    assert results[-1]["problem"]["status"] == 503
    assert [one["line"] for one in results[:-1]] == list(range(1, CHUNK_SIZE + 1))
    assert stored(database) == CHUNK_SIZE


@pytest.mark.parametrize(
    ("bad", "status"), [(BAD, 422), (CODE, 403), ("{", 422)], ids=["a wrong option", "what is not permitted", "no JSON"]
)
def test_stop_stores_no_part_of_a_portion(client: TestClient, database: Database, bad: str, status: int) -> None:
    results = results_of(client, [*[GOOD] * (CHUNK_SIZE + 1), "", bad, GOOD], "?stop=true")
    assert [one["line"] for one in results] == [*range(1, CHUNK_SIZE + 1), CHUNK_SIZE + 3]
    assert results[-1]["is_stopped"]
    assert results[-1]["problem"]["status"] == status
    assert stored(database) == CHUNK_SIZE
    going_on = results_of(client, [GOOD, bad, GOOD])
    assert ["id" in one for one in going_on] == [True, False, True]


def test_a_viewer_stores_nothing(sent_by: Sender, database: Database) -> None:
    viewer = sent_by("viewer")
    for query in ("", "?stop=true"):
        problem_of(viewer.post(BATCH + query, content=GOOD, headers=LINES), 403)
    assert stored(database) == 0


def test_who_may_not_submit_learns_nothing_else(sent_by: Sender) -> None:
    """The fast way and the route, which a wrong body takes."""
    viewer, headers = sent_by("viewer"), {"idempotency-key": "a"}
    for body in ({"type": "diagnostic.noop", "idempotency_key": "b"}, {"type": 5}):
        refused = problem_of(viewer.post("/api/v1/tasks", json=body, headers=headers), 403)
        assert refused["permission"] == "task.submit"


def test_a_key_of_another_task_is_a_conflict_in_lists_and_lines(client: TestClient) -> None:
    """As for a single submission: its status, its name, and the task that has the key."""
    first = client.post("/api/v1/tasks", json={"type": "diagnostic.noop", "idempotency_key": "one"}).json()["id"]
    other = {"type": "diagnostic.noop", "title": "another", "idempotency_key": "one"}
    single = problem_of(client.post("/api/v1/tasks", json=other), 409)
    listed = problem_of(client.post(BATCH, json=[{"type": "diagnostic.noop"}, other]), 409)
    lines = [json.dumps(one) for one in ({"type": "diagnostic.noop"}, other)]
    per_line = results_of(client, lines)[1]
    stopped = results_of(client, lines, "?stop=true")[0]
    assert (per_line["line"], stopped["line"], stopped["is_stopped"]) == (2, 2, True)
    for problem in (listed, per_line["problem"], stopped["problem"]):
        assert {name: problem[name] for name in ("type", "title", "status", "task_id")} == {
            "type": "taskyard:idempotency-conflict",
            "title": single["title"],
            "status": 409,
            "task_id": first,
        }
    assert single["errors"][0]["field"] == "idempotency_key"
    [listed_error] = listed["errors"]
    assert (listed_error["item"], listed["detail"]) == (2, f"item 2: {per_line['problem']['detail']}")
    assert [{**listed_error, "item": None}] == single["errors"]
    assert stopped["problem"]["errors"] == per_line["problem"]["errors"] == single["errors"]


@pytest.mark.parametrize("later", ["{", CODE, BAD], ids=["no JSON", "what is not permitted", "a wrong option"])
def test_stop_names_the_first_refused_line(client: TestClient, database: Database, later: str) -> None:
    """Also if that is found only when it is stored, and the later one when it is read."""
    used = client.post("/api/v1/tasks", json={"type": "diagnostic.noop", "idempotency_key": "one"}).json()["id"]
    taken = json.dumps({"type": "diagnostic.noop", "title": "another", "idempotency_key": "one"})
    orphan = json.dumps({"type": "diagnostic.noop", "after": ["0199c0de-0000-7000-8000-000000000001"]})
    for first, status, field in ((BAD, 422, "priority"), (taken, 409, "idempotency_key"), (orphan, 422, "after")):
        [result] = results_of(client, [GOOD, "", first, GOOD, later], "?stop=true")
        assert (result["line"], result["problem"]["status"]) == (3, status)
        assert result["problem"]["errors"][0]["field"].partition(".")[0] == field
        assert stored(database) == 1, used
    [result] = results_of(client, [GOOD, "", GOOD, later, BAD], "?stop=true")
    assert result["line"] == 4


def test_a_list_names_its_refused_items_by_number(client: TestClient) -> None:
    """As lines are, from 1, with fields as those of a single task."""
    good, bad = {"type": "diagnostic.noop"}, {"type": "diagnostic.noop", "priority": "hihg"}
    single = problem_of(client.post("/api/v1/tasks", json=bad), 422)
    listed = problem_of(client.post(BATCH, json=[good, bad]), 422)
    assert listed["errors"] == [{**single["errors"][0], "item": 2}]
    assert listed["detail"] == f"item 2: {single['detail']}"
    unread = problem_of(client.post(BATCH, json=[good, {"type": 5}, 7, {"types": "a"}]), 422)
    assert [(one["item"], one["field"]) for one in unread["errors"]] == [
        (2, "type"),
        (3, "item"),
        (4, "type"),
        (4, "types"),
    ]
    assert "item 3: " in unread["detail"]
    assert problem_of(client.post(BATCH, json={}), 422)["errors"][0]["item"] is None
