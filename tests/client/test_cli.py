"""The commands on tasks print the same and exit alike, on this host's servers and over HTTP."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from typer.testing import Result

from taskyard.core.access.identity import os_user
from taskyard.core.access.operations import AT_THE_SERVERS
from taskyard.core.states import TERMINAL
from taskyard.worker.cli import exits
from tests.client.doors import Doors
from tests.engine import Engine
from tests.servers import REPOSITORY

NOBODY = "0199c0de-0000-7000-8000-000000000001"
LATER = ("--delay", "3600")
REFUSED: dict[str, tuple[str, ...]] = {
    "access create-admin": ("ann",),
    "access password": ("ann",),
    "access token": ("ann",),
    "access agent": ("coder-1",),
    "enter": (),
    "prune": (),
    "relearn": (),
    "kept": (),
    "seed": (),
    "replay": (),
}


@pytest.fixture
def some(store: Engine) -> list[str]:
    """Tasks in several states, in a queue of their own."""
    queue = f"q-{uuid.uuid4().hex[:8]}"
    options = {"queue": queue, "title": "[b]a\x1b title[/b]", "delay_seconds": 3600}
    first = store.submit("diagnostic.echo", {"value": [1, 2.5, "ä\u202e", None]}, priority="high", **options)
    second = store.submit("diagnostic.echo", {"value": 2}, queue=queue, requires=["nobody-has-this"])
    third = store.submit("diagnostic.noop", queue=queue, after=[first], idempotency_key=queue)
    fourth = store.submit("diagnostic.noop", **options)
    store.submitter.cancel(fourth, actor="test", reason="not needed")
    return [queue, first, second, third, fourth]


@pytest.mark.parametrize(("columns", "as_json"), [("80", []), ("200", []), ("80", ["--json"])])
def test_what_shows_tasks(doors: Doors, some: list[str], as_json: list[str], columns: str) -> None:
    doors.patch.setenv("COLUMNS", columns)
    queue, *ids = some
    assert doors.same("list", "--queue", queue, *as_json).stdout.count("\n") >= 4
    doors.same("list", "--queue", queue, "--limit", "2", *as_json)
    doors.same("list", "--queue", queue, "--state", "cancelled", *as_json)
    doors.same("list", "--type", "none.such", *as_json)
    for task in (*ids, ids[0].upper()):
        assert doors.same("show", task, *as_json).exit_code == 0
        doors.same("history", task, *as_json)
        doors.same("logs", task, *as_json)
    assert "nobody-has-this" in doors.same("show", ids[1], *as_json).stdout
    waiting = doors.same("why", ids[2], *as_json)  # what waits for a time says how long
    assert ids[0] in waiting.stdout
    for command in ("show", "history", "logs", "why"):
        assert doors.same(command, NOBODY, *as_json).exit_code == exits.NOT_FOUND
        assert doors.same(command, "no-id", *as_json).exit_code == exits.BAD_INPUT
    assert doors.same("logs", NOBODY, "--all", *as_json).exit_code == exits.NOT_FOUND


def without_ids(result: Result) -> tuple[int, str, str]:
    hidden = [re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", text) for text in (result.stdout, result.stderr)]
    return result.exit_code, hidden[0], hidden[1]


@pytest.mark.parametrize(
    ("command", "state"),
    [
        (["cancel", "ID", NOBODY, "no-id", "--reason", "wrong"], "cancelled"),
        (["cancel", "ID", "--tree", "--json"], "cancelled"),
        (["retry", "ID"], "pending"),
        (["retry", "ID", "--json"], "pending"),
        (["priority", "ID", "urgent"], "pending"),
        (["priority", "ID", "urgent", "--json"], "pending"),
        (["priority", "ID", "hihg"], "pending"),
        (["priority", NOBODY, "low"], "pending"),
    ],
)
def test_what_changes_tasks(doors: Doors, store: Engine, command: list[str], state: str) -> None:
    ends = []
    for door in ("local", "remote"):
        task = store.submit("diagnostic.noop", delay_seconds=None)
        if command[0] == "retry":
            store.submitter.cancel(task, actor="test")
        words = [task if word == "ID" else word for word in command]
        first = doors.through(door, *words)
        again = doors.through(door, *words)
        ends.append((without_ids(first), without_ids(again)))
        assert store.task(task).state == state
    assert ends[0] == ends[1]


@pytest.mark.parametrize(
    "arguments",
    [
        ["diagnostic.noop", *LATER],
        ["diagnostic.noop", "--json", *LATER],
        ["diagnostic.echo", "--input", '{"value": 1}', "--title", "A", "--queue", "own", "--priority", "low", *LATER],
        ["diagnostic.noop", "--run-at", "2099-01-31T12:00:00Z", "--require", "a", "--max-attempts", "2"],
        ["diagnostic.noop", "--after", NOBODY],
        ["diagnostic.noop", "--priority", "hihg"],
        ["diagnostic.noop", "--timeout", "-1"],
        ["diagnostic.noop", "--max-attempts", "0"],
        ["diagnostic.noop", "--run-at", "tomorrow"],
        ["diagnostic.noop", "--delay", "1", "--run-at", "2099-01-31T12:00:00Z"],
        ["diagnostic.sleep", "--input", '{"seconds": "long"}'],
        ["diagnostic.sleep", "--input", "{"],
        ["diagnostic.sleep", "--input-file", "/none"],
        ["nope"],
        [],
        ["diagnostic.noop", "--wait-seconds", "0.2", *LATER],
        ["diagnostic.noop", "--wait-seconds", "0.2", "--json", *LATER],
    ],
)
def test_what_submits_one(doors: Doors, arguments: list[str]) -> None:
    local, remote = doors.both("submit", *arguments)
    assert without_ids(remote) == without_ids(local)


@pytest.mark.parametrize(
    "lines",
    [
        ['{"type": "diagnostic.noop", "delay_seconds": 3600}'] * 3,
        ['{"type": "diagnostic.noop", "delay_seconds": 3600}', "", '{"type": "diagnostic.noop", "priority": "hihg"}'],
        ['{"type": "diagnostic.noop"}', '{"type": "diagnostic.noop", "priority": "hihg", "timeout_seconds": -1}'],
        ['{"type": "diagnostic.noop"}', '{"type": "diagnostic.noop"'],
        ['{"type": "diagnostic.noop"}', '{"type": "nope"}', '{"type": "nope"}'],
        ['{"type": "diagnostic.noop"}', '{"type": "diagnostic.noop", "colour": "red"}'],
        ['{"type": "diagnostic.sleep", "input": {"seconds": "long"}}'],
        ['{"type": "diagnostic.noop", "delay_seconds": 3600}'] * 2_001 + ["5"],
        [],
    ],
)
def test_what_submits_a_file(doors: Doors, lines: list[str], tmp_path: Path) -> None:
    (tmp_path / "tasks.jsonl").write_text("\n".join(lines))
    doors.same("submit", "--file", str(tmp_path / "tasks.jsonl"))
    doors.both("submit", "--file", "-", stdin="\n".join(lines[:2]))


def test_waiting_prints_the_output(doors: Doors, running: Engine, store: Engine) -> None:
    local, remote = doors.both("submit", "diagnostic.echo", "--input", '{"value": [1, 2.5]}', "--wait")

    assert (remote.exit_code, remote.stdout) == (0, local.stdout)
    assert json.loads(remote.stdout)["value"] == [1, 2.5]
    assert doors.through("remote", "show", remote.stderr.split()[0]).exit_code == 0
    assert store.task(remote.stderr.split()[0]).state in TERMINAL


def test_the_tokens_owner_submits(doors: Doors, store: Engine) -> None:
    task = doors.through("remote", "submit", "diagnostic.noop", *LATER).stdout.strip()
    assert store.task(task).created_by == "token:client"
    task = doors.through("local", "submit", "diagnostic.noop", *LATER).stdout.strip()
    assert store.task(task).created_by == os_user()

    refused = doors.through("remote", "submit", "diagnostic.noop", "--created-by", "cron")
    assert (refused.exit_code, refused.stdout) == (exits.BAD_INPUT, "")
    assert refused.stderr.strip() == (
        "error: created_by: 'cron' is not accepted, expected nothing: over TASKYARD_URL the token's owner submits"
    )


def test_a_missing_api_and_a_wrong_token_are_told_in_one_line(doors: Doors) -> None:
    doors.remote |= {"TASKYARD_URL": "http://127.0.0.1:1"}
    doors.patch.setattr("taskyard.worker.cli.opened.RETRY_SECONDS", 0.2)
    away = doors.through("remote", "list")
    assert (away.exit_code, away.stdout, away.stderr.count("\n")) == (exits.UNAVAILABLE, "", 1)
    assert away.stderr.startswith("error: http://127.0.0.1:1 can't be reached: ")

    doors.remote |= {"TASKYARD_URL": "http://taskyard.example.com"}
    plain = doors.through("remote", "list")
    assert (plain.exit_code, plain.stderr.count("\n")) == (exits.BAD_INPUT, 1)
    assert "a token is not sent over plain http to taskyard.example.com" in plain.stderr


def test_others_say_that_they_need_the_servers(doors: Doors) -> None:
    assert set(REFUSED) == set(AT_THE_SERVERS)
    for name, arguments in REFUSED.items():
        refused = doors.through("remote", *name.split(), *arguments)
        assert (refused.exit_code, refused.stdout) == (exits.BAD_INPUT, "")
        assert refused.stderr == (
            f"error: TASKYARD_URL: `{name}` works on a host that reaches PostgreSQL, not over HTTP: "
            "unset TASKYARD_URL there\n"
        )
    assert doors.same("access", "database").stdout.startswith("--")


def test_the_help_of_each_command_says_where_it_works(doors: Doors) -> None:
    places = {"list": "over HTTP too", "bulk": "over HTTP too", "mail list": "over HTTP too", "prune": "not over HTTP"}
    places |= {"access token": "not over HTTP", "access database": "about the host", "doctor": "about the host"}
    for name, place in places.items():
        shown = doors.through("remote", *name.split(), "--help")
        assert shown.exit_code == 0
        assert place in " ".join(shown.stdout.split()), name


@pytest.mark.parametrize("command", [["list"], ["submit", "diagnostic.noop", *LATER], ["submit", "--file", "-"]])
def test_no_driver_is_loaded_over_http(doors: Doors, command: list[str]) -> None:
    code = (
        "import sys; from taskyard.worker.cli.app import main\n"
        "from taskyard.worker.cli.remote import access, bulk, mail, webhooks\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "servers = {'redis', 'psycopg2', 'sqlalchemy', 'fastapi', 'streamlit', 'pandas', 'argon2', 'uuid_utils'}\n"
        "print(sorted(servers & set(sys.modules)))"
    )
    doors.through("remote", "--version")
    line = '{"type": "diagnostic.noop", "delay_seconds": 3600}\n'
    done = subprocess.run(
        [sys.executable, "-c", code, *command], cwd=REPOSITORY, capture_output=True, text=True, input=line, check=False
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
