"""Makes requests of the API's document, and has the answers judged.

Of four requests one is wholly as generated; the others name what exists, and of these some bring a body that is
accepted, or one with a single generated field, so that what lies behind the checks is reached as well.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from tests.api.hammer.judge import Judge
from tests.api.hammer.known import Known
from tests.api.hammer.senders import Sender

STREAMS = ("/events",)  # without an end
WAIT_SECONDS = "0.05"  # of a request that waits for something
ENDING = ("/cancel", "/cancel-tree", "/bulk", "/drain", "/hold")  # what can't be used well after them
TIMEOUT_SECONDS = 60.0
TRACES = ("Traceback (most recent call last)", "Exception in ASGI application")


@dataclass
class Findings:
    """What was sent, by whom, and the first example of each kind of wrong answer."""

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)  # by sender and status
    wrong: dict[str, str] = field(default_factory=dict)
    never_accepted: set[str] = field(default_factory=set)  # operations that were always refused

    @property
    def cases(self) -> int:
        """Returns how many requests were answered."""
        return self.statuses.total()

    def of(self, sender: str) -> dict[int, int]:
        """Returns how often each status was a sender's answer."""
        return {status: count for (name, status), count in sorted(self.statuses.items()) if name == sender}


@dataclass
class Sent:
    """A request as it goes out."""

    url: str
    params: Any
    headers: dict[str, str]
    body: bytes | None


class Hammer:
    """Sends generated requests to an API, on behalf of each sender."""

    def __init__(
        self,
        url: str,
        document: dict[str, Any],
        senders: list[Sender],
        renewed: Callable[[], Known],
        log: Path | None = None,
    ) -> None:
        """`renewed` makes new things that requests can name; `log` is what the API's process prints."""
        self._senders = senders
        self._renewed = renewed
        self._known = Known()
        self._accepted: set[str] = set()
        self._log = log
        self._log_bytes = 0
        self._client = httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS, trust_env=False)
        self._schema = schemathesis.openapi.from_dict(document)
        self._judge = Judge(document)
        self._chance = random.Random()  # of each run, from its seed
        self.findings = Findings()

    def close(self) -> None:
        """Closes its connections."""
        self._client.close()

    def run(self, examples: int, number: int) -> Findings:
        """Sends so many requests, of each kind of data, for each operation; `number` is the seed."""
        self._chance = random.Random(number)
        self._known = self._renewed()
        for operation in sorted((found.ok() for found in self._schema.get_all_operations()), key=_destroys):
            where = f"{operation.method.upper()} {operation.path}"
            if where not in self._accepted:
                self.findings.never_accepted.add(where)
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                self._run_one(operation, mode, examples, number)
            self._read_log(where)
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
            [sender] = self._chance.choices(self._senders, [one.weight for one in self._senders])
            self._send(case, sender)

        with suppress(Unsatisfiable, schemathesis.errors.SchemathesisError):  # nothing can be wrong in it
            send()

    def _send(self, case: Any, sender: Sender) -> None:
        where = f"{case.method} {case.path}"
        try:
            sent = self._prepared(case, sender)
            request = self._client.build_request(
                case.method, sent.url, params=sent.params, headers=sent.headers, content=sent.body
            )
            response = self._client.send(request, stream=True)
        except (UnicodeError, httpx.InvalidURL, httpx.LocalProtocolError, ValueError, TypeError):
            return  # no client could send that
        except httpx.TransportError as error:
            self._note(f"{where}: {type(error).__name__}", f"{sender.name} {sent.url} {sent.body!r}")
            return
        try:
            is_stream = response.status_code == 200 and case.path.endswith(STREAMS)
            text = b"" if is_stream else response.read()
        except httpx.TransportError as error:
            self._note(f"{where}: broke off: {type(error).__name__}", f"{sender.name} {sent.url} {sent.body!r}")
            return
        finally:
            response.close()
        self.findings.statuses[sender.name, response.status_code] += 1
        if response.status_code < 400:
            self._accepted.add(where)
            self.findings.never_accepted.discard(where)
            self._known.learn(case.path, response, text)
        problem = self._judge.problem_of(case.path, case.method, response, text, sender, is_stream=is_stream)
        if problem:
            said = f"{request.url} {(sent.body or b'')[:300]!r} -> {response.status_code} {text[:300]!r}"
            self._note(f"{where}: {problem}", f"{sender.name} {said}")

    def _prepared(self, case: Any, sender: Sender) -> Sent:
        """Returns a request of a case; what it names and brings is known, in some of them."""
        is_known, is_accepted, is_mixed = self._chance.choice(((0, 0, 0), (1, 0, 0), (1, 1, 0), (1, 0, 1)))
        if is_known:
            self._known.name_things(case, self._chance)
        if "wait" in (case.query or {}):
            case.query["wait"] = WAIT_SECONDS
        made = case.as_transport_kwargs(base_url="http://api")
        headers = {name: value for name, value in (made.get("headers") or {}).items() if value is not None}
        headers = {name: value for name, value in headers.items() if name.lower() not in ("authorization", "host")}
        body = made["json"] if made.get("json") is not None else made.get("data")
        if is_accepted or is_mixed:
            accepted = self._known.body(case.method, case.path, self._chance)
            if accepted is not None:
                body = _mixed(accepted.body, body, self._chance) if is_mixed else accepted.body
                headers |= accepted.headers(_bytes(body))
        url = made["url"].removeprefix("http://api")
        return Sent(url, made.get("params") or None, {**headers, **sender.headers}, _bytes(body))

    def _read_log(self, where: str) -> None:
        """Finds traces in what the API has printed since the last time."""
        if self._log is None:
            return
        with self._log.open("rb") as log:
            log.seek(self._log_bytes)
            new = log.read()
        self._log_bytes += len(new)
        text = new.decode(errors="replace")
        if any(trace in text for trace in TRACES):
            self._note(f"{where}: a trace in the API's log", text[-3000:], limit=3000)

    def _note(self, kind: str, example: str, limit: int = 1000) -> None:
        self.findings.wrong.setdefault(kind, example[:limit])


def _destroys(operation: Any) -> tuple[bool, bool]:
    """Returns how much of what exists an operation takes away from those after it."""
    is_deletion = operation.method.upper() == "DELETE"
    return is_deletion or operation.path.endswith(ENDING), is_deletion and "{" not in operation.path


def _mixed(accepted: Any, generated: Any, chance: random.Random) -> Any:
    """Returns an accepted body with one field of a generated one."""
    if not isinstance(accepted, dict) or not isinstance(generated, Mapping) or not generated:
        return accepted
    name = chance.choice(list(generated))
    return {**accepted, name: generated[name]}


def _bytes(body: Any) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode("utf-8", "surrogatepass")
    return json.dumps(body, default=str).encode()
