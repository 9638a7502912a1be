"""Judges answers by the document: their status, their kind and their schema, and whether they were to be given."""

from __future__ import annotations

import json
from typing import Any

import httpx
import jsonschema_rs

from tests.api.hammer.senders import Sender

PROBLEM = "application/problem+json"
BUSY = (503, 504)
# What any request may be answered with, whatever it asks for; every other status is named by its operation.
EVERYWHERE = (405, 408, 413, 415, *BUSY)


class Judge:
    """Knows what the document says of each operation."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._validators: dict[tuple[str, str, str], Any] = {}

    def operation(self, path: str, method: str) -> dict[str, Any]:
        """Returns what the document says of an operation."""
        found: dict[str, Any] = self._document["paths"][path][method.lower()]
        return found

    def problem_of(
        self, path: str, method: str, response: httpx.Response, text: bytes, sender: Sender, *, is_stream: bool = False
    ) -> str:
        """Returns why an answer is not what the document says; empty if it is."""
        status, operation = response.status_code, self.operation(path, method)
        if status >= 500 and status not in BUSY:
            return f"answers {status}"
        if status < 400 and sender.may_not(operation):
            return f"answers {status} to {sender.name}"
        documented = operation["responses"]
        name = str(status) if str(status) in documented else f"{str(status)[0]}XX"
        if name not in documented or (name != str(status) and status not in EVERYWHERE):
            return f"{status} is not documented"
        kind = response.headers.get("content-type", "").partition(";")[0]
        contents = documented[name].get("content", {})
        if not contents:
            return f"{status} has a body" if text else ""
        if kind not in contents:
            return f"{status} is of {kind!r}"
        schema = contents[kind].get("schema")
        if is_stream or not schema or kind not in ("application/json", PROBLEM):
            return ""
        return self._mismatch((path, method, name), schema, text)

    def _mismatch(self, key: tuple[str, str, str], schema: dict[str, Any], text: bytes) -> str:
        try:
            value = json.loads(text)
        except ValueError as error:
            return f"no JSON: {error}"
        validator = self._validators.get(key)
        if validator is None:
            validator = jsonschema_rs.validator_for({**schema, "components": self._document["components"]})
            self._validators[key] = validator
        first = next(iter(validator.iter_errors(value)), None)
        return "" if first is None else f"outside its schema at {list(first.instance_path)}: {first.message[:200]}"
