"""Knows what exists, and what is accepted: names for paths and queries, and bodies."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.hook_calls import PUSH, github, written

V1 = "/api/v1"
JSON, LINES, TABLE = "application/json", "application/x-ndjson", "text/csv"
PAGES = ("after", "before")  # parameters that take the `next` of an answer
CURSORS_LIMIT = 20
QUERY_SHARE = 0.5  # of known values among those of queries

# Submissions that are accepted of each shipped type, and of each option.
SUBMISSIONS: tuple[dict[str, Any], ...] = (
    {"type": "diagnostic.noop"},
    {"type": "diagnostic.noop_process", "priority": "urgent", "queue": "reports"},
    {"type": "diagnostic.echo", "input": {"value": {"n": [1, "é", None]}}, "title": "Said again"},
    {"type": "diagnostic.sleep", "input": {"seconds": 0.1}, "timeout_seconds": 5, "max_attempts": 2},
    {"type": "diagnostic.sleep_async", "input": {"seconds": 0.1}, "delay_seconds": 60},
    {"type": "diagnostic.fail", "run_at": "2031-01-01T00:00:00Z"},
    {"type": "diagnostic.crash", "requires": ["linux"], "queue": "reports"},
    {"type": "diagnostic.spin", "queue": "nightly"},
    {"type": "diagnostic.flaky", "idempotency_key": "flaky"},
    {"type": "analysis.profile", "input": {"rows": [{"a": 1, "b": None}]}},
    {"type": "code.run", "input": {"script": "print(1)"}},
    {"type": "code.metrics", "input": {"sources": {"a.py": "x = 1\n"}}},
    {"type": "testing.pytest", "input": {"files": {"test_a.py": "def test(): pass\n"}}},
)


@dataclass(frozen=True)
class Body:
    """A body that an operation accepts; `sign` makes its headers of the bytes that are sent."""

    body: Any
    media_type: str = JSON
    sign: Callable[[bytes | None], Mapping[str, str]] | None = None

    def headers(self, content: bytes | None) -> dict[str, str]:
        """Returns the headers that go with it."""
        return {"content-type": self.media_type, **(self.sign(content) if self.sign else {})}


@dataclass
class Known:
    """What exists now.

    `things` are by the name of a path's parameter, or by `path:name` for one path or what lies below it.
    """

    things: Mapping[str, Sequence[str]] = field(default_factory=dict)
    queries: Mapping[str, Sequence[str]] = field(default_factory=dict)
    bodies: Mapping[str, Sequence[Body]] = field(default_factory=dict)  # by "METHOD path"
    cursors: dict[str, list[str]] = field(default_factory=dict)  # by path

    def name_things(self, case: Any, chance: random.Random) -> None:
        """Lets a case name what exists, in its path and some of its query."""
        for name in case.path_parameters or {}:
            values = self._of(case.path, name)
            if values:
                case.path_parameters[name] = chance.choice(values)
        for name in case.query or {}:
            values = self.cursors.get(case.path, ()) if name in PAGES else self.queries.get(name, ())
            if values and chance.random() < QUERY_SHARE:
                case.query[name] = chance.choice(values)

    def body(self, method: str, path: str, chance: random.Random) -> Body | None:
        """Returns a body that an operation accepts; None if it takes none."""
        found = self.bodies.get(f"{method.upper()} {path}")
        return chance.choice(found) if found else None

    def learn(self, path: str, response: httpx.Response, text: bytes) -> None:
        """Keeps where the next page of an answer begins."""
        is_json = response.headers.get("content-type") == JSON
        if response.status_code == 200 and is_json and b'"next"' in text:
            found = json.loads(text)
            if isinstance(found, dict) and isinstance(found.get("next"), str):
                self.cursors.setdefault(path, []).append(found["next"])
                del self.cursors[path][:-CURSORS_LIMIT]

    def _of(self, path: str, name: str) -> Sequence[str]:
        best = max((key for key in self.things if _fits(key, path, name)), key=len, default=name)
        return self.things.get(best, ())


def _fits(key: str, path: str, name: str) -> bool:
    below, _, parameter = key.rpartition(":")
    return parameter == name and bool(below) and path.startswith(below)


def bodies(things: Mapping[str, Sequence[str]], secret: str, number: int) -> dict[str, list[Body]]:
    """Returns bodies that are accepted, by "METHOD path"; `secret` is that of the hooks, `number` that of the round."""
    made: dict[str, list[Any]] = {
        f"POST {V1}/tasks": [*SUBMISSIONS, *_families(things["id"])],
        f"POST {V1}/tasks/states": [{"ids": list(things["id"])}],
        f"POST {V1}/task-filters": [
            {"name": f"New {number}", "filter": {"states": ["failed"], "since": "24h"}},
            {"name": "Again", "filter": {"types": ["diagnostic.*"]}, "overwrite": True},
        ],
        f"POST {V1}/alerts/silences": [{"rule": "*", "seconds": 60}, {"rule": "queue*", "seconds": 1, "reason": "x"}],
        f"PATCH {V1}/access/principals/{{name}}": [
            {"role": "viewer"}, {"queues": ["reports"], "types": ["diagnostic.*"]}, {"is_disabled": True},
            {"is_disabled": False},
        ],
        f"POST {V1}/access/principals": [{"name": f"new-{number}-{n}", "kind": "service"} for n in range(5)],
        f"PUT {V1}/access/principals/{{name}}/password": [{"password": "long enough for this"}],
        f"POST {V1}/access/principals/{{name}}/tokens": [{}, {"days": 30, "note": "nightly"}],
        f"POST {V1}/webhooks": [
            {"name": f"new-{number}-{n}", "url": "https://hooks.example.com/", "outcomes": ["failed"]} for n in range(5)
        ],
        f"PATCH {V1}/webhooks/{{name}}": [
            {}, {"url": "https://hooks.example.com/x", "queues": ["reports"]}, {"is_disabled": True},
            {"is_disabled": False}, {"has_output": True},
        ],
        f"POST {V1}/hooks": [
            {"name": f"new-{number}-{n}", "scheme": scheme, "type": "diagnostic.echo", "template": {"value": "x"}}
            for n, scheme in enumerate(("github", "standard"))
        ],
        f"PATCH {V1}/hooks/{{name}}": [
            {}, {"events": ["push"]}, {"is_disabled": False}, {"template": {"value": "{{ body.ref }}"}},
        ],
        f"POST {V1}/hooks/{{name}}/secret": [{}],
        f"POST {V1}/mailboxes/{{name}}/redrive": [{}],
        f"PUT {V1}/failures/{{fingerprint}}/mute": [{"seconds": 60}, {"seconds": 60, "reason": "known"}],
    }  # fmt: skip
    for path in ("alerts/{id}/ack", "agents/{name}/pause", "agents/{name}/drain", "agents/{name}/resume"):
        made[f"POST {V1}/{path}"] = [{}, {"reason": "because"}]
    made[f"POST {V1}/agents/{{name}}/restart"] = [{}]
    made[f"POST {V1}/pools/{{kind}}/scale"] = [{"count": 2}, {"count": 0, "reason": "quiet"}]
    made[f"POST {V1}/pools/{{kind}}/reset"] = [{}]
    for kind in ("queues", "types"):
        made[f"PUT {V1}/{kind}/{{name}}/hold"] = [{"mode": "paused"}, {"mode": "draining", "reason": "an upgrade"}]
    found = {name: [Body(one) for one in several] for name, several in (made | _of_tasks(things)).items()}
    return found | _of_agents(things) | _of_files() | {"POST /hooks/{name}": _calls(secret)}


def _families(ids: Sequence[str]) -> list[dict[str, Any]]:
    """Returns submissions that wait for tasks: some that exist, and one that does not."""
    return [{"type": "diagnostic.noop", "after": after} for after in ([ids[0]], list(ids[-3:]), [str(uuid.uuid4())])]


def _of_tasks(things: Mapping[str, Sequence[str]]) -> dict[str, list[Any]]:
    targets: list[dict[str, Any]] = [
        {"action": "cancel", "ids": list(things["id"])[:3]},
        {"action": "retry", "filter": {"states": ["failed"], "since": "1h"}},
        {"action": "priority", "priority": "high", "filter": {"queues": ["reports"], "types": ["diagnostic.noop"]}},
    ]
    reason = [{}, {"reason": "because"}]
    return {
        f"POST {V1}/tasks/bulk/preview": targets,
        f"POST {V1}/tasks/bulk": [{**target, "reason": "a test"} for target in targets],
        f"POST {V1}/tasks/{{id}}/cancel": reason,
        f"POST {V1}/tasks/{{id}}/cancel-tree": reason,
        f"POST {V1}/tasks/{{id}}/retry": reason,
        f"POST {V1}/tasks/{{id}}/priority": [{"priority": "high"}, {"priority": "low", "reason": "it can wait"}],
    }


def _calls(secret: str) -> list[Body]:
    """Returns calls of hooks: new ones, one that comes again, and one that differs from what came under its id."""

    def signed(delivery: str) -> Callable[[bytes | None], Mapping[str, str]]:
        return lambda content: github(secret, content or b"", delivery or str(uuid.uuid4()))

    other = written({**PUSH, "ref": "refs/heads/other"})
    return [
        Body(written(PUSH), JSON, signed("")),
        Body(written(PUSH), JSON, signed("a")),
        Body(other, JSON, signed("a")),
    ]


def _of_files() -> dict[str, list[Body]]:
    lines = "\n".join(json.dumps(one) for one in SUBMISSIONS)
    table = "type,priority,input,idempotency_key\ndiagnostic.noop,high,,a\ndiagnostic.echo,hihg,,b\n,,,\n"
    return {
        f"POST {V1}/tasks/batch": [Body(list(SUBMISSIONS)), Body(lines, LINES), Body(lines + "\n{", LINES)],
        f"POST {V1}/tasks/check": [Body(table, TABLE), Body(lines, LINES), Body(lines + "\n5", LINES)],
    }


def _of_agents(things: Mapping[str, Sequence[str]]) -> dict[str, list[Body]]:
    [name], [boot], [entry] = things["agent"], things["boot"], things["entry"]
    id_ = f"{name}:{boot}"
    agent = {
        "id": id_, "name": name, "boot_id": boot, "kind": "edge", "host": "gateway", "pid": 1,
        "types": ["diagnostic.*"], "tags": [], "max_concurrency": 3, "version": 1,
    }  # fmt: skip
    held = [[task, 1] for task in list(things["id"])[:2]]
    beat = {
        "agent": agent, "generation": "", "read_position": "0-0", "held": held, "running": 1, "draining": False,
        "cpu_percent": 2.5, "memory_bytes": 50_000_000, "number": 1,
    }  # fmt: skip
    return {
        f"POST {V1}/agent/reports": [
            Body([]), Body([["started", id_, held, 1764240000.0]]),
        ],
        f"PUT {V1}/agent/boots/{{boot}}/heartbeat": [Body(beat), Body({**beat, "agent": {**agent, "tags": ["gpu"]}})],
        f"POST {V1}/agent/boots/{{boot}}/orders/delete": [Body({"entries": [entry]})],
        f"POST {V1}/agent/messages": [Body({"to": name, "body": {"n": 1}})],
        f"POST {V1}/agent/messages/receive": [Body({})],
        f"POST {V1}/agent/messages/ack": [Body({"ids": [entry]})],
        f"POST {V1}/agent/messages/give-back": [Body({"messages": {entry: 1}})],
    }  # fmt: skip
