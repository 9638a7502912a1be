"""Makes requests of the API's document, and judges the answers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import jsonschema_rs
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from taskyard.core.access.permissions import Role

STREAMS = ("/events",)  # without an end
WAIT_SECONDS = "0.05"  # of a request that waits for a result
TIMEOUT_SECONDS = 60.0
PROBLEM = "application/problem+json"
BUSY = (503, 504)
ROLES = ("local", *Role)  # a program of this machine needs no token


@dataclass
class Findings:
    """What was sent, and the first example of each kind of wrong answer."""

    statuses: Counter[int] = field(default_factory=Counter)
    wrong: dict[str, str] = field(default_factory=dict)

    @property
    def cases(self) -> int:
        """Returns how many requests were sent."""
        return self.statuses.total()


class Hammer:
    """Sends generated requests to an API, on behalf of each role in turn."""

    def __init__(
        self, url: str, document: dict[str, Any], tokens: Mapping[str, str], known: Mapping[str, Sequence[str]]
    ) -> None:
        """`tokens` are by role; `known` has the values of path parameters that exist, by name."""
        self._document = document
        self._tokens = tokens
        self._known = known
        self._client = httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS, trust_env=False)
        self._schema = schemathesis.openapi.from_dict(document)
        self.findings = Findings()
        self._turn = 0

    def close(self) -> None:
        """Closes its connections."""
        self._client.close()

    def run(self, examples: int, number: int) -> Findings:
        """Sends so many requests, of each kind of data, for each operation, by the roles in turn.

        `number` is the seed.
        """
        for found in self._schema.get_all_operations():
            operation = found.ok()
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                self._run_one(operation, mode, examples, number)
        return self.findings

    def _run_one(self, operation: Any, mode: GenerationMode, examples: int, number: int) -> None:
        @seed(number)
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def send(case: Any) -> None:
            self._turn += 1
            if self._turn % 2:
                self._use_known(case)
            role = ROLES[self._turn % len(ROLES)]
            self._send(case, role, self._tokens.get(role))

        with suppress(Unsatisfiable, schemathesis.errors.SchemathesisError):  # nothing can be wrong in it
            send()

    def _use_known(self, case: Any) -> None:
        for name in case.path_parameters or {}:
            values = self._known.get(f"{case.path}:{name}") or self._known.get(name) or ()
            if values:
                case.path_parameters[name] = values[self.findings.cases % len(values)]

    def _send(self, case: Any, role: str, token: str | None) -> None:
        if "wait" in (case.query or {}):
            case.query["wait"] = WAIT_SECONDS
        given = case.as_transport_kwargs(base_url="http://api")
        given_headers = dict(given.get("headers") or {})
        headers = {n: v for n, v in given_headers.items() if v is not None and n.lower() != "authorization"}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        where = f"{case.method} {case.path}"
        url = given["url"].removeprefix("http://api")
        body = {name: given[name] for name in ("json", "data") if given.get(name) is not None}
        try:
            content = self._body(body)
            request = self._client.build_request(
                case.method, url, params=given.get("params") or None, headers=headers, content=content
            )
            response = self._client.send(request, stream=True)
        except (UnicodeError, httpx.InvalidURL, httpx.LocalProtocolError, ValueError, TypeError):
            return  # no client could send that
        except httpx.TransportError as error:
            self.findings.wrong.setdefault(f"{where}: {type(error).__name__}", f"{role} {url} {body}"[:500])
            return
        try:
            is_stream = response.status_code == 200 and case.path.endswith(STREAMS)
            text = b"" if is_stream else response.read()
        except httpx.TransportError as error:
            self.findings.wrong.setdefault(f"{where}: broke off: {type(error).__name__}", f"{role} {url}"[:500])
            return
        finally:
            response.close()
        self.findings.statuses[response.status_code] += 1
        problem = self._problem_of(case, response, text, is_stream)
        if problem:
            example = f"{role} {request.url} {str(body)[:300]} -> {response.status_code} {text[:300]!r}"
            self.findings.wrong.setdefault(f"{where}: {problem}", example)

    def _body(self, body: Mapping[str, Any]) -> bytes | None:
        if "json" in body:
            return json.dumps(body["json"], default=str).encode()
        found = body.get("data")
        return found.encode("utf-8", "surrogatepass") if isinstance(found, str) else found

    def _problem_of(self, case: Any, response: httpx.Response, text: bytes, is_stream: bool) -> str:
        """Returns why an answer is not what the document says; empty if it is."""
        status = response.status_code
        if status >= 500 and status not in BUSY:
            return f"answers {status}"
        documented = self._document["paths"][case.path][case.method.lower()]["responses"]
        answer = documented.get(str(status)) or documented.get(f"{str(status)[0]}XX")
        if answer is None:
            return f"{status} is not documented"
        kind = response.headers.get("content-type", "").partition(";")[0]
        contents = answer.get("content", {})
        if not contents:
            return f"{status} has a body" if text else ""
        if kind not in contents:
            return f"{status} is of {kind!r}"
        schema = contents[kind].get("schema")
        if is_stream or not schema or kind not in ("application/json", PROBLEM):
            return ""
        return self._mismatch(schema, text)

    def _mismatch(self, schema: Mapping[str, Any], text: bytes) -> str:
        try:
            value = json.loads(text)
        except ValueError as error:
            return f"no JSON: {error}"
        validator = jsonschema_rs.validator_for({**schema, "components": self._document["components"]})
        first = next(iter(validator.iter_errors(value)), None)
        return "" if first is None else f"outside its schema at {list(first.instance_path)}: {first.message[:200]}"
