"""Values that nobody means: every operation answers with a status of its document, never 5xx."""

from __future__ import annotations

import itertools
import json
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pytest

from tests.api.conftest import FINGERPRINT, SECRET, Sender, TestClient, problem_of
from tests.api.test_permissions import OPERATIONS, V1

TEXTS = (
    "\x00", "a\x00b", "é" * 300, "'; DROP TABLE tasks; --", "%", "..", "../../etc/passwd", "\u202e", "1e999", "-1", "*",
    "0", "null", "true", "[]", "{}", "9" * 400, "2026-13-45", "\ud7ff", "\U0001f600", " ", "\n", "", "\ud800",
)  # fmt: skip
BODIES = (
    b"", b"null", b"1", b'"x"', b"[]", b"[1]", b'{"a": 1}', b'{"reason": "\\u0000"}', b'{"reason": 1}', b"true",
    b"1e400", b'{"a": NaN}', b'{"reason": "\\ud800"}', b"\xff", b"{", b"[" * 2_000, b'{"a": ' + b"9" * 5_000 + b"}",
    b'{"reason": "a", "reason": "b"}', b"\xef\xbb\xbf{}", b'{"\\u0000": 1}',
)  # fmt: skip
ONE_ID = "0199c0de-0000-7000-8000-000000000001"
JSON = {"content-type": "application/json"}
FEW, ALL = 3, max(len(TEXTS), len(BODIES))  # of the values, in each place
SEED = 7


@dataclass(frozen=True)
class Hostile:
    """A request with a value that nobody means: `place` says where."""

    place: str
    value: object
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None


class Turns:
    """Hands values out, so many at a time; each has its turn before any comes again."""

    def __init__(self, values: tuple[Any, ...], each: int) -> None:
        mixed = random.Random(SEED).sample(values, len(values))
        self._cycle, self._each = itertools.cycle(mixed), min(each, len(values))

    def next(self) -> list[Any]:
        return list(itertools.islice(self._cycle, self._each))


def requests_of(
    method: str, template: str, body: Any, query: list[str], fields: list[str], texts: Turns, bodies: Turns
) -> Iterator[Hostile]:
    """Requests of one operation, each with one hostile value in its path, its query or its body."""
    path = template.replace("{fingerprint}", FINGERPRINT).replace("{id}", ONE_ID).replace("{name}", "unknown")
    accepted = None if body is None else written(body)
    for name in re.findall(r"\{(\w+)\}", template):
        for text in texts.next():
            given = quote(text.encode("utf-8", "surrogatepass"), safe="")
            yield Hostile("path", text, path_with(template, name, given), {}, accepted)
    for name in query:
        for text in texts.next():
            yield Hostile(name, text, path, {name: text}, accepted)
    if isinstance(body, dict):
        for name in dict.fromkeys([*body, *fields]):
            for text in texts.next():
                yield Hostile(name, text, path, {}, written({**body, name: text}))
    if method != "GET":
        for content in bodies.next():
            yield Hostile("body", content, path, {}, content)


def path_with(template: str, name: str, given: str) -> str:
    others = template.replace("{" + name + "}", given)
    return others.replace("{fingerprint}", FINGERPRINT).replace("{id}", ONE_ID).replace("{name}", "unknown")


def query_of(operation: dict[str, Any]) -> list[str]:
    """The names of an operation's parameters in the query."""
    return [one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"]


def fields_of(operation: dict[str, Any], schemas: dict[str, Any]) -> list[str]:
    """The names of the fields of an operation's body, if that is an object."""
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    for option in schema.get("anyOf", [schema]):
        if "$ref" in option:
            return list(schemas[option["$ref"].rpartition("/")[2]].get("properties", ()))
    return []


def written(body: Any) -> bytes:
    return json.dumps(body).encode()  # of lone surrogates it writes escapes


@pytest.mark.parametrize("each", [FEW, pytest.param(ALL, marks=pytest.mark.slow)])
def test_every_value_is_answered(each: int, sent_by: Sender, client: TestClient) -> None:
    admin, document = sent_by("admin"), client.get(f"{V1}/openapi.json").json()
    schemas = document["components"]["schemas"]
    texts, bodies, problems, sent = Turns(TEXTS, each), Turns(BODIES, each), [], []
    for (method, template), (_permission, body) in OPERATIONS.items():
        operation = document["paths"][V1 + template][method.lower()]
        query, fields = query_of(operation), fields_of(operation, schemas)
        for hostile in requests_of(method, template, body, query, fields, texts, bodies):
            sent.append(hostile.value)
            try:
                check_answer(admin, method, hostile, set(operation["responses"]))
            except AssertionError as error:
                problems.append(f"{method} {template}: {hostile.place} {hostile.value!r:.80}: {error}")
    assert not problems, "\n\n".join(problems)
    assert {*TEXTS, *BODIES} <= {*sent}


def check_answer(admin: TestClient, method: str, sent: Hostile, statuses: set[str]) -> None:
    query = {name: value.encode("utf-8", "surrogatepass") for name, value in sent.query.items()}
    answer = admin.request(method, V1 + sent.path, params=query, content=sent.content, headers=JSON)
    status = str(answer.status_code)
    assert answer.status_code < 500, answer.text
    assert status in statuses or status[0] in "34", answer.text
    if status[0] == "4":
        problem_of(answer, answer.status_code)
    assert SECRET not in answer.text
