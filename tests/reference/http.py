"""The HTTP API's document (OpenAPI), and the page of its operations."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from taskyard.api.app import create
from taskyard.api.document import AGENT_TOKEN, PERMISSION
from tests.reference.text import cell


@cache
def document() -> dict[str, Any]:
    """The API's document."""
    return create().openapi()


def openapi() -> str:
    """The document as its file has it."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def http() -> Iterator[str]:
    """Every operation, by resource."""
    resources: dict[str, list[str]] = {}
    for path, operations in document()["paths"].items():
        for method, operation in operations.items():
            resources.setdefault(operation["tags"][0], []).append(_row(method, path, operation))
    for resource, rows in resources.items():
        yield f"## {resource.capitalize()}"
        yield ""
        yield "| operation | permission | what it does | name |"
        yield "|---|---|---|---|"
        yield from rows
        yield ""


def _row(method: str, path: str, operation: dict[str, Any]) -> str:
    permission = f"`{operation[PERMISSION]}`" if PERMISSION in operation else "none, nor a token"
    if operation.get(AGENT_TOKEN):
        permission = "an agent's token"
    name = operation["operationId"]
    return f"| `{method.upper()} {path}` | {permission} | {cell(operation['summary'])} | `{name}` |"
