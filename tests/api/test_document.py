"""The API's document: complete, and as the answers are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from taskyard.api.app import create
from taskyard.api.document import AGENT_TOKEN, PERMISSION
from taskyard.core.access.permissions import Permission
from taskyard.core.config import Settings
from tests.api.conftest import TestClient, problem_of

FREE = {"/healthz", "/readyz", "/hooks/{name}"}
PROBLEM = {"$ref": "#/components/schemas/Problem"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create().openapi()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def test_every_operation_says_what_it_does(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        assert operation["summary"], (method, path)
        assert operation["description"].strip().endswith("."), (method, path)
        assert operation["tags"], (method, path)


def test_every_operation_but_probes_needs_a_token(document: dict[str, Any]) -> None:
    assert "token" in document["components"]["securitySchemes"]
    for method, path, operation in operations(document):
        assert (operation.get("security") == [{"token": []}]) is (path not in FREE), (method, path)


def test_every_operation_names_its_refusals_as_problems(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        answers = operation["responses"]
        wanted = set() if path in FREE else {"401", "403", "503"}
        wanted |= {"404"} if "{" in path else set()
        wanted |= {"422"} if operation.get("parameters") or "requestBody" in operation else set()
        assert wanted <= set(answers), (method, path)
        for status, answer in answers.items():
            if status[0] in "45":
                assert answer["description"], (method, path, status)
                assert answer["content"] == {"application/problem+json": {"schema": PROBLEM}}, (method, path, status)


def test_every_parameter_and_field_is_described(document: dict[str, Any]) -> None:
    bare = [
        (path, parameter["name"])
        for _method, path, operation in operations(document)
        for parameter in operation.get("parameters", ())
        if not parameter.get("description") and parameter["name"] != "limit"
    ]
    assert bare == []
    assert [name for name, schema in document["components"]["schemas"].items() if "description" not in schema] == []


def test_every_reference_leads_to_a_schema(document: dict[str, Any]) -> None:
    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for name, inner in value.items():
                if name == "$ref":
                    yield inner
                else:
                    yield from references(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from references(inner)

    schemas = document["components"]["schemas"]
    assert {name.removeprefix("#/components/schemas/") for name in references(document)} <= set(schemas)


def test_the_document_is_served_as_it_is_made(client: TestClient, document: dict[str, Any]) -> None:
    assert client.get("/api/v1/openapi.json").json() == document


@pytest.mark.parametrize("path", ["/nothing", "/api/v1/nothing", "/api/v1/tasks/a/b/c"])
def test_what_does_not_exist_is_a_problem(client: TestClient, path: str) -> None:
    problem_of(client.get(path), 404)


def test_problems_are_in_the_language_of_the_request(client: TestClient) -> None:
    chinese = {"accept-language": "zh-CN"}
    texts = [problem_of(client.get("/api/v1/queues/none", headers=headers), 404)["detail"] for headers in ({}, chinese)]
    assert texts[0] == "queue none does not exist"
    assert texts[1] != texts[0]


def test_answers_fit_their_schemas(client: TestClient, document: dict[str, Any], loaded: dict[str, str]) -> None:
    """Each operation that reads and takes no body, on what there is."""
    values = {"{id}": loaded["failed"], "{fingerprint}": "00aa11bb22cc33dd"}
    names = {"types": "diagnostic.echo", "queues": "default", "agents": "builder", "webhooks": "none"}
    checked = 0
    for method, path, operation in operations(document):
        schema = operation["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema")
        if method != "get" or not schema or "/access/" in path or "/alerts/{id}" in path:
            continue
        for part, value in values.items():
            path = path.replace(part, value)
        path = path.replace("{name}", names.get(path.split("/")[3] if path.count("/") > 2 else "", ""))
        answer = client.get(path)
        if answer.headers["content-type"] == "application/json" and answer.status_code == 200:
            jsonschema_rs.validator_for({**schema, "components": document["components"]}).validate(answer.json())
            checked += 1
    assert checked >= 20


def test_settings_are_the_test_s(settings: Settings, client: TestClient) -> None:
    assert client.app.state.services.settings.namespace == settings.namespace  # type: ignore[attr-defined]


def test_every_operation_but_probes_names_its_permission(document: dict[str, Any]) -> None:
    known = {permission.value for permission in Permission}
    for method, path, operation in operations(document):
        if path in FREE:
            assert PERMISSION not in operation
        elif path.startswith("/api/v1/agent/"):
            assert operation[AGENT_TOKEN] is True
            assert PERMISSION not in operation
            assert "an agent's token" in operation["responses"]["403"]["description"]
        else:
            assert operation[PERMISSION] in known, (method, path)
            assert f"`{operation[PERMISSION]}`" in operation["responses"]["403"]["description"]


def test_operation_ids_are_short_and_unique(document: dict[str, Any]) -> None:
    """They are the names of functions in generated clients."""
    ids = [operation["operationId"] for _method, _path, operation in operations(document)]
    assert len(set(ids)) == len(ids)
    assert {"tasks_submit", "tasks_submit_many", "queues_find", "agents_pause", "access_make_token"} <= set(ids)
    for (_method, _path, operation), name in zip(operations(document), ids, strict=True):
        assert re.fullmatch(r"[a-z]+(_[a-z]+)+", name)
        assert name.startswith(f"{operation['tags'][0]}_")
        assert len(name) <= 30


def test_fields_that_a_request_may_leave_out_have_no_default(document: dict[str, Any]) -> None:
    """A generator of TypeScript makes a field with a default one that must be there."""
    schemas = document["components"]["schemas"]
    for name in ("NewTask", "Reason", "NewSilence", "BulkOrder", "NewFilter"):
        fields = schemas[name]["properties"]
        optional = [field for key, field in fields.items() if key not in schemas[name].get("required", ())]
        assert optional
        assert all("default" not in field for field in optional), name
    assert 'default: "*"' in schemas["NewSilence"]["properties"]["subject"]["description"]


def test_every_example_fits_its_schema(document: dict[str, Any]) -> None:
    problems = []
    for name, schema in document["components"]["schemas"].items():
        whole = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        check = jsonschema_rs.Draft202012Validator(whole)
        problems += [
            f"{name}: {error.message}" for one in schema.get("examples", ()) for error in check.iter_errors(one)
        ]
        for field, part in schema.get("properties", {}).items():
            check = jsonschema_rs.Draft202012Validator({**part, "components": document["components"]})
            found = [error.message for one in part.get("examples", ()) for error in check.iter_errors(one)]
            problems += [f"{name}.{field}: {message}" for message in found]
    assert problems == []
