"""Hooks: a signed delivery becomes one task, whatever is repeated, and nothing else gets in."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi import FastAPI

from taskyard.api.routes.inbound import HookLimits
from taskyard.core.access.identity import Actor, local_actor
from taskyard.core.access.permissions import ROLES, Role
from taskyard.core.config import Settings
from taskyard.core.filters.audit_filter import EventFilter
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import principals, tasks
from taskyard.core.postgres.store.audit import find_events
from taskyard.core.submission import authorized_access, authorized_hooks
from taskyard.core.submission.authorized import Authorized
from taskyard.core.submission.submit import Submitter
from taskyard.core.task_types.registry import registry
from tests.api.conftest import ELSEWHERE, URL, Sender, TestClient, problem_of
from tests.hook_calls import INVOICE, PUSH, github, standard, stripe, written

ECHO = {
    "value": {
        "repository": "{{ body.repository.full_name }}",
        "is_forced": "{{ body.forced }}",
        "first": "{{ body.commits.0 }}",
        "label": "{{ event }} to {{ body.ref }}, {{ body.size | default(1) }} commit, {{ id }}",
        "license": "{{ body.repository.license }}",
        "tag": '{{ body.tag | default({"name": null}) }}',
    }
}
SECRET = "a-secret-of-this-test"


class Hooks:
    """Makes hooks and calls them from elsewhere."""

    def __init__(self, database: Database, submitter: Submitter, app: FastAPI) -> None:
        self.database, self.submitter = database, submitter
        self.outside = TestClient(app, base_url=URL, client=ELSEWHERE)

    def acting(self, actor: Actor | None = None) -> Authorized:
        return Authorized(self.submitter, registry, self.database, actor or local_actor())

    def create(self, name: str = "gh", actor: Actor | None = None, **fields: Any) -> str:
        given = {"scheme": "github", "type": "diagnostic.echo", "template": ECHO, "secret": SECRET, **fields}
        with self.database.transaction() as tx:
            return authorized_hooks.create(tx, self.acting(actor), name, **given)

    def call(self, body: Any, headers: Mapping[str, str | bytes], name: str = "gh") -> Any:
        return self.outside.post(f"/hooks/{name}", content=written(body), headers=headers)

    def task(self, task_id: str) -> Any:
        with self.database.transaction() as tx:
            return tasks.get_task(tx, task_id)

    def count(self, statement: str) -> int:
        with self.database.transaction() as tx:
            return int(tx.rows(statement, {})[0][0])

    def tasks(self) -> int:
        return self.count("SELECT count(*) FROM tasks")


@pytest.fixture
def hooks(database: Database, submitter: Submitter, app: FastAPI, client: TestClient) -> Hooks:
    return Hooks(database, submitter, app)


def test_a_push_becomes_a_task(hooks: Hooks) -> None:
    hooks.create(queue="builds", priority="high")
    answer = hooks.call(PUSH, github(SECRET, PUSH))
    assert answer.status_code == 201, answer.text
    task = hooks.task(answer.json()["id"])
    assert (task.queue, task.priority.label, task.created_by) == ("builds", "high", "hook:gh")
    assert task.input["value"] == {
        "repository": "octo/hello-world",
        "is_forced": False,
        "first": PUSH["commits"][0],  # type: ignore[index]
        "label": "push to refs/heads/main, 1 commit, 72d3162e-cc78-11e3-81ab-4c9367dc0958",
        "license": None,
        "tag": {"name": None},
    }


def test_a_repeated_delivery_is_the_same_task(hooks: Hooks) -> None:
    hooks.create()
    first = hooks.call(PUSH, github(SECRET, PUSH))
    again = hooks.call(PUSH, github(SECRET, PUSH))
    other = hooks.call(PUSH, github(SECRET, PUSH, delivery="another"))
    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 201)
    assert first.json() == again.json() != other.json()
    with hooks.database.transaction() as tx:
        authorized_hooks.change(tx, hooks.acting(), "gh", template={"value": "changed"})
    later = hooks.call(PUSH, github(SECRET, PUSH))
    assert (later.status_code, later.json()) == (200, first.json())
    assert hooks.tasks() == 2


def test_two_at_the_same_time_are_one_task(hooks: Hooks) -> None:
    hooks.create()
    headers = github(SECRET, PUSH)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: hooks.call(PUSH, headers), range(8)))
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert hooks.tasks() == 1


def test_stripes_event_becomes_a_task(hooks: Hooks) -> None:
    template = {"value": "{{ body.data.object.amount_paid }}"}
    secret = "whsec_stripes_own_form_of_a_secret"
    hooks.create("pay", scheme="stripe", template=template, events=["invoice.*"], secret=secret)
    answer = hooks.call(INVOICE, stripe(secret, INVOICE), "pay")
    assert answer.status_code == 201, answer.text
    assert hooks.task(answer.json()["id"]).input == {"value": 2000}
    assert hooks.call(INVOICE, stripe(secret, INVOICE), "pay").status_code == 200
    other = {**INVOICE, "type": "customer.created", "id": "evt_2"}
    ignored = hooks.call(other, stripe(secret, other), "pay")
    assert (ignored.status_code, ignored.json()) == (202, {"id": None, "ignored": "customer.created"})


def test_a_standard_webhook_becomes_a_task(hooks: Hooks) -> None:
    secret = hooks.create("std", scheme="standard", template={"value": "{{ body.x }}"}, secret=None)
    answer = hooks.call({"type": "a", "x": [1, "ü"]}, standard(secret, {"type": "a", "x": [1, "ü"]}), "std")
    assert answer.status_code == 201, answer.text
    assert hooks.task(answer.json()["id"]).input == {"value": [1, "ü"]}


def test_only_some_events_count(hooks: Hooks) -> None:
    hooks.create(events=["pull_request.opened", "release"], template={"value": 1})
    opened, closed = {"action": "opened"}, {"action": "closed"}
    for body, event, status in (
        (opened, "pull_request", 201),
        (closed, "pull_request", 202),
        (PUSH, "push", 202),
        ({"action": "published"}, "release", 201),
        ({"zen": "Keep it logically awesome."}, "ping", 202),
    ):
        answer = hooks.call(body, github(SECRET, body, event, event))
        assert answer.status_code == status, (event, answer.text)


def test_githubs_ping_submits_nothing_unless_asked_for(hooks: Hooks) -> None:
    hooks.create(template={"value": 1})
    hooks.create("pings", template={"value": 1}, events=["ping"])
    assert hooks.call({}, github(SECRET, {}, event="ping")).status_code == 202
    assert hooks.call({}, github(SECRET, {}, event="ping"), "pings").status_code == 201


# what is refused


def test_wrong_missing_and_stale_signatures(hooks: Hooks) -> None:
    hooks.create()
    hooks.create("pay", scheme="stripe", template={"value": 1})
    hooks.create("std", scheme="standard", template={"value": 1})
    long_ago, ahead = time.time() - 301, time.time() + 310
    calls: list[tuple[str, Mapping[str, str | bytes]]] = [
        ("gh", {}),
        ("gh", github("another-secret-here", PUSH)),
        ("gh", {**github(SECRET, PUSH), "x-hub-signature-256": "sha256="}),
        ("gh", {**github(SECRET, PUSH), "x-hub-signature-256": github(SECRET, PUSH)["x-hub-signature-256"][7:]}),
        ("gh", github(SECRET, {**PUSH, "ref": "refs/heads/other"})),
        ("gh", stripe(SECRET, PUSH)),
        ("pay", stripe(SECRET, PUSH, long_ago)),
        ("pay", stripe(SECRET, PUSH, ahead)),
        ("pay", {"stripe-signature": stripe(SECRET, PUSH)["stripe-signature"] + f",t={int(long_ago)}"}),
        ("pay", {"stripe-signature": "t=,v1="}),
        ("pay", {"stripe-signature": "t=\u0661,v1=x".encode()}),
        ("std", {**github(SECRET, PUSH), "webhook-id": "1"}),
        ("std", {"webhook-id": "1", "webhook-timestamp": str(int(time.time())), "webhook-signature": "v1,"}),
        ("nobody", github(SECRET, PUSH)),
        ("%2e%2e", github(SECRET, PUSH)),
    ]
    details = set()
    for name, headers in calls:
        answer = hooks.call(PUSH, headers, name)
        details.add(problem_of(answer, 401)["detail"])
    assert len(details) == 1  # nothing tells what was wrong
    assert hooks.tasks() == 0


def test_a_disabled_hook_refuses_as_if_it_were_not_there(hooks: Hooks) -> None:
    hooks.create()
    with hooks.database.transaction() as tx:
        assert authorized_hooks.switch(tx, local_actor(), "gh", is_disabled=True)
        assert not authorized_hooks.switch(tx, local_actor(), "gh", is_disabled=True)
    problem_of(hooks.call(PUSH, github(SECRET, PUSH)), 401)


def test_refusals_are_noted_once_a_minute(hooks: Hooks) -> None:
    hooks.create()
    for _ in range(5):
        hooks.call(PUSH, github("wrong-secret-of-this-test", PUSH))
        hooks.call(PUSH, {}, "nobody")
    assert hooks.count("SELECT count(*) FROM task_events WHERE event = 'hook_refused'") == 1
    with hooks.database.transaction() as tx:
        [(actor, detail)] = tx.rows("SELECT actor, detail FROM task_events WHERE event = 'hook_refused'", {})
    assert actor == "hook:gh"
    assert detail["from"] == ELSEWHERE[0]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"payload=%7B%7D", 400),
        (b"[" * 100_000, 400),
        (b"\xff", 400),
        (b"[]", 422),
        (b"{}", 422),
        (b"null", 422),
    ],
)
def test_signed_bodies_that_make_no_task(hooks: Hooks, body: bytes, status: int) -> None:
    hooks.create()
    problem_of(hooks.call(body, github(SECRET, body)), status)
    assert hooks.tasks() == 0


def test_a_missing_value_is_named(hooks: Hooks) -> None:
    hooks.create(template={"value": "{{ body.repository.owner.login }}"})
    problem = problem_of(hooks.call(PUSH, github(SECRET, PUSH)), 422)
    assert problem["errors"][0]["field"] == "body.repository.owner.login"


def test_an_input_that_does_not_fit_is_refused(hooks: Hooks) -> None:
    hooks.create(type="diagnostic.sleep", template={"seconds": "{{ body.ref }}"})
    assert problem_of(hooks.call(PUSH, github(SECRET, PUSH)), 422)["errors"][0]["field"] == "input.seconds"


def test_no_delivery_id_is_refused(hooks: Hooks) -> None:
    hooks.create()
    headers = github(SECRET, PUSH)
    del headers["x-github-delivery"]
    assert problem_of(hooks.call(PUSH, headers), 422)["errors"][0]["field"] == "id"


def test_a_long_delivery_id_still_tells_deliveries_apart(hooks: Hooks) -> None:
    hooks.create("a" * 64)
    ids = ["x" * 199 + end for end in "ab"]
    answers = [hooks.call(PUSH, github(SECRET, PUSH, id_), "a" * 64) for id_ in [*ids, *ids]]
    assert [answer.status_code for answer in answers] == [201, 201, 200, 200]


def test_limits_of_strangers(hooks: Hooks, app: FastAPI, settings: Settings) -> None:
    hooks.create()
    given = {"hook_body_limit_bytes": 1024, "hook_rate_per_second": 0.2}
    app.state.hook_limits = HookLimits(settings.model_copy(update=given))
    large = b'"' + b"x" * 2000 + b'"'
    problem_of(hooks.call(large, github(SECRET, large)), 413)
    small = written({"ref": 1})
    answers = [hooks.call(small, {}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [401, 429, 429]
    assert int(answers[-1].headers["retry-after"]) >= 1


def test_both_secrets_count_after_a_rotation(hooks: Hooks) -> None:
    hooks.create()
    with hooks.database.transaction() as tx:
        new = authorized_hooks.rotate_secret(tx, local_actor(), "gh")
    assert hooks.call(PUSH, github(SECRET, PUSH, "1")).status_code == 201
    assert hooks.call(PUSH, github(new, PUSH, "2")).status_code == 201
    with hooks.database.transaction() as tx:
        tx.rows("UPDATE hooks SET former_until = now() - interval '1 second'", {})
    assert hooks.call(PUSH, github(SECRET, PUSH, "3")).status_code == 401


# whose permissions count


def test_a_hook_runs_code_only_if_its_maker_may(hooks: Hooks) -> None:
    lacking = Actor("person:ann", "password", ROLES[Role.ADMIN] - {"code.submit"})  # type: ignore[arg-type]
    template = {"code": "print(1)"}
    with pytest.raises(Exception, match=r"code\.submit"):
        hooks.create("run", lacking, type="code.run", template=template)
    hooks.create("run", type="code.run", template=template)
    answer = hooks.call(PUSH, github(SECRET, PUSH), "run")
    assert answer.status_code in (201, 422), answer.text
    hooks.create("echo", lacking)
    with hooks.database.transaction() as tx:  # as if the type of its tasks began to run code
        tx.rows("UPDATE hooks SET type = 'code.run' WHERE name = 'echo'", {})
    problem_of(hooks.call(PUSH, github(SECRET, PUSH), "echo"), 403)


@pytest.mark.parametrize("made_as", ["person:ann", "person:ann@192.0.2.7", "token:ann", "person:ann@localhost"])
def test_who_is_disabled_leaves_no_way_in(hooks: Hooks, made_as: str) -> None:
    """They know the secrets of their hooks. Others' hooks stay, and somebody else may enable these again."""
    permissions = ROLES[Role.ADMIN]
    with hooks.database.transaction() as tx:
        for name in ("ann", "ann@example.com"):
            principals.create(tx, name, Role.ADMIN, "test")
    hooks.create("hers", Actor(made_as, "password", permissions))
    hooks.create("other", Actor("person:ann@example.com@192.0.2.7", "password", permissions))
    hooks.create("local")
    assert hooks.call(PUSH, github(SECRET, PUSH, "1"), "hers").status_code == 201
    with hooks.database.transaction() as tx:
        assert authorized_access.disable(tx, local_actor(), "ann")
    problem_of(hooks.call(PUSH, github(SECRET, PUSH, "2"), "hers"), 401)
    assert [hooks.call(PUSH, github(SECRET, PUSH, "3"), name).status_code for name in ("other", "local")] == [201, 201]
    with hooks.database.transaction() as tx:
        assert {one.name for one in authorized_hooks.list_hooks(tx, local_actor()) if one.disabled_at} == {"hers"}
        [event] = find_events(tx, EventFilter(events=("hook_disabled",))).events
        assert (event.actor, event.detail) == (local_actor().name, {"name": "hers", "maker": "ann"})
        assert authorized_access.enable(tx, local_actor(), "ann")
    problem_of(hooks.call(PUSH, github(SECRET, PUSH, "4"), "hers"), 401)
    with hooks.database.transaction() as tx:
        assert authorized_hooks.switch(tx, local_actor(), "hers", is_disabled=False)
    assert hooks.call(PUSH, github(SECRET, PUSH, "5"), "hers").status_code == 201


