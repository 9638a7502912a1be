"""Workflows over HTTP: submitted whole or not at all, listed, drawn and cancelled, by those who may."""

from __future__ import annotations

TASKS = {
    "first": {"type": "diagnostic.echo", "input": {"value": 1}},
    "second": {"type": "diagnostic.echo", "input": {"value": {"$ref": "first", "at": "/value"}}},
    "many": [{"type": "diagnostic.noop", "after": ["second"]}, {"type": "diagnostic.noop", "after": ["second"]}],
}


def post(client, tasks=TASKS, name="nightly", headers=None, **fields):
    return client.post("/api/v1/workflows", json={"name": name, "tasks": tasks, **fields}, headers=headers)


def test_a_workflow_is_submitted_once(client):
    first = post(client, title="Tonight", headers={"idempotency-key": "k"})
    assert first.status_code == 201
    found = first.json()
    assert first.headers["location"] == f"/api/v1/workflows/{found['id']}"
    assert set(found["tasks"]) == set(TASKS)
    again = post(client, title="Tonight", idempotency_key="k")
    assert (again.status_code, again.json()) == (200, found)
    other = post(client, headers={"idempotency-key": "k"})
    assert (other.status_code, other.json()["type"]) == (409, "taskyard:idempotency-conflict")
    assert client.get(f"/api/v1/tasks/{found['tasks']['second']}").json()["workflow_id"] == found["id"]


def test_a_list_is_a_group(client):
    found = post(client, [{"type": "diagnostic.noop"}] * 3).json()
    assert len(found["tasks"]["tasks"]) == 3
    assert client.get(f"/api/v1/workflows/{found['id']}").json()["kind"] == "group"


def test_all_problems_are_told_and_nothing_is_stored(client):
    tasks = {**TASKS, "third": {"type": "nope", "after": ["x"], "queue": "Q!"}, "fourth": 1}
    refused = post(client, tasks)
    assert refused.status_code == 422
    fields = [one["field"] for one in refused.json()["errors"]]
    assert fields == ["tasks.fourth", "tasks.third.after.0", "tasks.third.type", "tasks.third.queue"]
    assert client.get("/api/v1/workflows").json() == {"workflows": [], "next": None}
    assert post(client, tasks, name="").json()["errors"][0]["field"] == "name"
    checked = client.post("/api/v1/workflows?dry_run=true", json={"name": "n", "tasks": TASKS})
    assert (checked.status_code, checked.json()) == (200, {"id": None, "tasks": {}})
    assert client.get("/api/v1/workflows").json()["workflows"] == []


def test_workflows_are_listed_and_drawn(client):
    ids = [post(client, name=name).json()["id"] for name in ("a", "b", "a")]
    found = client.get("/api/v1/workflows", params={"name": "a", "limit": 1}).json()
    assert [one["id"] for one in found["workflows"]] == [ids[2]]
    rest = client.get("/api/v1/workflows", params={"name": "a", "before": found["next"]}).json()
    assert [one["id"] for one in rest["workflows"]] == [ids[0]]
    [one] = rest["workflows"]
    assert (one["state"], one["tasks"], one["progress"]) == ("running", 4, 0.0)
    assert one["counts"] == {"blocked": 3, "pending": 1}
    graph = client.get(f"/api/v1/workflows/{ids[0]}/graph").json()
    assert [node["key"] for node in graph["nodes"]] == ["first", "second", "many/0", "many/1"]
    assert len(graph["edges"]) == 3
    assert client.get("/api/v1/workflows?states=open").json()["errors"][0]["field"] == "states"
    assert client.get("/api/v1/workflows/x").status_code == 422
    assert client.get(f"/api/v1/workflows/{graph['nodes'][0]['id']}").status_code == 404


def test_a_workflow_is_cancelled_as_one(client):
    found = post(client).json()
    done = client.post(f"/api/v1/workflows/{found['id']}/cancel", json={"reason": "wrong data"})
    assert (done.status_code, done.json()) == (200, {"tasks": 4})
    assert client.get(f"/api/v1/workflows/{found['id']}").json()["counts"] == {"cancelled": 4}


def test_the_narrowed_do_with_workflows_what_they_may_with_tasks(client, sent_by):
    mixed = {"a": {"type": "diagnostic.noop", "queue": "one"}, "b": {"type": "diagnostic.noop", "queue": "two"}}
    operator = sent_by("operator", queues=("one",))
    assert post(operator, mixed).status_code == 403
    assert post(operator, {"a": mixed["a"]}).status_code == 201
    id_ = post(client, mixed).json()["id"]
    assert operator.get(f"/api/v1/workflows/{id_}").json()["counts"] == {"pending": 1}
    assert [node["key"] for node in operator.get(f"/api/v1/workflows/{id_}/graph").json()["nodes"]] == ["a"]
    assert operator.post(f"/api/v1/workflows/{id_}/cancel").status_code == 403
    other = sent_by("operator", queues=("three",))
    for method, rest in (("GET", ""), ("GET", "/graph"), ("POST", "/cancel"), ("POST", "/retry")):
        assert other.request(method, f"/api/v1/workflows/{id_}{rest}").status_code == 404
    assert other.get("/api/v1/workflows").json()["workflows"] == []
    viewer = sent_by("viewer")
    assert viewer.post(f"/api/v1/workflows/{id_}/cancel").status_code == 403
    assert post(viewer).status_code == 403
    assert post(sent_by("submitter"), {"a": {"type": "code.run", "input": {"code": "1"}}}).status_code == 403


def test_a_retry_is_previewed_with_keys(client):
    id_ = post(client).json()["id"]
    nothing = client.get(f"/api/v1/workflows/{id_}/retry-preview")
    assert (nothing.status_code, nothing.json()["count"]) == (200, 0)
    client.post(f"/api/v1/workflows/{id_}/cancel")
    found = client.get(f"/api/v1/workflows/{id_}/retry-preview").json()
    assert [(one["key"], one["then"]) for one in found["tasks"]] == [
        ("first", "pending"),
        ("second", "blocked"),
        ("many/0", "blocked"),
        ("many/1", "blocked"),
    ]
