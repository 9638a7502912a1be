"""The commands on the whole installation print the same and exit alike, on this host's servers and over HTTP."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import Result

from taskyard.core.access.identity import local_actor
from taskyard.core.access.permissions import Role
from taskyard.core.access.principals import Kind
from taskyard.core.config import Settings
from taskyard.core.postgres.store import alerts, recovery
from taskyard.core.postgres.store.alerts import Alert
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.connection import connect_redis
from taskyard.core.redis.quarantine import Odd
from taskyard.core.submission import authorized_access
from taskyard.worker.cli import exits
from tests.client.doors import Doors, ageless
from tests.client.test_cli import without_ids
from tests.engine import Engine

NOBODY = "0199c0de-0000-7000-8000-000000000001"
ALERT = "0199c0de-0000-7000-8000-0000000000a1"
AGENT = {
    "id": "builder:b1", "name": "builder", "boot_id": "b1", "kind": "task", "host": "here", "pid": 7,
    "types": ["acme.*"], "tags": ["linux"], "max_concurrency": 3, "state": "online",
}  # fmt: skip


def seconds_apart(result: Result) -> tuple[int, str, str]:
    """What a command said, without ages, and the widths that tables take from them."""
    code, out, error = ageless(result)
    return code, re.sub(r" +", " ", re.sub(r'"oldest_seconds": [\d.]+', "AGE", out)), error


def untold(result: Result) -> tuple[int, str, str]:
    """What a command said, without who did something and since when."""
    code, out, error = seconds_apart(result)
    return code, re.sub(r"\S+ \S+:\d\d", "SINCE", re.sub(r"(local|token):\S+", "WHO", out)), error


@pytest.fixture(autouse=True)
def scene(store: Engine) -> Iterator[None]:
    """An agent, tasks that wait, and an alert; holds and silences are ended after each test."""
    fired = Alert(ALERT, "queue grows", "reports", "warning", "firing", "it grows", 3.0, 2.0, datetime.now(UTC))
    with store.database.transaction() as tx:
        recovery.register_agents(tx, [AGENT])
        alerts.fire(tx, [fired])
    store.submit("diagnostic.noop", queue="reports")
    yield
    Broker(store.broker.redis, store.settings.namespace, store.settings.placement_of).quarantine.drop_all()


@pytest.mark.parametrize("as_json", [(), ("--json",)])
@pytest.mark.parametrize(
    "command",
    [
        ["status"],
        ["agents"],
        ["agents", "--all"],
        ["types"],
        ["types", "diagnostic.echo"],
        ["holds"],
        ["alerts"],
        ["alerts", "--all", "--limit", "1"],
        ["silences"],
        ["quarantine", "list"],
        ["quarantine", "show", "1-1"],
        ["quarantine", "show", "no-id"],
        ["quarantine", "drop", "1-1"],
        ["quarantine", "drop"],
        ["ack", NOBODY],
        ["ack", "no-id"],
        ["unsilence", NOBODY],
        ["unsilence", "no-id"],
        ["silence", "no such rule"],
        ["resume", "queue", "never-held"],
        ["resume", "agent", "nobody"],
        ["pause", "agent", "nobody"],
        ["pause", "queue", "a b", "--yes"],
        ["pause", "queue", "never-seen"],
        ["restart", "agent", "nobody"],
    ],
)
def test_what_it_says(doors: Doors, command: list[str], as_json: tuple[str, ...]) -> None:
    local, remote = (seconds_apart(one) for one in doors.both(*command, *as_json))
    assert remote == local


@pytest.mark.parametrize("command", [["types", "nope"], ["pause", "type", "nope"]])
def test_a_type_that_nobody_knows(doors: Doors, command: list[str]) -> None:
    """Only here its module may be missing in a setting."""
    local, remote = doors.both(*command)
    assert (remote.exit_code, remote.stdout) == (local.exit_code, "") == (exits.BAD_INPUT, "")
    assert remote.stderr.strip() == local.stderr.strip().partition(", or TASKYARD_TASK_MODULES")[0]


@pytest.mark.parametrize("as_json", [(), ("--json",)])
@pytest.mark.parametrize(
    ("command", "undo"),
    [
        (["pause", "queue", "reports", "--reason", "full"], ["resume", "queue", "reports"]),
        (["drain", "queue", "quite-new", "--yes"], ["resume", "queue", "quite-new", "--reason", "over"]),
        (["pause", "type", "diagnostic.noop"], ["resume", "type", "diagnostic.noop"]),
        (["drain", "agent", "builder"], ["resume", "agent", "builder"]),
        (["restart", "agent", "builder", "--reason", "new libraries"], ["holds"]),
    ],
)
def test_what_it_changes(doors: Doors, command: list[str], undo: list[str], as_json: tuple[str, ...]) -> None:
    ends = []
    for door in ("local", "remote"):
        words = [[*command, *as_json], [*command, *as_json], ["holds"], [*undo, *as_json], ["holds"]]
        ends.append([untold(doors.through(door, *one)) for one in words])
    assert ends[0] == ends[1]
    assert ends[0][0][0] == 0


def test_alerts_and_silences(doors: Doors, store: Engine) -> None:
    ends = []
    for number, door in enumerate(("local", "remote")):
        alert = str(uuid.uuid4())
        with store.database.transaction() as tx:
            alerts.fire(tx, [Alert(alert, "queue grows", f"q{number}", "info", "firing", "x", 1, 1, datetime.now(UTC))])
        first, again = (without_ids(doors.through(door, "ack", alert, "--reason", "mine")) for _ in range(2))
        silenced = doors.through(door, "silence", "Queue grows", "--minutes", "5", "--json")
        made = json.loads(silenced.stdout) if silenced.exit_code == 0 else {}
        shown = doors.through(door, "silences").stdout.count(str(made.get("id")))
        ended = without_ids(doors.through(door, "unsilence", str(made.get("id"))))
        ends.append((first, again, silenced.exit_code, sorted(made), made.get("rule"), shown, ended))
    assert ends[0] == ends[1]
    assert ends[0][0][0] == 0


def test_a_rule_s_alerts_are_acknowledged_and_everything_is_silenced_by_a_word(doors: Doors, store: Engine) -> None:
    ends = []
    for door in ("local", "remote"):
        for number in range(2):
            one = Alert(
                str(uuid.uuid4()), "dead letters", f"{door}{number}", "info", "firing", "x", 1, 1, datetime.now(UTC)
            )
            with store.database.transaction() as tx:
                alerts.fire(tx, [one])
        acknowledged = doors.through(door, "ack", "--rule", "Dead letters", "--reason", "mine", "--json")
        none = doors.through(door, "ack", "--rule", "dead letters", "--reason", "mine")
        refused = [
            (answer.exit_code, answer.output.splitlines()[0])
            for answer in (
                doors.through(door, "silence", "*", "--minutes", "5"),
                doors.through(door, "silence", "*", "--confirm", "everything"),
                doors.through(door, "ack"),
            )
        ]
        silenced = doors.through(door, "silence", "*", "--minutes", "5", "--confirm", "everything", "--json")
        doors.through(door, "unsilence", json.loads(silenced.stdout)["id"])
        ends.append((json.loads(acknowledged.stdout), none.stdout, refused, silenced.exit_code))
    assert ends[0] == ends[1]
    found, none_left, refused, _code = ends[0]
    assert found == {"rule": "Dead letters", "acknowledged": 2}
    assert none_left == "0 alerts acknowledged\n"
    assert "confirm is required: the word everything" in refused[0][1]
    assert "seconds is required" in refused[1][1]


def test_quarantine(doors: Doors, store: Engine, shared_settings: Settings) -> None:
    broker = Broker(connect_redis(shared_settings.redis_url or ""), shared_settings.namespace, str)
    for _ in range(2):
        broker.quarantine.add([Odd("report", "results", "no JSON", b"{"), Odd("key", "ready:x", "a list")])
        [item, _other] = broker.quarantine.newest()
        doors.same("quarantine", "list")
        doors.same("quarantine", "list", "--limit", "1", "--json")
        doors.same("quarantine", "show", item.id)
        doors.same("quarantine", "show", item.id, "--json")
        broker.quarantine.drop_all()
    ends = []
    for door in ("local", "remote"):
        broker.quarantine.add([Odd("report", "results", "no JSON", b"{"), Odd("key", "ready:x", "a list")])
        first = doors.through(door, "quarantine", "drop", broker.quarantine.newest()[0].id)
        rest = doors.through(door, "quarantine", "drop", "--all", "--json")
        ends.append((first.exit_code, first.stdout, rest.exit_code, rest.stdout))
    assert ends[0] == ends[1] == (0, "1 dropped\n", 0, '{\n  "dropped": 1\n}\n')


@pytest.mark.parametrize(
    "options",
    [
        ["--from", "2026-01-05", "--to", "2026-01-06", "--format", "csv"],
        ["--from", "2026-01-05", "--to", "2026-01-06", "--format", "html"],
        ["--from", "yesterday"],
        ["--queue", "none", "--format", "json", "--from", "2026-01-05", "--to", "2026-01-06"],
    ],
)
def test_reports(doors: Doors, tmp_path: Path, options: list[str]) -> None:
    ends = []
    for door in ("local", "remote"):
        folder = tmp_path / door
        folder.mkdir()
        done = doors.through(door, "report", *options, "--output", str(folder))
        files = sorted(path.name for path in folder.iterdir())
        ends.append((done.exit_code, done.stdout.replace(door, "DOOR"), done.stderr, files))
    assert ends[0] == ends[1]


def test_a_refusal_for_want_of_a_permission_has_its_own_exit_code(doors: Doors, store: Engine) -> None:
    name = f"viewer-{time.monotonic_ns()}"
    with store.database.transaction() as tx:
        authorized_access.create(tx, local_actor(), name, Role.VIEWER, kind=Kind.SERVICE)
        doors.remote |= {"TASKYARD_TOKEN": authorized_access.make_token(tx, local_actor(), name)[0]}
    refused = doors.through("remote", "pause", "queue", "reports")
    assert (refused.exit_code, refused.stdout) == (exits.NOT_PERMITTED, "")
    assert refused.stderr.startswith(f"error: service:{name} may not") or "may not" in refused.stderr