def test_who_manages_hooks(hooks: Hooks, client: TestClient, sent_by: Sender) -> None:
    new = {"name": "gh", "scheme": "github", "type": "diagnostic.echo", "template": {"value": "{{ body.ref }}"}}
    for other in (client, sent_by("operator"), sent_by("viewer"), sent_by("admin", queues=("nightly",))):
        problem_of(other.post("/api/v1/hooks", json=new), 403)
    admin = sent_by("admin")
    made = admin.post("/api/v1/hooks", json=new)
    assert made.status_code == 201, made.text
    secret = made.json()["secret"]
    assert hooks.call(PUSH, github(secret, PUSH)).status_code == 201
    [found] = admin.get("/api/v1/hooks").json()
    assert "secret" not in found
    assert (found["may_run_code"], found["used_at"] is not None) == (True, True)
    changed = admin.patch("/api/v1/hooks/gh", json={"queue": "builds", "is_disabled": True}).json()
    assert (changed["queue"], changed["template"], changed["disabled_at"] is None) == ("builds", new["template"], False)
    assert admin.post("/api/v1/hooks/gh/secret", json={}).json()["secret"] != secret
    assert admin.delete("/api/v1/hooks/gh").status_code == 204
    problem_of(admin.delete("/api/v1/hooks/gh"), 404)
    problem_of(admin.get("/api/v1/hooks/gh"), 404)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"scheme": "basic"}, "scheme"),
        ({"type": "no.such"}, "type"),
        ({"queue": "Not A Queue"}, "queue"),
        ({"priority": "soon"}, "priority"),
        ({"events": []}, "events"),
        ({"secret": "short"}, "secret"),
        ({"secret": "whsec_not base64", "scheme": "standard"}, "secret"),
        ({"template": {"value": ["{{ nothing.x }}"]}}, "template.value.0"),
        ({"template": {"value": "{{ body.x | default(x) }}"}}, "template.value"),
        ({"template": {"value": "{{ body..x }}"}}, "template.value"),
        ({"template": {"value": "{{ body.x"}}, "template.value"),
        ({"name": "../x"}, "name"),
    ],
)
def test_what_a_hook_can_not_be(sent_by: Sender, given: dict[str, Any], field: str) -> None:
    new = {"name": "gh", "scheme": "github", "type": "diagnostic.echo", "template": {"value": 1}, **given}
    problem = problem_of(sent_by("admin").post("/api/v1/hooks", json=new), 422)
    assert problem["errors"][0]["field"] == field
    assert "whsec_not" not in str(problem)


