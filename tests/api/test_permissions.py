"""Who may do what: every operation of the document, as each role."""

from __future__ import annotations

import re
from typing import Any

import pytest

from taskyard.api.document import AGENT_TOKEN, PERMISSION
from taskyard.core.access.operations import OPERATIONS as TABLE
from taskyard.core.access.permissions import ROLES, Permission, Role
from tests.api.conftest import FINGERPRINT, URL, Sender, TestClient, problem_of
from tests.each import for_each

V1 = "/api/v1"
READ, SUBMIT, OPERATE = Permission.TASK_READ, Permission.TASK_SUBMIT, Permission.TASK_OPERATE
ANSWER = Permission.QUESTION_ANSWER
HOLD, CONTROL, HANDLE = Permission.QUEUE_HOLD, Permission.AGENT_CONTROL, Permission.ALERT_HANDLE
PAYLOAD, EXPORT, MANAGE = Permission.PAYLOAD_READ, Permission.AUDIT_EXPORT, Permission.ACCESS_MANAGE
SILENCE = {"rule": "queue grows", "seconds": 60}
HOOK = {"name": "new", "scheme": "github", "type": "diagnostic.noop", "template": {}}
RULE = {"what": {"type": "diagnostic.noop"}, "cron": "@daily"}
SPAN = {"since": "2026-01-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}
BULK = {"action": "cancel", "ids": ["0199c0de-0000-7000-8000-000000000001"]}

# Every operation that needs a permission, with a body that is accepted.
OPERATIONS: dict[tuple[str, str], tuple[Permission, Any]] = {
    ("POST", "/tasks"): (SUBMIT, {"type": "diagnostic.noop"}),
    ("GET", "/me"): (READ, None),
    ("GET", "/tasks"): (READ, None),
    ("GET", "/tasks/{id}"): (READ, None),
    ("GET", "/tasks/{id}/result"): (READ, None),
    ("GET", "/tasks/{id}/history"): (READ, None),
    ("GET", "/tasks/{id}/log"): (PAYLOAD, None),
    ("GET", "/tasks/{id}/why"): (READ, None),
    ("POST", "/tasks/{id}/cancel"): (OPERATE, {}),
    ("POST", "/tasks/{id}/retry"): (OPERATE, {}),
    ("GET", "/tasks/{id}/retry-preview"): (OPERATE, None),
    ("POST", "/tasks/{id}/signals/{name}"): (OPERATE, {}),
    ("POST", "/tasks/{id}/priority"): (OPERATE, {"priority": "high"}),
    ("GET", "/tasks/{id}/attempts"): (READ, None),
    ("GET", "/tasks/{id}/relatives"): (READ, None),
    ("GET", "/tasks/{id}/log/export"): (PAYLOAD, None),
    ("GET", "/tasks/{id}/open-below"): (READ, None),
    ("POST", "/tasks/{id}/cancel-tree"): (OPERATE, {}),
    ("POST", "/tasks/batch"): (SUBMIT, [{"type": "diagnostic.noop"}]),
    ("POST", "/tasks/bulk/preview"): (OPERATE, BULK),
    ("POST", "/tasks/bulk"): (OPERATE, {**BULK, "reason": "test"}),
    ("POST", "/tasks/check"): (SUBMIT, None),
    ("POST", "/tasks/states"): (READ, {"ids": BULK["ids"]}),
    ("GET", "/workflows"): (READ, None),
    ("POST", "/workflows"): (SUBMIT, {"name": "a", "tasks": {"a": {"type": "diagnostic.noop"}}}),
    ("GET", "/workflows/{id}"): (READ, None),
    ("GET", "/workflows/{id}/graph"): (READ, None),
    ("POST", "/workflows/{id}/cancel"): (OPERATE, {}),
    ("POST", "/workflows/{id}/retry"): (OPERATE, {}),
    ("GET", "/workflows/{id}/retry-preview"): (OPERATE, None),
    ("GET", "/agent-boots"): (READ, None),
    ("GET", "/agent-timeline"): (READ, None),
    ("GET", "/mailboxes"): (READ, None),
    ("GET", "/mailboxes/{name}"): (READ, None),
    ("POST", "/mailboxes/{name}/redrive"): (CONTROL, {}),
    ("DELETE", "/mailboxes/{name}"): (CONTROL, None),
    ("GET", "/quarantine"): (READ, None),
    ("GET", "/quarantine/{id}"): (READ, None),
    ("DELETE", "/quarantine/{id}"): (OPERATE, None),
    ("DELETE", "/quarantine"): (OPERATE, None),
    ("GET", "/system/status"): (READ, None),
    ("GET", "/system/servers"): (READ, None),
    ("GET", "/system/checks"): (READ, None),
    ("GET", "/system/leader"): (READ, None),
    ("GET", "/system/figures"): (READ, None),
    ("GET", "/system/storage"): (READ, None),
    ("GET", "/system/settings"): (READ, None),
    ("GET", "/system/versions"): (READ, None),
    ("GET", "/system/log"): (PAYLOAD, None),
    ("GET", "/task-filters"): (READ, None),
    ("POST", "/task-filters"): (OPERATE, {"name": "a", "filter": {"states": ["failed"]}}),
    ("DELETE", "/task-filters/{name}"): (OPERATE, None),
    ("GET", "/types"): (READ, None),
    ("GET", "/types/{name}"): (READ, None),
    ("GET", "/queues"): (READ, None),
    ("GET", "/queues/{name}"): (READ, None),
    ("GET", "/queues/{name}/series"): (READ, None),
    ("GET", "/holds"): (READ, None),
    ("PUT", "/queues/{name}/hold"): (HOLD, {"mode": "paused"}),
    ("DELETE", "/queues/{name}/hold"): (HOLD, None),
    ("PUT", "/types/{name}/hold"): (HOLD, {"mode": "paused"}),
    ("DELETE", "/types/{name}/hold"): (HOLD, None),
    ("GET", "/agents"): (READ, None),
    ("GET", "/agents/{name}"): (READ, None),
    ("POST", "/agents/{name}/pause"): (CONTROL, {}),
    ("POST", "/agents/{name}/drain"): (CONTROL, {}),
    ("POST", "/agents/{name}/resume"): (CONTROL, {}),
    ("POST", "/agents/{name}/restart"): (CONTROL, {}),
    ("GET", "/pools"): (READ, None),
    ("POST", "/pools/{kind}/scale"): (CONTROL, {"count": 2}),
    ("POST", "/pools/{kind}/reset"): (CONTROL, {}),
    ("GET", "/failures"): (READ, None),
    ("GET", "/failures/{fingerprint}"): (READ, None),
    ("GET", "/failures/{fingerprint}/tasks"): (READ, None),
    ("PUT", "/failures/{fingerprint}/mute"): (HANDLE, {"seconds": 60}),
    ("DELETE", "/failures/{fingerprint}/mute"): (HANDLE, None),
    ("GET", "/alerts"): (READ, None),
    ("GET", "/alerts/silences"): (READ, None),
    ("POST", "/alerts/silences"): (HANDLE, SILENCE),
    ("DELETE", "/alerts/silences/{id}"): (HANDLE, None),
    ("POST", "/alerts/ack"): (HANDLE, {"rule": "agent lost"}),
    ("GET", "/alerts/rules"): (READ, None),
    ("GET", "/alerts/runbooks/{name}"): (READ, None),
    ("GET", "/alerts/{id}"): (READ, None),
    ("POST", "/alerts/{id}/ack"): (HANDLE, {}),
    ("GET", "/reports"): (READ, None),
    ("GET", "/reports/files"): (PAYLOAD, None),
    ("GET", "/reports/files/{name}"): (PAYLOAD, None),
    ("GET", "/metrics/summary"): (READ, None),
    ("GET", "/audit"): (EXPORT, None),
    ("GET", "/audit/export"): (EXPORT, None),
    ("GET", "/access/principals"): (MANAGE, None),
    ("POST", "/access/principals"): (MANAGE, {"name": "new"}),
    ("GET", "/access/principals/{name}"): (MANAGE, None),
    ("PATCH", "/access/principals/{name}"): (MANAGE, {"role": "viewer"}),
    ("PUT", "/access/principals/{name}/password"): (MANAGE, {"password": "long enough for this"}),
    ("POST", "/access/principals/{name}/tokens"): (MANAGE, {}),
    ("DELETE", "/access/principals/{name}/sessions"): (MANAGE, None),
    ("GET", "/access/tokens"): (MANAGE, None),
    ("DELETE", "/access/tokens/{id}"): (MANAGE, None),
    ("GET", "/access/sessions"): (MANAGE, None),
    ("DELETE", "/access/sessions/{id}"): (MANAGE, None),
    ("GET", "/schedules"): (READ, None),
    ("POST", "/schedules"): (OPERATE, {"name": "new", **RULE}),
    ("POST", "/schedules/preview"): (READ, RULE),
    ("PUT", "/schedules/files/{file}"): (OPERATE, {"schedules": {}}),
    ("GET", "/schedules/{name}"): (READ, None),
    ("PATCH", "/schedules/{name}"): (OPERATE, {}),
    ("DELETE", "/schedules/{name}"): (OPERATE, None),
    ("GET", "/schedules/{name}/next"): (READ, None),
    ("GET", "/schedules/{name}/fires"): (READ, None),
    ("POST", "/schedules/{name}/run"): (OPERATE, None),
    ("POST", "/schedules/{name}/backfill"): (OPERATE, SPAN),
    ("GET", "/questions"): (READ, None),
    ("GET", "/questions/{id}"): (READ, None),
    ("POST", "/questions/{id}/answer"): (ANSWER, {"decision": "approved"}),
    ("POST", "/questions/{id}/delegate"): (ANSWER, {"to": "kim"}),
    ("GET", "/webhooks"): (EXPORT, None),
    ("POST", "/webhooks"): (MANAGE, {"name": "new", "url": "https://hooks.example.com/"}),
    ("GET", "/webhooks/{name}"): (EXPORT, None),
    ("PATCH", "/webhooks/{name}"): (MANAGE, {}),
    ("DELETE", "/webhooks/{name}"): (MANAGE, None),
    ("POST", "/webhooks/{name}/secret"): (MANAGE, None),
    ("POST", "/webhooks/{name}/ping"): (OPERATE, None),
    ("GET", "/webhooks/{name}/deliveries"): (EXPORT, None),
    ("POST", "/webhooks/{name}/deliveries/{id}/send"): (OPERATE, None),
    ("GET", "/hooks"): (MANAGE, None),
    ("POST", "/hooks"): (MANAGE, HOOK),
    ("GET", "/hooks/{name}"): (MANAGE, None),
    ("PATCH", "/hooks/{name}"): (MANAGE, {}),
    ("DELETE", "/hooks/{name}"): (MANAGE, None),
    ("POST", "/hooks/{name}/secret"): (MANAGE, {}),
}
# An admin has all permissions, but came by a token, which makes no credential.
MAKES_CREDENTIAL = {("PUT", "/access/principals/{name}/password"), ("POST", "/access/principals/{name}/tokens")}


def path_of(template: str) -> str:
    """A path for something that does not exist."""
    made = template.replace("{fingerprint}", FINGERPRINT).replace("{id}", BULK["ids"][0])  # type: ignore[index]
    return V1 + re.sub(r"\{\w+\}", "unknown", made)


def test_every_operation_of_the_document_is_known_here(client: TestClient) -> None:
    document = client.get(f"{V1}/openapi.json").json()
    needed = {
        (method.upper(), path.removeprefix(V1)): operation[PERMISSION]
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if operation.get("security") and path.startswith(V1) and not operation.get(AGENT_TOKEN)
    }
    streams = {("GET", "/events"): READ, ("GET", "/tasks/{id}/events"): READ}
    assert needed == {name: permission for name, (permission, _body) in OPERATIONS.items()} | streams


# Every operation of agents: with their tokens, and for nobody else.
AGENTS_OWN = {
    ("GET", "/agent/self"): None,
    ("POST", "/agent/reports"): [],
    ("PUT", "/agent/boots/{boot}/heartbeat"): {},
    ("GET", "/agent/boots/{boot}/orders"): None,
    ("GET", "/agent/boots/{boot}/orders/tail"): None,
    ("POST", "/agent/boots/{boot}/orders/delete"): {"entries": ["1-0"]},
    ("POST", "/agent/messages"): {"to": "other", "body": 1},
    ("POST", "/agent/messages/receive"): {},
    ("POST", "/agent/messages/ack"): {"ids": ["1-0"]},
    ("POST", "/agent/messages/give-back"): {"messages": {"1-0": 1}},
}


def test_only_agents_do_what_agents_do(client: TestClient, sent_by: Sender, app: Any) -> None:
    document = client.get(f"{V1}/openapi.json").json()
    found = {
        (method.upper(), path.removeprefix(V1))
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if operation.get(AGENT_TOKEN)
    }
    assert found == set(AGENTS_OWN)
    assert all(template.startswith("/agent/") for _method, template in found)
    stranger = TestClient(app, base_url=URL, client=("192.0.2.7", 1))
    admin, agent = sent_by("admin"), sent_by("viewer", kind="agent")
    for (method, template), body in AGENTS_OWN.items():
        problem_of(stranger.request(method, path_of(template), json=body), 401)
        for other in (admin, client):
            problem_of(other.request(method, path_of(template), json=body), 403)
        answer = agent.request(method, path_of(template), json=body)
        expected = 422 if template.endswith("heartbeat") else 201 if template == "/agent/messages" else 200
        assert answer.status_code == expected, (template, answer.text)


def test_agents_do_nothing_else(sent_by: Sender) -> None:
    """A host that runs an agent has its token lie about; its role counts for children that tasks submit."""
    agent = sent_by("admin", kind="agent")
    for (method, template), (_permission, body) in OPERATIONS.items():
        found = problem_of(agent.request(method, path_of(template), json=body), 403)
        assert "the token of an agent opens only /api/v1/agent" in found["detail"], (method, template)


@for_each("role", list(Role), lambda role: role.value)
def test_a_role_may_do_what_its_permissions_say(role: Role, sent_by: Sender) -> None:
    client = sent_by(role)
    for (method, template), (permission, body) in OPERATIONS.items():
        if permission in ROLES[role] and (method, template) not in MAKES_CREDENTIAL:
            answer = client.request(method, path_of(template), json=body)
            assert answer.status_code not in (401, 403), (method, template, answer.text)
            assert answer.status_code < 500, (method, template, answer.text)
        else:
            answer = client.request(method, path_of(template), json=body)
            status = 404 if permission in ROLES[role] else 403  # the name is looked for first
            found = problem_of(answer, status)
            assert status == 404 or permission.value in found["detail"], (method, template)


def test_a_narrowed_admin_does_what_is_not_for_all_queues_and_types(client: TestClient, sent_by: Sender) -> None:
    document = client.get(f"{V1}/openapi.json").json()
    whole = {name: row.is_whole for row in TABLE for name in row.api}
    narrowed = [sent_by("admin", queues=("default", "unknown")), sent_by("admin", types=("diagnostic.*", "unknown"))]
    for (method, template), (_permission, body) in OPERATIONS.items():
        name = document["paths"][V1 + template][method.lower()]["operationId"]
        address = path_of(template) + ("?queue=default" if name == "reports_make" else "")  # else it is of all queues
        answers = [one.request(method, address, json=body) for one in narrowed]
        refused = (403, 404) if whole[name] and "{" in template else (403,)  # some look for the name first
        assert all(one.status_code in refused for one in answers) is whole[name], (name, [one.text for one in answers])


@for_each("operation", list(OPERATIONS), " ".join)
def test_without_a_token_nothing_is_answered_from_elsewhere(
    operation: tuple[str, str], sent_by: Sender, app: Any
) -> None:
    method, template = operation
    stranger = TestClient(app, base_url=URL, client=("192.0.2.7", 1))
    answer = stranger.request(method, path_of(template), json=OPERATIONS[operation][1])
    problem_of(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("token", ["Bearer nonsense", "Basic YTpi", "Bearer ty_service_000000000000_" + 43 * "a"])
def test_an_unknown_token_is_refused(token: str, client: TestClient) -> None:
    problem_of(client.get(f"{V1}/queues", headers={"authorization": token}), 401)


def test_a_local_program_manages_no_access(client: TestClient) -> None:
    assert client.get(f"{V1}/queues").status_code == 200
    problem_of(client.get(f"{V1}/access/principals"), 403)
