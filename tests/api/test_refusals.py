"""Refusals say in our words what was expected, in the language of the request: nothing of Python or its parsers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Sender, TestClient, problem_of
from tests.api.test_hooks import SECRET, Hooks
from tests.api.test_hooks import hooks as hooks  # a fixture
from tests.api.test_permissions import V1
from tests.hook_calls import PUSH, github

JSON = {"content-type": "application/json"}
INTERNALS = ("Missing", "b'", "Input should", "decode error", "dictionary", "Expecting", "EOF", "<", "parsing")


def clean(problem: dict[str, Any]) -> dict[str, Any]:
    """The same problem, which shows no internals and lists each part with what was expected."""
    said = str({name: problem[name] for name in ("title", "detail", "errors")})
    assert not [word for word in INTERNALS if word in said], said
    assert all(one["expected"] for one in problem["errors"])
    return problem


@pytest.mark.parametrize("where", ["/tasks", "/tasks/batch"])
@pytest.mark.parametrize("body", ['{"type":', '{"type": "x",\n "title": tru}', "{", "[,]", "[{]"])
def test_broken_json_is_placed(client: TestClient, where: str, body: str) -> None:
    for language, word in (("en", "valid JSON"), ("zh", "JSON")):
        answer = client.post(V1 + where, content=body, headers={**JSON, "accept-language": language})
        [one] = clean(problem_of(answer, 422))["errors"]
        assert (one["field"], one["value"]) == ("body", "")
        assert word in one["expected"]
        assert ("valid" in answer.json()["detail"]) is (language == "en")
    if "\n" in body:
        assert "2" in one["expected"]


@pytest.mark.parametrize("where", ["/tasks", "/tasks/batch"])
@pytest.mark.parametrize(("body", "word"), [(b"[" * 3_000 + b"]" * 3_000, "64"), (b'"\xff"', "UTF-8")])
def test_bodies_that_no_parser_takes(client: TestClient, where: str, body: bytes, word: str) -> None:
    problem = clean(problem_of(client.post(V1 + where, content=body, headers=JSON), 422))
    assert problem["type"] == "taskyard:invalid"
    assert where == "/tasks/batch" or word in problem["detail"]


def test_other_content_is_shown_as_it_was_sent(client: TestClient) -> None:
    problem = clean(problem_of(client.post(f"{V1}/tasks", data={"type": "a"}), 422))
    assert problem["errors"] == [
        {
            "item": None,
            "field": "body",
            "value": "'type=a'",
            "expected": "JSON, with the content type application/json",
        }
    ]


def test_what_is_missing_has_no_value(client: TestClient, sent_by: Sender) -> None:
    one = {"item": None, "field": "type", "value": "", "expected": "a value"}
    assert clean(problem_of(client.post(f"{V1}/tasks", json={}), 422))["errors"] == [one]
    given = {"type": "diagnostic.sleep", "input": {"seconds": "x", "steps": "y"}}
    found = clean(problem_of(client.post(f"{V1}/tasks", json=given), 422))["errors"]
    assert {part["field"] for part in found} >= {"input.seconds"}
    assert not [part for part in found if "more problem" in part["expected"]]


@pytest.mark.parametrize("where", ["/tasks", "/tasks/batch"])
def test_every_problem_of_an_input_is_listed(sent_by: Sender, where: str) -> None:
    task = {"type": "code.run", "input": {}}
    answer = sent_by("admin").post(V1 + where, json=task if where == "/tasks" else [task])
    found = clean(problem_of(answer, 422))["errors"]
    item = None if where == "/tasks" else 1
    assert all(one["field"].startswith("input.") and one["value"] == "" for one in found)
    assert {one["item"] for one in found} == {item}
    assert {one["expected"] for one in found} == {"a value"}


def test_wrong_methods_and_addresses_are_said_in_chinese(client: TestClient) -> None:
    for method, path, status in (("PUT", "/tasks", 405), ("GET", "/nowhere", 404)):
        english = problem_of(client.request(method, V1 + path), status)
        chinese = problem_of(client.request(method, V1 + path, headers={"accept-language": "zh"}), status)
        assert english["detail"] not in ("Method Not Allowed", "Not Found")
        assert not chinese["detail"].isascii()


def test_hooks_say_what_is_wrong_with_a_delivery(hooks: Hooks) -> None:
    hooks.create()
    headers = github(SECRET, PUSH)
    del headers["x-github-delivery"]
    [one] = clean(problem_of(hooks.call(PUSH, headers), 422))["errors"]
    assert (one["field"], one["value"]) == ("id", "")
    long = clean(problem_of(hooks.call(PUSH, github(SECRET, PUSH, "x" * 5_000)), 422))
    assert "is required" not in long["detail"]
    assert long["errors"][0]["value"].startswith("'xxx")
    hooks.create("lacks", template={"value": "{{ body.nothing.here }}"})
    [one] = clean(problem_of(hooks.call(PUSH, github(SECRET, PUSH), "lacks"), 422))["errors"]
    assert (one["field"], one["value"]) == ("body.nothing.here", "")


def test_a_hook_needs_a_signature_and_no_token(hooks: Hooks) -> None:
    assert problem_of(hooks.call(PUSH, {}, "nobody"), 401)["title"] == "A valid signature is needed"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "0x7f000001", "0X7F.1", "2130706433", "127.1", "0177.0.0.1", "0", "10.1", "127.0.0.1.",
        "localhost.", "a.localhost.", "LOCALHOST", "[::1]", "[::ffff:127.0.0.1]", "256.1.1.1", "1.2.3.4.5",
        "4294967296",
    ],
)  # fmt: skip
def test_webhooks_refuse_addresses_that_no_delivery_reaches(sent_by: Sender, host: str) -> None:
    new = {"name": "ci", "url": f"https://{host}/x"}
    [one] = clean(problem_of(sent_by("admin").post(f"{V1}/webhooks", json=new), 422))["errors"]
    assert one["field"] == "url"


@pytest.mark.parametrize("host", ["hooks.example.com.", "0x.example.com", "8.8.8.8", "134744072", "[2606:4700::1111]"])
def test_webhooks_take_public_addresses(sent_by: Sender, host: str) -> None:
    made = sent_by("admin").post(f"{V1}/webhooks", json={"name": "ci", "url": f"https://{host}/x"})
    assert made.status_code == 201, made.text


LARGE = "18446744073709551616-0"  # one more than 64 bits hold


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/agent/boots/b1/orders/delete", {"entries": ["1-0", LARGE]}, "entries.1"),
        ("/agent/messages/ack", {"ids": [LARGE]}, "ids.0"),
        ("/agent/messages/receive", {"held": [LARGE]}, "held.0"),
        ("/agent/messages/give-back", {"messages": {LARGE: 1}}, f"messages.{LARGE}.[key]"),
    ],
)
def test_an_id_that_redis_would_not_take(path: str, body: Any, field: str, sent_by: Sender) -> None:
    found = problem_of(sent_by("viewer", kind="agent").post(f"{V1}{path}", json=body), 422)
    [error] = found["errors"]
    assert error["field"] == field
    assert "two numbers of at most 64 bits" in error["expected"]


def test_an_order_after_an_id_that_redis_would_not_take(sent_by: Sender) -> None:
    answer = sent_by("viewer", kind="agent").get(f"{V1}/agent/boots/b1/orders", params={"after": LARGE})
    assert problem_of(answer, 422)["errors"][0]["field"] == "query.after"
