"""What somebody sees whose role is narrowed to queues or task types."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime

import pytest

from taskyard.core.alerts.kind import Subject
from taskyard.core.alerts.kinds import KINDS
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import alerts
from taskyard.core.postgres.store.alerts import Alert
from taskyard.core.telemetry.live_snapshot import RunningTask, write_live
from tests.api.conftest import FINGERPRINT, Sender, TestClient, problem_of
from tests.dashboard.snapshots import agent, snapshot

V1 = "/api/v1"
OF_REPORTS = {"failed", "other"}
OF_ECHO = {"running", "completed", "failed"}


@pytest.fixture
def of_queue(sent_by: Sender) -> TestClient:
    """An operator of queues named rep… only."""
    return sent_by("operator", queues=("rep*",))


@pytest.fixture
def of_type(sent_by: Sender) -> TestClient:
    """An operator of one task type only."""
    return sent_by("operator", types=("diagnostic.e*",))


def listed(client: TestClient, loaded: dict[str, str], **query: str) -> set[str]:
    """The names of the tasks that a search finds."""
    answer = client.get(f"{V1}/tasks", params=query)
    assert answer.status_code == 200, answer.text
    names = {task_id: name for name, task_id in loaded.items()}
    return {names[task["id"]] for task in answer.json()["tasks"]}


def test_searches_find_only_their_tasks(
    of_queue: TestClient, of_type: TestClient, sent_by: Sender, loaded: dict[str, str]
) -> None:
    assert listed(of_queue, loaded) == OF_REPORTS
    assert listed(of_queue, loaded, queues="default") == set()
    assert listed(of_queue, loaded, queues="default,reports", states="failed") == {"failed"}
    assert listed(of_type, loaded) == OF_ECHO
    assert listed(of_type, loaded, types="diagnostic.noop") == set()
    both = sent_by("viewer", queues=("reports",), types=("diagnostic.noop",))
    assert listed(both, loaded) == {"other"}
    nothing = sent_by("viewer", queues=("none-*",))
    assert listed(nothing, loaded) == set()


def test_tasks_of_others_do_not_exist(of_queue: TestClient, of_type: TestClient, loaded: dict[str, str]) -> None:
    for client, own in ((of_queue, OF_REPORTS), (of_type, OF_ECHO)):
        for name, task_id in loaded.items():
            for path in ("", "/result", "/history", "/log", "/why", "/attempts", "/relatives", "/log/export"):
                answer = client.get(f"{V1}/tasks/{task_id}{path}")
                if name in own:
                    assert answer.status_code == 200, answer.text
                else:
                    problem_of(answer, 404)
            if name not in own:
                problem_of(client.get(f"{V1}/tasks/{task_id}/retry-preview"), 404)
                for act in ("cancel", "retry", "cancel-tree"):
                    problem_of(client.post(f"{V1}/tasks/{task_id}/{act}"), 404)
                problem_of(client.post(f"{V1}/tasks/{task_id}/priority", json={"priority": "low"}), 404)


def test_queues_and_types_of_others_do_not_exist(
    of_queue: TestClient, of_type: TestClient, loaded: dict[str, str]
) -> None:
    assert [queue["name"] for queue in of_queue.get(f"{V1}/queues").json()["queues"]] == ["reports"]
    problem_of(of_queue.get(f"{V1}/queues/default"), 404)
    problem_of(of_queue.get(f"{V1}/queues/default/series"), 404)
    assert of_queue.get(f"{V1}/queues/reports/series").status_code == 200
    problem_of(of_queue.put(f"{V1}/queues/default/hold", json={"mode": "paused"}), 404)
    assert of_queue.put(f"{V1}/queues/reports/hold", json={"mode": "paused"}).status_code == 200
    problem_of(of_queue.put(f"{V1}/types/diagnostic.noop/hold", json={"mode": "paused"}), 403)  # in all queues
    assert [type_["name"] for type_ in of_type.get(f"{V1}/types").json()] == ["diagnostic.echo"]
    problem_of(of_type.get(f"{V1}/types/diagnostic.noop"), 404)
    problem_of(of_type.get(f"{V1}/queues/default/series"), 403)  # it counts all types


def test_figures_count_only_their_tasks(of_queue: TestClient, of_type: TestClient, loaded: dict[str, str]) -> None:
    of_default = {queue["name"]: queue for queue in of_type.get(f"{V1}/queues").json()["queues"]}["default"]
    assert (of_default["ready"], of_default["running"], of_default["rates"]) == (0, 1, None)
    summary = of_queue.get(f"{V1}/metrics/summary").json()
    assert (summary["totals"]["submitted"], summary["open"], summary["series"]["depth"]) == (2, {"pending": 1}, {})
    assert of_type.get(f"{V1}/metrics/summary").json()["totals"]["submitted"] == 3
    problem_of(of_queue.get(f"{V1}/metrics/summary", params={"queue": "default"}), 404)
    assert of_queue.get(f"{V1}/metrics/summary", params={"type": "diagnostic.echo"}).json()["totals"]["failed"] == 1


def test_failures_are_theirs(sent_by: Sender, of_queue: TestClient, loaded: dict[str, str]) -> None:
    [group] = of_queue.get(f"{V1}/failures").json()["groups"]
    assert (group["attempts"], group["failed_now"]) == (None, None)  # they count all queues
    assert len(of_queue.get(f"{V1}/failures/{FINGERPRINT}").json()["latest"]) == 1
    for stranger in (sent_by("viewer", queues=("default",)), sent_by("viewer", types=("diagnostic.noop",))):
        assert stranger.get(f"{V1}/failures").json()["groups"] == []
        problem_of(stranger.get(f"{V1}/failures/{FINGERPRINT}"), 404)
        assert stranger.get(f"{V1}/failures/{FINGERPRINT}/tasks").json()["tasks"] == []


def test_alerts_about_other_queues_are_not_shown(of_queue: TestClient, client: TestClient, database: Database) -> None:
    rules = client.get(f"{V1}/alerts/rules").json()["rules"]
    rule = next(one["name"] for one in rules if KINDS[one["kind"]].subject is Subject.QUEUE)
    ids = {}
    with database.transaction() as tx:
        for subject in ("default", "reports"):
            ids[subject] = str(uuid.uuid4())
            now = datetime.now(UTC)
            alerts.fire(tx, [Alert(ids[subject], rule, subject, "warning", "firing", "it waits", 4.0, 3.0, now)])
    assert [one["subject"] for one in of_queue.get(f"{V1}/alerts").json()["alerts"]] == ["reports"]
    problem_of(of_queue.get(f"{V1}/alerts/{ids['default']}"), 404)
    problem_of(of_queue.post(f"{V1}/alerts/{ids['default']}/ack"), 404)
    assert of_queue.post(f"{V1}/alerts/{ids['reports']}/ack").status_code == 200


def test_operations_on_many_tasks_change_only_theirs(of_queue: TestClient, loaded: dict[str, str]) -> None:
    def previewed(**target: object) -> int:
        answer = of_queue.post(f"{V1}/tasks/bulk/preview", json={"action": "cancel", **target})
        assert answer.status_code == 200, answer.text
        return int(answer.json()["changed"])

    assert previewed(all=True) == 1
    assert previewed(ids=list(loaded.values())) == 1
    problem_of(
        of_queue.post(f"{V1}/tasks/bulk/preview", json={"action": "cancel", "filter": {"queues": ["default"]}}), 422
    )
    end = of_queue.post(f"{V1}/tasks/bulk", json={"action": "cancel", "all": True, "reason": "test"})
    assert '"done":1' in end.text
    assert of_queue.get(f"{V1}/tasks/{loaded['other']}").json()["state"] == "cancelled"


@pytest.mark.parametrize("path", ["/audit", "/audit/export", "/reports", "/reports/files"])
def test_what_tells_of_everything_is_refused(path: str, of_queue: TestClient) -> None:
    problem_of(of_queue.get(V1 + path), 403)


def test_reports_are_of_their_queues(of_queue: TestClient, loaded: dict[str, str]) -> None:
    assert of_queue.get(f"{V1}/reports", params={"queue": "reports", "format": "json"}).status_code == 200
    problem_of(of_queue.get(f"{V1}/reports", params={"queue": "default", "format": "json"}), 403)


def test_what_an_agent_runs_of_others_is_not_shown(
    of_queue: TestClient, client: TestClient, loaded: dict[str, str]
) -> None:
    running = [RunningTask(loaded[name], 1, "diagnostic.echo", 0.0) for name in ("running", "failed")]
    write_live(client.app.state.services.cache, snapshot(agents=[agent(tasks=running)]))  # type: ignore[attr-defined]
    assert len(client.get(f"{V1}/agents/builder").json()["agent"]["tasks"]) == 2
    [task] = of_queue.get(f"{V1}/agents/builder").json()["agent"]["tasks"]
    assert task["task_id"] == loaded["failed"]


def test_agents_are_shown_without_the_tasks_of_others(
    of_queue: TestClient, of_type: TestClient, loaded: dict[str, str]
) -> None:
    assert of_queue.get(f"{V1}/agents/builder").json()["results"] is None  # they count all queues
    assert [one["type"] for one in of_type.get(f"{V1}/agents/builder").json()["results"]] == ["diagnostic.echo"]
    problem_of(of_queue.post(f"{V1}/agents/builder/pause"), 403)


def test_a_taken_key_does_not_tell_whose_it_is(of_queue: TestClient, client: TestClient) -> None:
    key = "a-key-of-others"
    task = {"type": "diagnostic.noop", "queue": "secret", "idempotency_key": key}
    hidden = client.post(f"{V1}/tasks", json=task).json()["id"]
    own = {"type": "diagnostic.noop", "queue": "reports", "idempotency_key": key}
    lines = {"content-type": "application/x-ndjson"}
    answers = [
        of_queue.post(f"{V1}/tasks", json=own),
        of_queue.post(f"{V1}/tasks/batch", json=[own]),
        of_queue.post(f"{V1}/tasks/batch", content=json.dumps(own) + "\n", headers=lines),
        of_queue.post(f"{V1}/tasks/batch?stop=true", content=json.dumps(own) + "\n", headers=lines),
    ]
    for answer in answers:
        assert hidden not in answer.text
        assert "secret" not in answer.text
        assert "this one is in use" in answer.text, answer.text
    assert problem_of(answers[0], 422)["errors"][0]["field"] == "idempotency_key"
    shown = client.post(f"{V1}/tasks", json={**own, "queue": "other"})
    assert problem_of(shown, 409)["task_id"] == hidden