def test_webhooks_over_the_api(sent_by: Sender, client: TestClient) -> None:
    admin, operator, viewer = sent_by("admin"), sent_by("operator"), sent_by("viewer")
    new = {"name": "ci", "url": "https://hooks.example.com/x", "outcomes": ["failed"]}
    problem_of(operator.post("/api/v1/webhooks", json=new), 403)
    problem_of(client.post("/api/v1/webhooks", json=new), 403)
    made = admin.post("/api/v1/webhooks", json=new)
    assert made.status_code == 201, made.text
    assert made.json()["secret"].startswith("whsec_")
    problem_of(admin.post("/api/v1/webhooks", json={**new, "name": "in", "url": "https://10.0.0.1/"}), 422)
    problem_of(viewer.get("/api/v1/webhooks"), 403)
    [found] = operator.get("/api/v1/webhooks").json()
    assert (found["name"], found["outcomes"], "secret" in found) == ("ci", ["failed"], False)
    ping = operator.post("/api/v1/webhooks/ci/ping")
    assert ping.status_code == 202, ping.text
    [delivery] = operator.get("/api/v1/webhooks/ci/deliveries").json()
    assert (delivery["id"], delivery["event"], delivery["state"]) == (ping.json()["id"], "ping", "pending")
    problem_of(operator.post(f"/api/v1/webhooks/ci/deliveries/{delivery['id']}/send"), 404)  # it waits anyhow
    problem_of(operator.post("/api/v1/webhooks/ci/deliveries/x/send"), 422)
    problem_of(operator.get("/api/v1/webhooks/ci/deliveries?state=lost"), 422)
    problem_of(operator.get("/api/v1/webhooks/other/deliveries"), 404)
    changed = admin.patch("/api/v1/webhooks/ci", json={"queues": ["nightly"], "is_disabled": True}).json()
    assert (changed["queues"], changed["outcomes"], changed["disabled_by"] is None) == (["nightly"], ["failed"], False)
    problem_of(operator.post("/api/v1/webhooks/ci/ping"), 422)
    assert admin.post("/api/v1/webhooks/ci/secret").json()["secret"] != made.json()["secret"]
    assert admin.delete("/api/v1/webhooks/ci").status_code == 204
    problem_of(admin.get("/api/v1/webhooks/ci"), 404)
