"""Parameters of addresses: an unknown one is refused by name, whatever the operation, and stands in the document."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from taskyard.api.document import AGENT_TOKEN
from taskyard.api.searching import searched
from taskyard.core.filters.search_filter import PARAMS
from tests.api.conftest import ELSEWHERE, URL, Sender, TestClient, problem_of
from tests.api.test_permissions import V1, path_of

LENIENT = {"/healthz", "/readyz", "/hooks/{name}"}  # probes and senders of hooks add parameters of their own


def test_every_operation_refuses_unknown_parameters_and_lists_its_own(client: TestClient, sent_by: Sender) -> None:
    document = client.get(f"{V1}/openapi.json").json()
    admin, agent = sent_by("admin"), sent_by("viewer", kind="agent")
    tried = 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if path in LENIENT:
                continue
            address = path_of(path.removeprefix(V1)) if path.startswith(V1) else path
            sender = agent if operation.get(AGENT_TOKEN) else admin
            answer = sender.request(method, address, params={"states_": "x"}, json={} if method != "get" else None)
            [error] = problem_of(answer, 422)["errors"]
            known = [one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"]
            assert (error["field"], error["value"]) == ("states_", "'x'"), (method, path)
            wanted = f"a known parameter: one of {', '.join(known)}" if known else "no parameter at all"
            assert error["expected"] == wanted, (method, path)
            assert "422" in operation["responses"], (method, path)
            tried += 1
    assert tried > 100


@pytest.mark.parametrize("address", ["/tasks?state=failed", "/events?queues=a", "/queues?states=open"])
def test_a_misspelt_filter_does_not_show_everything(client: TestClient, loaded: dict[str, str], address: str) -> None:
    problem = problem_of(client.get(V1 + address), 422)
    assert "known parameter" in problem["detail"] or "no parameter" in problem["detail"]
    chinese = problem_of(client.get(V1 + address, headers={"accept-language": "zh"}), 422)
    assert not chinese["errors"][0]["expected"].replace(", ", "").isascii()


def test_all_unknown_parameters_are_listed_and_nothing_is_stored(client: TestClient) -> None:
    answer = client.post(f"{V1}/tasks?priority=high&dry_run=1", json={"type": "diagnostic.noop"})

    assert [one["field"] for one in problem_of(answer, 422)["errors"]] == ["priority", "dry_run"]
    assert client.get(f"{V1}/tasks").json()["tasks"] == []


def test_a_parameter_that_is_given_twice_is_refused_unless_it_may_repeat(client: TestClient, document: Any) -> None:
    [error] = problem_of(client.get(f"{V1}/tasks?states=failed&states=cancelled"), 422)["errors"]

    assert error["expected"] == "one value, but it is given 2 times"
    repeatable = {
        (path, one["name"])
        for path, operations in document["paths"].items()
        for operation in operations.values()
        for one in operation.get("parameters", ())
        if one["in"] == "query" and "array" in str(one["schema"])
    }
    assert ("/api/v1/events", "queue") in repeatable
    for path, name in repeatable - {("/api/v1/events", name) for name in ("event", "queue", "type", "actor")}:
        answer = client.get(path_of(path.removeprefix(V1)), params={name: ["a", "b"]})
        assert "times" not in answer.text, (path, name)


@pytest.fixture
def document(client: TestClient) -> Any:
    return client.get(f"{V1}/openapi.json").json()


def test_strangers_are_asked_for_a_token_first(client: TestClient, app: Any) -> None:
    stranger = TestClient(app, base_url=URL, client=ELSEWHERE)

    problem_of(stranger.get(f"{V1}/tasks?state=failed"), 401)


def test_probes_and_hooks_ignore_what_their_senders_add(client: TestClient) -> None:
    assert client.get("/healthz?at=1").status_code == 200
    assert "parameter" not in client.post("/hooks/none?source=ci", json={}).text


def test_a_search_has_the_parameters_of_a_filter() -> None:
    assert tuple(inspect.signature(searched).parameters) == PARAMS
