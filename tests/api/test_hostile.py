"""Values that nobody means: every operation answers with a status of its document, never 5xx."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from tests.api.conftest import FINGERPRINT, SECRET, Sender, TestClient, problem_of
from tests.api.test_permissions import OPERATIONS, V1
from tests.each import for_each

TEXTS = (
    "\x00", "a\x00b", "é" * 300, "'; DROP TABLE tasks; --", "%", "..", "../../etc/passwd", "\u202e", "1e999", "-1", "*",
    "0", "null", "true", "[]", "{}", "9" * 400, "2026-13-45", "\ud7ff", "\U0001f600", " ", "\n",
)  # fmt: skip
BODIES: tuple[Any, ...] = (None, 1, "x", [], [1], {"a": 1}, {"reason": "\x00"}, {"reason": 1}, True, 1e400)
ONE_ID = "0199c0de-0000-7000-8000-000000000001"


def parameters(client: TestClient, method: str, template: str) -> list[str]:
    """The names of an operation's parameters in the query."""
    operation = client.get(f"{V1}/openapi.json").json()["paths"][V1 + template][method.lower()]
    return [one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"]


def documented(client: TestClient, method: str, template: str) -> set[str]:
    """The statuses that an operation's document names."""
    return set(client.get(f"{V1}/openapi.json").json()["paths"][V1 + template][method.lower()]["responses"])


@for_each("operation", list(OPERATIONS), " ".join)
def test_every_value_is_answered(operation: tuple[str, str], sent_by: Sender, client: TestClient) -> None:
    method, template = operation
    admin, body = sent_by("admin"), OPERATIONS[operation][1]
    statuses = documented(client, method, template)
    path = template.replace("{fingerprint}", FINGERPRINT).replace("{id}", ONE_ID).replace("{name}", "unknown")
    tried: list[tuple[str, dict[str, str], Any]] = []
    for text in TEXTS:
        if "{" in template:
            tried.append((re.sub(r"\{\w+\}", lambda _m, t=text: quote(t, safe=""), template), {}, body))  # type: ignore[misc]
        tried += [(path, {name: text}, body) for name in parameters(client, method, template)]
        if isinstance(body, dict):
            tried += [(path, {}, {**body, name: text}) for name in body]
    if method != "GET":
        tried += [(path, {}, one) for one in BODIES if one != 1e400]
    for where, query, content in tried:
        answer = admin.request(method, V1 + where, params=query, json=content)
        status = str(answer.status_code)
        assert answer.status_code < 500, (method, where, query, content, answer.text)
        assert status in statuses or status[0] in "34", (method, where, query, content, answer.text)
        if status[0] == "4":
            problem_of(answer, answer.status_code)
        assert SECRET not in answer.text
