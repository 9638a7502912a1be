"""What the API changes: holds, agents, mutes, alerts, silences, saved filters and who may come in."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from taskyard.core.access.identity import local_actor
from taskyard.core.filters.audit_filter import EventFilter
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import alerts, audit, principals, sign_ins, tasks
from taskyard.core.postgres.store.alerts import Alert
from taskyard.core.states import TaskState
from taskyard.core.submission import authorized_access
from taskyard.core.submission.submit import Submitter
from tests.api.conftest import FINGERPRINT, Sender, TestClient, problem_of
from tests.engine import Engine

V1 = "/api/v1"


def audited(database: Database) -> list[tuple[str, str, Any]]:
    """What users did, the latest first: (event, actor, reason)."""
    with database.transaction() as tx:
        found = audit.find_events(tx, EventFilter(only_operators=True)).events
    return [(event.event, event.actor, (event.detail or {}).get("reason")) for event in found]


@pytest.mark.parametrize(("kind", "name"), [("queues", "reports"), ("types", "diagnostic.noop")])
def test_a_hold_begins_and_ends(client: TestClient, database: Database, kind: str, name: str) -> None:
    path = f"{V1}/{kind}/{name}/hold"
    held = {"mode": "draining", "reason": "the database is upgraded"}
    assert client.put(path, json=held).json() == {"is_changed": True}
    assert client.put(path, json=held).json() == {"is_changed": False}
    [hold] = client.get(f"{V1}/holds").json()
    assert (hold["name"], hold["mode"], hold["reason"]) == (name, "draining", "the database is upgraded")
    if kind == "types":
        assert client.get(f"{V1}/types/{name}").json()["hold"]["mode"] == "draining"

    assert client.delete(path, params={"reason": "done"}).json() == {"is_changed": True}

    assert client.delete(path).json() == {"is_changed": False}
    assert audited(database)[0] == ("resumed", "api@127.0.0.1", "done")


def test_a_hold_names_what_is_wrong(client: TestClient) -> None:
    assert problem_of(client.put(f"{V1}/queues/a/hold", json={"mode": "off"}), 422)["errors"][0]["field"] == "mode"
    problem_of(client.put(f"{V1}/queues/A%20B/hold", json={"mode": "paused"}), 422)
    problem_of(client.put(f"{V1}/types/no.such/hold", json={"mode": "paused"}), 404)
    for reason in ("x" * 501, "a\x00b"):
        problem_of(client.put(f"{V1}/queues/a/hold", json={"mode": "paused", "reason": reason}), 422)


def test_an_agent_is_paused_drained_and_resumed(client: TestClient, loaded: dict[str, str]) -> None:
    for act, state in (("pause", "paused"), ("drain", "draining"), ("resume", "online")):
        assert client.post(f"{V1}/agents/builder/{act}", json={"reason": "test"}).json() == {"is_changed": True}
        assert client.get(f"{V1}/agents/builder").json()["agent"]["state"] == state
    assert client.post(f"{V1}/agents/builder/resume").json() == {"is_changed": False}
    for act in ("pause", "drain", "resume", "restart"):
        problem_of(client.post(f"{V1}/agents/nobody/{act}"), 404)


def test_an_agent_is_asked_to_restart(client: TestClient, engine: Engine) -> None:
    engine.worker()
    agent = engine.agent("agent-1")
    answer = client.post(f"{V1}/agents/agent-1/restart", json={"reason": "it leaks"})
    assert answer.json() == {"boots": [agent.id]}


def test_a_group_is_muted_and_unmuted(client: TestClient, loaded: dict[str, str]) -> None:
    path = f"{V1}/failures/{FINGERPRINT}/mute"
    until = client.put(path, json={"seconds": 3600, "reason": "known"}).json()["until"]
    assert datetime.fromisoformat(until) > datetime.now(UTC)
    assert client.get(f"{V1}/failures").json()["groups"] == []
    [group] = client.get(f"{V1}/failures", params={"muted": True}).json()["groups"]
    assert (group["mute_reason"], group["muted_by"]) == ("known", "api@127.0.0.1")
    assert client.delete(path).json() == {"is_changed": True}
    assert client.delete(path).json() == {"is_changed": False}
    problem_of(client.put(path, json={"seconds": 0}), 422)
    problem_of(client.put(f"{V1}/failures/{16 * 'f'}/mute", json={"seconds": 60}), 404)


def fired(database: Database, rule: str = "tasks wait long", subject: str = "default") -> str:
    """A stored alert; returns its id."""
    alert = Alert(str(uuid.uuid4()), rule, subject, "warning", "firing", "it waits", 400.0, 300.0, datetime.now(UTC))
    with database.transaction() as tx:
        assert alerts.fire(tx, [alert])
    return alert.id


def test_an_alert_is_shown_and_acknowledged(client: TestClient, database: Database) -> None:
    alert_id = fired(database)
    [alert] = client.get(f"{V1}/alerts").json()["alerts"]
    assert (alert["id"], alert["state"], alert["message"]) == (alert_id, "firing", "it waits")

    assert client.post(f"{V1}/alerts/{alert_id}/ack", json={"reason": "mine"}).json() == {"is_changed": True}

    assert client.post(f"{V1}/alerts/{alert_id}/ack").json() == {"is_changed": False}
    assert client.get(f"{V1}/alerts/{alert_id}").json()["acknowledged_by"] == "api@127.0.0.1"
    assert client.get(f"{V1}/alerts", params={"show": "firing"}).json()["alerts"] == []
    assert len(client.get(f"{V1}/alerts", params={"show": "acknowledged"}).json()["alerts"]) == 1
    with database.transaction() as tx:
        alerts.resolve(tx, {alert_id: datetime.now(UTC)})
    assert client.get(f"{V1}/alerts").json()["alerts"] == []
    [resolved] = client.get(f"{V1}/alerts", params={"show": "resolved", "rule": "tasks wait long"}).json()["alerts"]
    assert resolved["id"] == alert_id
    problem_of(client.get(f"{V1}/alerts/{uuid.uuid4()}"), 404)
    problem_of(client.get(f"{V1}/alerts/nonsense"), 422)


def test_a_silence_begins_and_ends(client: TestClient, database: Database) -> None:
    fired(database)
    given = {"rule": "tasks wait*", "seconds": 600, "reason": "moving"}
    made = client.post(f"{V1}/alerts/silences", json=given)
    assert made.status_code == 201
    assert client.get(f"{V1}/alerts").json()["alerts"][0]["silence"]["id"] == made.json()["id"]
    assert [one["id"] for one in client.get(f"{V1}/alerts/silences").json()] == [made.json()["id"]]
    path = f"{V1}/alerts/silences/{made.json()['id']}"
    assert client.delete(path).json() == {"is_changed": True}
    assert client.delete(path).json() == {"is_changed": False}
    for wrong, field in (({"seconds": 0}, "seconds"), ({"rule": "no such"}, "rule"), ({"subject": " "}, "subject")):
        found = problem_of(client.post(f"{V1}/alerts/silences", json={**given, **wrong}), 422)
        assert found["errors"][0]["field"] == field


def test_everything_is_silenced_only_by_a_word_and_with_an_end(client: TestClient) -> None:
    given = {"rule": "*", "reason": "moving"}
    for more, field in (
        ({"seconds": 60}, "confirm"),
        ({"seconds": 60, "confirm": "yes"}, "confirm"),
        ({"confirm": "everything"}, "seconds"),
    ):
        found = problem_of(client.post(f"{V1}/alerts/silences", json={**given, **more}), 422)
        assert found["errors"][0]["field"] == field
    made = client.post(f"{V1}/alerts/silences", json={**given, "seconds": 60, "confirm": "everything"})
    assert made.status_code == 201
    assert client.delete(f"{V1}/alerts/silences/{made.json()['id']}").json() == {"is_changed": True}


def test_the_alerts_of_a_rule_are_acknowledged_at_once(client: TestClient, database: Database) -> None:
    for subject in ("a", "b", "c"):
        fired(database, "agent lost", subject)
    other = fired(database)

    for name, count in (("Agent lost", 3), ("agent lost", 0)):
        answer = client.post(f"{V1}/alerts/ack", json={"rule": name, "reason": "mine"})
        assert answer.json() == {"acknowledged": count}
    firing = client.get(f"{V1}/alerts", params={"show": "firing"}).json()["alerts"]
    assert [one["id"] for one in firing] == [other]
    assert problem_of(client.post(f"{V1}/alerts/ack", json={"rule": "no such"}), 422)["errors"][0]["field"] == "rule"


def test_rules_and_runbooks_are_given(client: TestClient) -> None:
    rules = client.get(f"{V1}/alerts/rules").json()
    assert rules["is_shipped"]
    rule = rules["rules"][0]
    for name in (rule["name"], rule["kind"]):
        answer = client.get(f"{V1}/alerts/runbooks/{name}")
        assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
        assert answer.text.startswith("# ")
    problem_of(client.get(f"{V1}/alerts/runbooks/no-such"), 404)


def test_filters_are_saved_and_deleted(client: TestClient) -> None:
    path = f"{V1}/task-filters"
    given = {"name": "Failed / all", "filter": {"states": ["failed"], "since": "24h"}}
    assert client.post(path, json=given).status_code == 204
    [saved] = client.get(path).json()
    assert (saved["name"], saved["filter"]) == (given["name"], given["filter"])
    assert problem_of(client.post(path, json=given), 422)["errors"][0]["field"] == "name"
    assert client.post(path, json={**given, "overwrite": True}).status_code == 204
    assert client.delete(f"{path}/Failed / all").status_code == 204
    problem_of(client.delete(f"{path}/Failed / all"), 404)
    wrong = problem_of(client.post(path, json={"name": "a", "filter": {"states": ["lost"]}}), 422)
    assert wrong["errors"][0]["field"] == "states"


def test_an_admin_manages_who_may_come_in(sent_by: Sender, database: Database) -> None:
    admin, path = sent_by("admin"), f"{V1}/access/principals"
    made = admin.post(path, json={"name": "ci", "kind": "service", "role": "submitter", "queues": ["nightly"]})
    assert made.status_code == 201
    assert (made.json()["queues"], made.json()["types"], made.json()["has_password"]) == (["nightly"], ["*"], False)
    assert "ci" in [one["name"] for one in admin.get(path).json()]

    changed = admin.patch(f"{path}/ci", json={"role": "operator", "types": ["analysis.*"], "is_disabled": True}).json()

    assert (changed["role"], changed["types"], changed["queues"]) == ("operator", ["analysis.*"], ["nightly"])
    assert changed["disabled_at"]
    assert admin.patch(f"{path}/ci", json={"is_disabled": False}).json()["disabled_at"] is None
    problem_of(admin.get(f"{path}/nobody"), 404)
    problem_of(admin.patch(f"{path}/ci", json={"role": "king"}), 422)
    assert problem_of(admin.post(path, json={"name": "ci"}), 422)["errors"][0]["field"] == "name"


def test_all_sessions_of_one_are_ended_and_the_last_admin_stays(sent_by: Sender, database: Database) -> None:
    admin, path = sent_by("admin"), f"{V1}/access/principals"
    with database.transaction() as tx:
        ann = principals.create(tx, "ann", "viewer", "test")
        session = sign_ins.begin_session(tx, ann, "password", "127.0.0.1")
    [name] = [one["name"] for one in admin.get(path).json() if one["role"] == "admin"]

    assert admin.delete(f"{path}/ann/sessions").json() == {"ended": 1}

    with database.transaction() as tx:
        assert sign_ins.find_session(tx, session) is None
    assert admin.delete(f"{path}/ann/sessions").json() == {"ended": 0}
    problem_of(admin.delete(f"{path}/nobody/sessions"), 404)
    for change in ({"is_disabled": True}, {"role": "operator"}, {"queues": ["reports"]}):
        problem = problem_of(admin.patch(f"{path}/{name}", json=change), 422)
        assert "last admin" in problem["errors"][0]["expected"]


def test_a_token_makes_no_credential(sent_by: Sender) -> None:
    admin, path = sent_by("admin"), f"{V1}/access/principals/ann"
    admin.post(f"{V1}/access/principals", json={"name": "ann"})
    assert "came by a token" in problem_of(admin.post(f"{path}/tokens", json={}), 403)["detail"]
    problem_of(admin.put(f"{path}/password", json={"password": "long enough for this"}), 403)


def test_tokens_and_sessions_are_listed_and_ended(sent_by: Sender, database: Database) -> None:
    admin, other = sent_by("admin"), sent_by("viewer")
    with database.transaction() as tx:
        key, _until = sign_ins.make_link(tx, "ann")
        assert sign_ins.sign_in(tx, key, "127.0.0.1")
    [session] = admin.get(f"{V1}/access/sessions").json()
    tokens = admin.get(f"{V1}/access/tokens").json()
    assert {one["opens"] for one in tokens} == {"api"}
    with database.transaction() as tx:
        authorized_access.admit_agent(tx, local_actor(), "edge")
    assert [one["opens"] for one in admin.get(f"{V1}/access/tokens", params={"name": "edge"}).json()] == ["redis"]
    assert len(tokens) == 2
    assert not any("token" in token or "secret" in token for token in tokens)
    [viewer] = [token for token in tokens if token["name"].startswith("viewer")]
    assert admin.get(f"{V1}/access/tokens", params={"name": viewer["name"]}).json() == [viewer]

    assert admin.delete(f"{V1}/access/tokens/{viewer['id']}").status_code == 204
    assert admin.delete(f"{V1}/access/sessions/{session['id']}").status_code == 204

    problem_of(other.get(f"{V1}/queues"), 401)
    problem_of(admin.delete(f"{V1}/access/tokens/{viewer['id']}"), 404)
    problem_of(admin.delete(f"{V1}/access/sessions/{session['id']}"), 404)
    problem_of(admin.delete(f"{V1}/access/sessions/{viewer['id']}"), 404)


def test_a_task_is_operated_on(client: TestClient, loaded: dict[str, str], database: Database) -> None:
    path = f"{V1}/tasks/{loaded['pending']}"
    assert client.post(f"{path}/priority", json={"priority": "low"}).status_code == 204
    assert client.post(f"{path}/cancel", json={"reason": "wrong data"}).json() == {"cancelled_below": 0}
    problem_of(client.post(f"{path}/cancel"), 409)
    assert client.post(f"{path}/retry").json() == {"tasks": 1, "cancelled_below": 0}
    with database.transaction() as tx:
        assert tasks.get_task(tx, loaded["pending"]).state is TaskState.PENDING


def test_a_retry_has_a_scope_and_a_preview(client: TestClient, submitter: Submitter, database: Database) -> None:
    parent = submitter.submit("diagnostic.noop", title="first")
    child = submitter.submit("diagnostic.echo", after=[parent])
    submitter.cancel(parent, actor="me")
    alone = client.get(f"{V1}/tasks/{parent}/retry-preview", params={"scope": "this"}).json()
    assert (alone["count"], alone["cancelled_below"]) == (1, 1)
    seen = client.get(f"{V1}/tasks/{parent}/retry-preview").json()
    assert seen == {
        "count": 2,
        "tasks": [
            {"id": parent, "type": "diagnostic.noop", "title": "first", "state": "cancelled", "then": "pending"}
            | {"key": None},
            {"id": child, "type": "diagnostic.echo", "title": None, "state": "cancelled", "then": "blocked"}
            | {"key": None},
        ],
        "left_out_count": 0,
        "left_out": [],
        "cancelled_below": 0,
    }
    refused = problem_of(client.post(f"{V1}/tasks/{child}/retry", json={"scope": "downstream"}), 409)
    assert f"it depends on task {parent}, which is cancelled" in refused["detail"]
    problem_of(client.get(f"{V1}/tasks/{child}/retry-preview"), 409)
    problem_of(client.post(f"{V1}/tasks/{parent}/retry", json={"scope": "all"}), 422)
    problem_of(client.get(f"{V1}/tasks/{parent}/retry-preview", params={"scope": ""}), 422)
    answer = client.post(f"{V1}/tasks/{child}/retry", json={"scope": "chain", "reason": "again"})
    assert answer.json() == {"tasks": 2, "cancelled_below": 0}
    with database.transaction() as tx:
        assert [task.state for task in tasks.tasks_of(tx, [parent, child])] == ["pending", "blocked"]


def test_a_cancellation_has_a_scope(client: TestClient, loaded: dict[str, str]) -> None:
    path = f"{V1}/tasks/{loaded['pending']}/cancel"
    problem_of(client.post(path, json={"scope": "downstream"}), 422)
    assert client.post(path, json={"scope": "tree"}).json() == {"cancelled_below": 0}
    problem_of(client.post(path, json={"scope": "tree"}), 409)
