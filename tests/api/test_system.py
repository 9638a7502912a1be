"""What the page System shows, quarantine, mailboxes, files of tasks, boots and the timeline."""

from __future__ import annotations

import json
import time
from typing import Any

import msgspec
import pytest

from taskyard.core.config import Settings
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import recovery
from taskyard.core.protocol import KnownType
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.connection import connect_redis
from taskyard.core.redis.log_tail import LogLine, LogTail
from taskyard.core.redis.quarantine import Odd
from tests.api.conftest import SECRET, Sender, TestClient, problem_of

V1 = "/api/v1"
SYSTEM = ("status", "servers", "checks", "leader", "figures", "storage", "settings", "versions", "log")


@pytest.fixture
def broker(settings: Settings) -> Broker:
    return Broker(connect_redis(settings.redis_url or ""), settings.namespace, settings.placement_of)


def got(client: TestClient, path: str, **query: Any) -> Any:
    answer = client.get(f"{V1}{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_page_s_parts(client: TestClient, loaded: dict[str, str], settings: Settings) -> None:
    status = got(client, "/system/status")
    assert (status["states"]["failed"], status["states"]["pending"]) == (1, 2)
    assert {lane["type"]: lane["count"] for lane in status["lanes"] if lane["queue"] == "default"} == {
        "diagnostic.noop": 1
    }
    assert [agent["name"] for agent in status["agents"]] == ["builder"]
    assert status["leader"]["is_led"] is False
    servers = got(client, "/system/servers")
    assert servers["postgresql"]["problem"] is servers["redis"]["problem"] is None
    assert servers["redis"]["figures"]["memory_bytes"] > 0
    assert all(check["ok"] for check in got(client, "/system/checks"))
    assert got(client, "/system/leader")["is_led"] is False
    assert set(got(client, "/system/figures", source=["host"], range="5m")) == {"at", "series"}
    storage = got(client, "/system/storage")
    assert "tasks" in [table["name"] for table in storage["tables"]]
    assert got(client, "/system/versions").keys() >= {"Taskyard", "Python", "PostgreSQL", "Redis", "Schema"}
    values = {one["variable"]: one["value"] for one in got(client, "/system/settings")}
    assert values["TASKYARD_NAMESPACE"] == settings.namespace
    assert values["TASKYARD_DATABASE_URL"] is None


def test_the_log_is_for_those_who_read_payloads(client: TestClient, broker: Broker, sent_by: Sender) -> None:
    lines = [
        LogLine(time.time(), "info", "agent.ready", "agent one", "here", {}),
        LogLine(time.time(), "error", "agent.lost", "worker", "here", {"agent": "one"}),
    ]
    LogTail(broker.redis, broker.keys).add([line.encoded() for line in lines])
    assert [line["event"] for line in got(client, "/system/log", level="warning")] == ["agent.lost"]
    problem_of(sent_by("viewer").get(f"{V1}/system/log"), 403)


@pytest.mark.parametrize("part", SYSTEM)
def test_a_narrowed_role_sees_nothing_of_the_whole(sent_by: Sender, part: str) -> None:
    problem_of(sent_by("operator", queues=("reports",)).get(f"{V1}/system/{part}"), 403)


def test_quarantine(client: TestClient, broker: Broker, sent_by: Sender) -> None:
    broker.quarantine.add([Odd("report", "results", "no JSON", SECRET.encode()), Odd("key", "ready:x", "a list")])
    found = got(client, "/quarantine", limit=1)
    assert (found["count"], [item["source"] for item in found["items"]]) == (2, ["key"])
    [_, oldest] = got(client, "/quarantine")["items"]
    assert got(client, f"/quarantine/{oldest['id']}")["text"] == SECRET
    masked = sent_by("viewer").get(f"{V1}/quarantine/{oldest['id']}")
    assert SECRET not in masked.text
    assert masked.json()["is_masked"]
    problem_of(sent_by("viewer").delete(f"{V1}/quarantine/{oldest['id']}"), 403)
    assert client.delete(f"{V1}/quarantine/{oldest['id']}").json() == {"dropped": 1}
    problem_of(client.delete(f"{V1}/quarantine/{oldest['id']}"), 404)
    problem_of(client.get(f"{V1}/quarantine/no-id"), 422)
    assert client.delete(f"{V1}/quarantine").json() == {"dropped": 1}
    problem_of(sent_by("operator", queues=("reports",)).delete(f"{V1}/quarantine"), 403)


def test_mailboxes(client: TestClient, broker: Broker, sent_by: Sender) -> None:
    keys = broker.keys
    broker.redis.sadd(keys.mailboxes, "one")
    for number in range(2):
        body = json.dumps({"n": number, "secret": SECRET})
        broker.redis.xadd(keys.dead_letters("one"), {"from": "two", "body": body, "reason": f"late {SECRET}"})
    [box] = got(client, "/mailboxes")
    assert (box["agent"], box["messages"], box["dead_letters"]) == ("one", 0, 2)
    letters = got(client, "/mailboxes/one", dead=True)
    assert [letter["sender"] for letter in letters] == ["two", "two"]
    assert SECRET not in sent_by("viewer").get(f"{V1}/mailboxes/one", params={"dead": True}).text
    problem_of(sent_by("submitter").post(f"{V1}/mailboxes/one/redrive"), 403)
    ids = {"ids": [letters[0]["id"]]}
    assert client.post(f"{V1}/mailboxes/one/redrive", json=ids).json() == {"sent": 1, "refused": []}
    assert len(got(client, "/mailboxes/one")) == 1
    assert client.delete(f"{V1}/mailboxes/one", params={"dead": True}).json() == {"removed": 1}
    assert client.delete(f"{V1}/mailboxes/one").json() == {"removed": 1}
    assert got(client, "/mailboxes") == []


def test_a_file_is_checked_and_not_submitted(client: TestClient, sent_by: Sender) -> None:
    rows = "type,priority,idempotency_key\ndiagnostic.noop,high,a\ndiagnostic.noop,hihg,b\nnope,low,c\n"
    client.post(f"{V1}/tasks", json={"type": "diagnostic.noop", "idempotency_key": "a"})
    found = client.post(f"{V1}/tasks/check", content=rows, headers={"content-type": "text/csv"}).json()
    assert (found["rows"], found["accepted"], found["known"], found["refused"]) == (3, 1, 1, 2)
    assert [(one["row"], one["field"]) for one in found["problems"]] == [(3, "priority"), (4, "type")]
    lines = '{"type": "diagnostic.noop"}\n{"type": 5}\n'
    headers = {"content-type": "application/x-ndjson", "accept-language": "zh-CN"}
    found = client.post(f"{V1}/tasks/check", content=lines, headers=headers).json()
    assert (found["accepted"], [one["row"] for one in found["problems"]]) == (1, [2])
    assert not found["problems"][0]["expected"].isascii()
    problem_of(client.post(f"{V1}/tasks/check", content="", headers=headers), 422)
    problem_of(sent_by("viewer").post(f"{V1}/tasks/check", content=rows), 403)
    assert len(got(client, "/tasks")["tasks"]) == 1


def test_a_check_says_what_the_submission_would(client: TestClient, database: Database, sent_by: Sender) -> None:
    """Of types that only agents have, and of what the sender may not submit."""
    schema = {"type": "object", "properties": {"pages": {"type": "integer"}}, "required": ["pages"]}
    register(database, KnownType("acme.print", "v7", [], input_schema=schema))
    tasks = [
        {"type": "acme.print", "input": {"pages": 2}},
        {"type": "acme.print", "input": {"pages": "two"}, "priority": "hihg"},
        {"type": "diagnostic.noop", "queue": "nightly"},
        {"type": "acme.printer"},
        {"type": "code.run", "input": {"code": "1"}},
    ]
    lines = "\n".join(map(json.dumps, tasks))
    senders = {
        "submitter": (sent_by("submitter"), [(2, "input.pages"), (2, "priority"), (4, "type"), (5, "type")]),
        "narrowed": (
            sent_by("submitter", queues=("default",), types=("acme.*",)),
            [(2, "input.pages"), (2, "priority"), (3, "queue"), (4, "type"), (5, "type")],
        ),
    }
    for name, (sender, expected) in senders.items():
        found = sender.post(f"{V1}/tasks/check", content=lines).json()
        assert [(one["row"], one["field"]) for one in found["problems"]] == expected, name
        submitted = sender.post(f"{V1}/tasks/batch", content=lines, headers={"content-type": "application/x-ndjson"})
        results = map(json.loads, submitted.text.splitlines())
        assert {one["line"] for one in results if "problem" in one} == {row for row, _field in expected}, name
        [unknown] = [one for one in found["problems"] if one["row"] == 4]
        assert "acme.print" in unknown["expected"]
        [guarded] = [one for one in found["problems"] if one["row"] == 5]
        assert "what is permitted" in guarded["expected"]
    rows = "type,input.pages\nacme.print,3\nacme.print,x\n"
    found = client.post(f"{V1}/tasks/check", content=rows, headers={"content-type": "text/csv"}).json()
    assert [(one["row"], one["field"]) for one in found["problems"]] == [(3, "input.pages")]


def register(database: Database, known: KnownType) -> None:
    """Has an agent publish a type."""
    agent = {"id": "p:1", "name": "p", "boot_id": "1", "kind": "task", "host": "here", "pid": 1, "types": ["acme.*"]}
    with database.transaction() as tx:
        rest = {"tags": ["printer"], "max_concurrency": 1, "state": "online"}
        recovery.register_agents(tx, [{**agent, **rest, "known_types": [msgspec.to_builtins(known)]}])


def test_states_of_many(client: TestClient, loaded: dict[str, str], sent_by: Sender) -> None:
    ids = [loaded[name] for name in ("failed", "completed", "pending")]
    found = client.post(f"{V1}/tasks/states", json={"ids": ids}).json()
    assert found["states"] == {"failed": 1, "completed": 1, "pending": 1}
    assert SECRET in found["unsuccessful"][0]["message"]
    seen = sent_by("viewer", queues=("reports",)).post(f"{V1}/tasks/states", json={"ids": ids}).json()
    assert (seen["states"], seen["unsuccessful"][0]["message"]) == ({"failed": 1}, None)
    problem_of(client.post(f"{V1}/tasks/states", json={"ids": ["no-id"]}), 422)


def test_boots_and_their_timeline(client: TestClient, loaded: dict[str, str], sent_by: Sender) -> None:
    found = got(client, "/agent-boots")
    assert [boot["id"] for boot in found["boots"]] == ["builder:b1"]
    assert {row["type"]: (row["completed"], row["failed"]) for row in found["results"]} == {"diagnostic.echo": (1, 1)}
    timeline = got(client, "/agent-timeline", range="15m")
    assert {span["outcome"] for span in timeline["spans"]} == {"completed"}
    assert got(client, "/agent-timeline", agent="nobody")["spans"] == []
    long = got(client, "/agent-timeline", range="24h")
    assert long["is_cut"]
    assert sum(step["completed"] + step["failed"] for step in long["steps"]) == 2
    narrowed = sent_by("viewer", queues=("reports",))
    assert got(narrowed, "/agent-timeline", range="15m")["spans"] == []
    assert got(narrowed, "/agent-boots")["results"] == []


def test_types_that_only_agents_have_are_listed(client: TestClient, database: Database, sent_by: Sender) -> None:
    schema = {"type": "object", "properties": {"pages": {"type": "integer"}}, "required": ["pages"]}
    known = KnownType("acme.print", "v7", ["printer"], input_schema=schema, description="Prints", is_guarded=True)
    register(database, known)
    [listed] = [one for one in got(client, "/types") if one["is_published"]]
    assert (listed["name"], listed["version"], listed["requires"], listed["isolation"]) == (
        "acme.print",
        "v7",
        ["printer"],
        None,
    )
    assert got(client, "/types/acme.print")["input_schema"] == schema
    assert client.put(f"{V1}/types/acme.print/hold", json={"mode": "paused"}).json() == {"is_changed": True}
    assert got(client, "/types/acme.print")["hold"]["mode"] == "paused"
    problem_of(sent_by("viewer", types=("other.*",)).get(f"{V1}/types/acme.print"), 404)
