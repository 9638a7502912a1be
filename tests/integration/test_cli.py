"""The command line against real servers. No worker runs: the tests make the transitions themselves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from taskyard.core.access.identity import local_actor, os_user
from taskyard.core.config import Settings
from taskyard.core.postgres.database import Database, DriverTransaction, connect_leader
from taskyard.core.postgres.pools import connect_engine
from taskyard.core.postgres.store import recovery, tasks, tick
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.connection import connect_redis
from taskyard.core.states import TaskState
from taskyard.core.submission.submit import Submitter
from taskyard.core.task_types.registry import registry
from taskyard.worker.cli import exits
from taskyard.worker.cli.app import app
from tests.servers import REPOSITORY, wait_until

AGENT = "coder-1:b00t"
NOBODY = "0199c0de-0000-7000-8000-000000000001"
EVIL = "[red]evil[/red] [/] \x1b[2J\x9b31m\ttab \u202e漢"
EVIL_SHOWN = "[red]evil[/red] [/] \\x1b[2J\\x9b31m\\ttab \\u202e漢"


@pytest.fixture
def cli(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a command on this test's servers."""
    for name in ("database_url", "redis_url", "namespace", "data_dir"):
        monkeypatch.setenv(f"TASKYARD_{name.upper()}", str(getattr(settings, name)))
    monkeypatch.delenv("COLUMNS", raising=False)

    def run(*arguments: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(app, list(arguments), input=stdin, prog_name="taskyard")

    return run


@pytest.fixture
def submitter(settings: Settings, database: Database) -> Iterator[Submitter]:
    with connect_redis(str(settings.redis_url)) as client:
        registry.load()
        yield Submitter(settings, registry, database, Broker(client, settings.namespace, settings.placement_of))


def register(database: Database, *, types: list[str], tags: list[str]) -> None:
    name, boot = AGENT.split(":")
    agent = {"id": AGENT, "name": name, "boot_id": boot, "kind": "coder", "host": "[b]host[/b]", "pid": 1}
    with database.transaction() as tx:
        offer = {"types": types, "tags": tags, "max_concurrency": 3, "state": "online"}
        recovery.register_agents(tx, [{**agent, **offer}])


def complete(database: Database, task_id: str, output: object) -> None:
    with database.transaction() as tx:
        [claimed] = tick.claim(tx, [task_id], [AGENT])
        tick.start(tx, [(task_id, claimed.attempt, 1_790_000_000.0)])
        done = tick.Completion(task_id, claimed.attempt, json.dumps(output), 1_790_000_000.0, 0.25)
        assert tick.complete(tx, [done]) == {task_id}


def fail(database: Database, task_id: str, message: str) -> None:
    error = json.dumps({"class": "permanent", "message": message, "traceback": f"Traceback\n  {message}"})
    with database.transaction() as tx:
        [claimed] = tick.claim(tx, [task_id], [AGENT])
        end = tick.Settlement(task_id, claimed.attempt, "failed", "failed", error=error, started_at=1_790_000_000.0)
        assert tick.settle(tx, [end])[2] == [task_id]


def stored(database: Database, task_id: str) -> Any:
    with database.transaction() as tx:
        return tasks.get_task(tx, task_id)


def no_controls(text: str) -> bool:
    return all(character.isprintable() or character == "\n" for character in text)


def test_submit_stores_every_option(cli: Callable[..., Result], database: Database, submitter: Submitter) -> None:
    parent = submitter.submit("diagnostic.noop")
    options = [
        "--title",
        "A title",
        "--queue",
        "own",
        "--priority",
        "urgent",
        "--timeout",
        "7.5",
        "--max-attempts",
        "5",
    ]
    options += ["--require", "gpu", "--require", "big", "--key", "k1", "--after", parent]

    result = cli("submit", "diagnostic.echo", "--input", '{"value": [1, "ä"]}', *options)

    assert result.exit_code == 0, result.stderr
    task = stored(database, result.stdout.strip())
    assert task.input["value"] == [1, "ä"]
    assert (task.type, task.title, task.queue, task.priority.label) == ("diagnostic.echo", "A title", "own", "urgent")
    assert (task.timeout_seconds, task.max_attempts, task.requires) == (7.5, 5, ("big", "gpu"))
    assert (task.idempotency_key, task.state, task.waiting_on) == ("k1", TaskState.BLOCKED, 1)
    assert task.created_by == os_user()


def test_submit_for_later_reads_files_and_stdin(cli: Callable[..., Result], database: Database, tmp_path: Path) -> None:
    (tmp_path / "input.json").write_text('{"seconds": 3}')
    later = cli("submit", "diagnostic.sleep", "--input-file", str(tmp_path / "input.json"), "--delay", "60")
    at = cli("submit", "diagnostic.sleep", "-", "--run-at", "2030-01-31T12:00:00Z", "--json", stdin='{"seconds": 4}')
    mine = cli("submit", "diagnostic.noop", "--created-by", "cron")

    first, second = stored(database, later.stdout.strip()), stored(database, json.loads(at.stdout)["id"])
    assert (first.state, first.input["seconds"]) == (TaskState.SCHEDULED, 3)
    assert (second.input["seconds"], second.run_at.isoformat()[:19]) == (4, "2030-01-31T12:00:00")
    assert stored(database, mine.stdout.strip()).created_by == "cron"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nope"], "error: type: 'nope' is not accepted, expected one of "),
        (["diagnostic.sleep", "--input", '{"seconds": "x"}'], "error: input.seconds: 'x' is not accepted"),
        (["diagnostic.noop", "--priority", "max"], "error: priority: 'max' is not accepted, expected one of low"),
        (["diagnostic.noop", "--run-at", "tomorrow"], "error: run_at: 'tomorrow' is not accepted, expected an ISO"),
        (["diagnostic.noop", "--timeout", "nan"], "error: timeout_seconds: nan is not accepted"),
        (["diagnostic.noop", "--after", NOBODY], f"error: after: '{NOBODY}' is not accepted"),
        (["diagnostic.noop", "--created-by", "x" * 300], "error: created_by: "),
    ],
)
def test_submissions_that_are_refused(cli: Callable[..., Result], arguments: list[str], told: str) -> None:
    result = cli("submit", *arguments)

    assert result.exit_code == exits.BAD_INPUT
    [line] = result.stderr.splitlines()
    assert line.startswith(told)
    assert result.stdout == ""


def test_a_key_used_for_something_else(cli: Callable[..., Result]) -> None:
    first = cli("submit", "diagnostic.noop", "--key", "once")
    again = cli("submit", "diagnostic.noop", "--key", "once")
    other = cli("submit", "diagnostic.noop", "--key", "once", "--title", "another")

    assert first.stdout == again.stdout
    assert other.exit_code == exits.BAD_INPUT
    assert first.stdout.strip() in other.stderr


def test_submit_waits_for_the_output(cli: Callable[..., Result], database: Database, submitter: Submitter) -> None:
    task_id = submitter.submit("diagnostic.echo", {"value": 1}, idempotency_key="w", created_by=os_user())
    complete(database, task_id, {"value": "\x1b[2J"})
    arguments = ["submit", "diagnostic.echo", "--input", '{"value": 1}', "--key", "w"]

    shown = cli(*arguments, "--wait")
    as_json = cli(*arguments, "--wait", "--json")

    assert shown.exit_code == 0, shown.stderr
    assert json.loads(shown.stdout) == {"value": "\x1b[2J"}
    assert no_controls(shown.stdout)
    assert shown.stderr == f"{task_id} completed\n"
    document = json.loads(as_json.stdout)
    assert (document["id"], document["state"], document["error"]) == (task_id, "completed", None)


def test_submit_waits_for_a_failure(cli: Callable[..., Result], database: Database, submitter: Submitter) -> None:
    task_id = submitter.submit("diagnostic.noop", idempotency_key="w")
    fail(database, task_id, EVIL)

    result = cli("submit", "diagnostic.noop", "--key", "w", "--wait", "--json")

    assert result.exit_code == exits.FAILED
    assert json.loads(result.stdout)["state"] == "failed"
    assert f"error: task {task_id} failed: permanent: {EVIL_SHOWN}" in result.stderr
    assert no_controls(result.stderr)


def test_submit_waits_no_longer_than_told_and_says_why(cli: Callable[..., Result]) -> None:
    result = cli("submit", "diagnostic.noop", "--wait-seconds", "0.05")

    assert result.exit_code == exits.FAILED
    assert "pending: no agent is registered" in result.stderr
    assert result.stderr.endswith("is still pending after 0.05 s\n")


def test_an_interrupt_ends_the_wait_not_the_task(cli: Callable[..., Result], database: Database) -> None:
    command = [sys.executable, "-m", "worker", "submit", "diagnostic.noop", "--wait"]
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        line = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=30)

    task_id, state = line.split()[:2]
    assert state == "pending:"
    assert (process.returncode, rest) == (exits.INTERRUPTED, "interrupted\n")
    assert stored(database, task_id).state is TaskState.PENDING


def test_many_tasks_from_a_file(cli: Callable[..., Result], database: Database, tmp_path: Path) -> None:
    file = tmp_path / "tasks.jsonl"
    lines = [{"type": "diagnostic.echo", "input": {"value": n}} for n in range(2_500)]
    lines[7] |= {"queue": "other", "priority": "low", "created_by": "file"}
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))

    result = cli("submit", "--file", str(file), "--queue", "nightly", "--json")

    assert result.exit_code == 0, result.stderr
    ids = json.loads(result.stdout)["ids"]
    assert len(ids) == 2_500
    seventh, last = stored(database, ids[7]), stored(database, ids[-1])
    assert (seventh.queue, seventh.priority.label, seventh.created_by) == ("other", "low", "file")
    assert (last.queue, last.input["value"], last.created_by) == ("nightly", 2_499, os_user())
    assert cli("submit", "--file", "-", stdin='{"type": "diagnostic.noop"}\n').stdout == "1 task submitted\n"


def test_a_bad_line_is_named_and_what_was_stored_is_told(
    cli: Callable[..., Result], database: Database, tmp_path: Path
) -> None:
    file = tmp_path / "tasks.jsonl"
    file.write_text('{"type": "diagnostic.noop"}\n' * 2_100 + '{"type": "diagnostic.noop", "max_attempts": 0}\n')

    result = cli("submit", "--file", str(file))

    assert result.exit_code == exits.BAD_INPUT
    told, error = result.stderr.splitlines()
    assert told.startswith("2000 tasks are stored, up to line 2000: submit only the lines after it")
    assert error.startswith("error: line 2101: max_attempts: 0 is not accepted")
    with database.transaction() as tx:
        assert tasks.state_counts(tx) == {"pending": 2_000}


def test_all_that_is_wrong_with_a_line_is_told(cli: Callable[..., Result], tmp_path: Path) -> None:
    file = tmp_path / "tasks.jsonl"
    file.write_text(
        '{"type": "diagnostic.noop"}\n{"type": "diagnostic.sleep", "input": {"seconds": "x"}, "priority": "hi"}\n'
    )
    result = cli("submit", "--file", str(file))
    assert result.exit_code == exits.BAD_INPUT
    assert [line.partition(" is not")[0] for line in result.stderr.splitlines()] == [
        "error: line 2: priority: 'hi'",
        "error: line 2: input.seconds: 'x'",
    ]


def test_submissions_without_redis_are_accepted(
    cli: Callable[..., Result], database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TASKYARD_REDIS_URL", f"unix://{tmp_path}/none.sock")

    result = cli("submit", "diagnostic.noop")

    assert result.exit_code == 0
    assert stored(database, result.stdout.strip()).state is TaskState.PENDING


def test_status(cli: Callable[..., Result], database: Database, submitter: Submitter) -> None:
    register(database, types=["diagnostic.*"], tags=["python"])
    for _ in range(3):
        submitter.submit("diagnostic.noop", requires=["gpu"])
    submitter.submit("diagnostic.noop", queue="own")
    with leading(database.url, "[b]worker[/b]:7"):
        document = json.loads(cli("status", "--json").stdout)
        text = cli("status").stdout

    assert document["states"] == {**dict.fromkeys(TaskState, 0), "pending": 4}
    lanes = {(lane["queue"], tuple(lane["requires"])): lane for lane in document["lanes"]}
    stuck = lanes["default", ("gpu",)]
    assert (stuck["count"], lanes["own", ()]["count"], lanes["own", ()]["why"]) == (3, 1, None)
    assert "has tag gpu (closest one is missing gpu)" in stuck["why"]
    assert 0 <= stuck["oldest_seconds"] < 60
    assert [agent["id"] for agent in document["agents"]] == [AGENT]
    assert (document["leader"]["epoch"], document["leader"]["worker"]) == (1, "[b]worker[/b]:7")
    assert stuck["why"] in text
    assert "leader  [b]worker[/b]:7, term 1" in text
    assert ["pending", "4"] in [line.split() for line in text.splitlines()]


def test_a_term_without_its_leader_is_the_last_one(cli: Callable[..., Result], database: Database) -> None:
    assert cli("status").stdout.endswith("leader  none now\n")
    with leading(database.url, "here:7"):
        pass
    wait_until(lambda: json.loads(cli("status", "--json").stdout)["leader"] is None)
    assert "leader  none now; the last was here:7, term 1" in cli("status").stdout


@contextmanager
def leading(url: str, worker: str) -> Iterator[None]:
    """A worker's lock and term, until the block ends."""
    connection = connect_leader(url)
    with connection.cursor() as cursor:
        tx = DriverTransaction(cursor)
        assert recovery.try_lead(tx)
        recovery.take_term(tx, worker)
    connection.commit()
    yield
    connection.close()


def test_list_filters_and_says_why(cli: Callable[..., Result], database: Database, submitter: Submitter) -> None:
    register(database, types=["diagnostic.*"], tags=[])
    stuck = submitter.submit("code.metrics", {"sources": {"a.py": "x = 1"}}, title=EVIL)
    done = submitter.submit("diagnostic.noop", queue="own")
    complete(database, done, {})

    def listed(*arguments: str) -> list[str]:
        return [task["id"] for task in json.loads(cli("list", *arguments, "--json").stdout)]

    assert listed() == [done, stuck]
    assert listed("--limit", "1") == [done]
    assert listed("--state", "pending") == listed("--type", "code.metrics") == listed("--queue", "default") == [stuck]
    assert listed("--queue", "none") == []
    by_id = {task["id"]: task for task in json.loads(cli("list", "--json").stdout)}
    assert by_id[stuck]["why"] == "no registered agent takes type code.metrics"
    assert by_id[done]["why"] is None
    assert "input" not in by_id[done]
    table = cli("list").stdout
    [line] = [line for line in table.splitlines() if stuck in line]
    assert EVIL_SHOWN in line
    assert line.endswith("no registered agent takes type code.metrics")
    assert no_controls(table)


@pytest.mark.parametrize("columns", [80, 160])
def test_tables_fit_the_terminal(
    columns: int,
    cli: Callable[..., Result],
    database: Database,
    submitter: Submitter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    task_id = submitter.submit("code.metrics", {"sources": {"a.py": "x = 1"}}, title=EVIL + " long" * 30)
    register(database, types=["diagnostic.*", "code.*", "analysis.*", "testing.*"], tags=["python", "pandas", "pytest"])
    monkeypatch.setenv("COLUMNS", str(columns))
    fail(database, task_id, EVIL)

    for command in (["list"], ["status"], ["agents"], ["history", task_id], ["types"], ["doctor"]):
        lines = cli(*command).stdout.splitlines()
        assert lines
        assert max(map(len, lines)) <= columns, command
        assert all(map(no_controls, lines)), command
    assert cli("list").stdout.count(task_id) == 1
    assert EVIL_SHOWN.split()[0] in cli("list").stdout


def test_show(cli: Callable[..., Result], database: Database, submitter: Submitter) -> None:
    done = submitter.submit("diagnostic.echo", {"value": EVIL}, title=EVIL)
    complete(database, done, {"value": 3})
    failed = submitter.submit("diagnostic.noop", requires=["gpu"])

    waiting = cli("show", failed).stdout
    fail(database, failed, EVIL)
    text, wrong = cli("show", done).stdout, cli("show", failed).stdout

    assert "why       no agent is registered\n" in waiting
    assert f"title     {EVIL_SHOWN}\n" in text
    assert "state     completed\n" in text
    assert 'output\n{\n  "value": 3\n}' in text
    assert "error" not in text
    assert f"traceback\nTraceback\n  {EVIL_SHOWN}" in wrong
    assert no_controls(text + wrong)
    document = json.loads(cli("show", done, "--json").stdout)
    assert (document["title"], document["output"], document["why"]) == (EVIL, {"value": 3}, None)


def test_history(cli: Callable[..., Result], database: Database, submitter: Submitter) -> None:
    task_id = submitter.submit("diagnostic.noop", created_by="[b]me[/b]")
    complete(database, task_id, {})

    events = json.loads(cli("history", task_id, "--json").stdout)
    lines = cli("history", task_id).stdout.splitlines()

    assert [event["to_state"] for event in events] == ["pending", "assigned", "in_progress", "completed"]
    assert lines[0].split() == ["time", "+elapsed", "event", "from", "→", "to", "attempt", "actor", "agent", "detail"]
    assert lines[1].split()[2:] == ["+0.000s", "submitted", "→", "pending", "0", "[b]me[/b]"]
    last = lines[-1].split()
    assert last[3:10] == ["completed", "in_progress", "→", "completed", "1", "dispatcher", AGENT]
    assert "run_seconds: 0.25" in lines[-1]
    assert (events[-1]["run_seconds"], events[-1]["cpu_seconds"]) == (0.25, None)


def test_logs(cli: Callable[..., Result], database: Database, submitter: Submitter) -> None:
    task_id = submitter.submit("diagnostic.noop")
    assert cli("logs", task_id).stdout == "no log output yet\n"
    details = [json.dumps({"level": "stdout", "message": f"{n}\nline [b]\x1b"}) for n in range(600)]
    with database.transaction() as tx:
        tick.add_logs(tx, [(task_id, "log", 1, "agent:a", AGENT, detail) for detail in details])
    shown = cli("logs", task_id).stdout.splitlines()
    assert shown[0] == "older entries are not shown: --all shows them"
    assert shown[1].endswith(" #1 stdout: 100")
    assert shown[-2].endswith(" #1 stdout: 599")
    assert shown[-1] == "line [b]\\x1b"
    assert len(cli("logs", task_id, "--all").stdout.splitlines()) == 1_200
    entries = [json.loads(line) for line in cli("logs", task_id, "--all", "--json").stdout.splitlines()]
    assert [entry["message"].split("\n")[0] for entry in entries] == [str(n) for n in range(600)]
    assert len(json.loads(cli("history", task_id, "--json").stdout)) == 1


def test_agents(cli: Callable[..., Result], database: Database) -> None:
    assert cli("agents").stdout == "no agent is registered\n"
    register(database, types=["code.*"], tags=["python"])
    assert "coder-1  online      3  code.*  python  [b]host[/b]  1" in cli("agents").stdout
    assert cli("drain", "agent", "coder-1").exit_code == 0
    assert "coder-1  draining      3" in cli("agents").stdout
    with database.transaction() as tx:
        recovery.end_agents(tx, [(AGENT, "left")])

    assert json.loads(cli("agents", "--json").stdout) == []
    assert [agent["state"] for agent in json.loads(cli("agents", "--all", "--json").stdout)] == ["left"]


def test_cancel_and_retry(cli: Callable[..., Result], database: Database, submitter: Submitter) -> None:
    first, second = submitter.submit("diagnostic.noop"), submitter.submit("diagnostic.noop")
    child = submitter.submit("diagnostic.noop", after=[first])

    cancelled = cli("cancel", first, NOBODY, second, "--reason", "wrong [data]")

    assert cancelled.exit_code == exits.NOT_FOUND
    assert cancelled.stdout == f"{first} cancelled\n{second} cancelled\n"
    assert cancelled.stderr == f"error: task {NOBODY} does not exist\n"
    assert {stored(database, task).state for task in (first, second, child)} == {TaskState.CANCELLED}
    again = cli("cancel", first)
    assert again.exit_code == exits.ILLEGAL_STATE
    assert again.stderr == f"error: task {first} is cancelled; only unfinished tasks can be cancelled\n"

    retried = cli("retry", first, second, "--reason", "try again", "--json")
    assert retried.exit_code == 0
    assert json.loads(retried.stdout) == {
        "retried": [first, second],
        "failed": [],
        "tasks": {first: 1, second: 1},
        "cancelled_below": {first: 1, second: 0},
    }
    assert stored(database, first).state is TaskState.PENDING
    running = cli("retry", first, "--json")
    assert running.exit_code == exits.ILLEGAL_STATE
    assert json.loads(running.stdout)["failed"][0]["exit_code"] == exits.ILLEGAL_STATE
    history = json.loads(cli("history", first, "--json").stdout)
    told = [(event["event"], event["actor"], event["detail"]["reason"]) for event in history if event["detail"]]
    who = local_actor().name
    assert told == [("cancelled", who, "wrong [data]"), ("retried", who, "try again")]


def test_retry_with_a_scope(cli: Callable[..., Result], database: Database, submitter: Submitter) -> None:
    parent = submitter.submit("diagnostic.noop", title="[b]parent")
    child = submitter.submit("diagnostic.noop", after=[parent])
    both = submitter.submit("diagnostic.noop", after=[child, submitter.submit("diagnostic.noop")], title="both")
    submitter.cancel(parent, actor="me")

    told = cli("retry", parent)
    assert told.stdout == (
        f"{parent} retried\n"
        f"{parent}: 2 tasks that come after it: still cancelled (--scope downstream retries them as well)\n"
    )
    submitter.cancel(parent, actor="me")
    listed = cli("retry", parent, "--scope", "downstream", "--dry-run")
    assert listed.exit_code == exits.OK
    assert [line.split() for line in listed.stdout.splitlines()] == [
        [f"{parent}:", "3", "tasks", "would", "run", "again"],
        ["id", "state", "then", "task"],
        [parent, "cancelled", "pending", "[b]parent"],
        [child, "cancelled", "blocked", "diagnostic.noop"],
        [both, "cancelled", "blocked", "both"],
    ]
    assert {stored(database, task).state for task in (parent, child, both)} == {TaskState.CANCELLED}
    refused = cli("retry", both, "--scope", "downstream", "--dry-run", "--json")
    assert refused.exit_code == exits.ILLEGAL_STATE
    assert (
        f"depends on task {child}, which is cancelled; only after that has completed can it be retried (retry that with"
        " the scope downstream, or this with the scope chain)" in refused.stderr
    )
    found = json.loads(cli("retry", both, "--scope", "chain", "--dry-run", "--json").stdout)
    assert [task["id"] for task in found["would_retry"][both]["tasks"]] == [parent, child, both]

    done = cli("retry", both, "--scope", "chain", "--reason", "try again")
    assert done.stdout == f"{both} retried, 3 tasks in all\n"
    assert [stored(database, task).state for task in (parent, child, both)] == ["pending", "blocked", "blocked"]
    assert cli("retry", both, "--scope", "all").exit_code == exits.BAD_INPUT


def test_cancel_with_a_scope(cli: Callable[..., Result], database: Database, submitter: Submitter) -> None:
    task_id = submitter.submit("diagnostic.noop")
    done = cli("cancel", task_id, "--scope", "tree", "--json")
    assert json.loads(done.stdout)["cancelled_below"] == {task_id: 0}
    assert stored(database, task_id).state is TaskState.CANCELLED


def test_priority(cli: Callable[..., Result], database: Database, submitter: Submitter) -> None:
    task_id = submitter.submit("diagnostic.noop")

    assert cli("priority", task_id, "urgent").stdout == f"{task_id} urgent\n"
    assert stored(database, task_id).priority.label == "urgent"
    assert cli("priority", task_id, "highest").exit_code == exits.BAD_INPUT
    assert cli("priority", NOBODY, "high").exit_code == exits.NOT_FOUND
    complete(database, task_id, {})
    assert cli("priority", task_id, "low").exit_code == exits.ILLEGAL_STATE


@pytest.mark.parametrize("command", ["show", "history", "logs", "cancel", "retry"])
def test_tasks_that_are_not_there(command: str, cli: Callable[..., Result]) -> None:
    missing, no_id = cli(command, NOBODY), cli(command, NOBODY[:8])

    assert (missing.exit_code, missing.stderr) == (exits.NOT_FOUND, f"error: task {NOBODY} does not exist\n")
    assert no_id.exit_code == exits.BAD_INPUT
    assert no_id.stderr == f"error: task: '{NOBODY[:8]}' is not accepted, expected a task id (a UUID)\n"


def test_migrate_and_what_is_said_before(
    cli: Callable[..., Result], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = connect_engine(str(settings.database_url), pool_size=1)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    engine.dispose()

    before = cli("status")
    assert before.exit_code == exits.BAD_INPUT
    assert before.stderr == ("error: the database does not have this version's tables: run `taskyard migrate`\n")
    assert cli("submit", "diagnostic.noop").exit_code == exits.BAD_INPUT
    assert cli("doctor").exit_code == exits.FAILED

    done, again = cli("migrate"), cli("migrate")
    assert done.stdout.endswith(", was at nothing\n")
    assert again.stdout.endswith(" already\n")
    assert cli("list").stdout == "no tasks\n"


def test_doctor(cli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    fine = cli("doctor", "--json")
    assert (fine.exit_code, json.loads(fine.stdout)["ok"]) == (0, True)

    monkeypatch.setenv("TASKYARD_TASK_MODULES", "no_such_module_anywhere")
    wrong = cli("doctor")
    assert wrong.exit_code == exits.FAILED
    [line] = [line for line in wrong.stdout.splitlines() if line.startswith("failed")]
    assert "no_such_module_anywhere" in line
    assert "TASKYARD_TASK_MODULES" in line


def test_the_program_itself(cli: Callable[..., Result], submitter: Submitter) -> None:
    """`taskyard` on a terminal that knows no character beyond ASCII, and into a pipe that closes."""
    submitter.submit_many([{"type": "diagnostic.noop", "title": "漢" * 100} for _ in range(2_000)])
    command = [sys.executable, "-m", "worker", "list"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}

    listed = subprocess.run(
        [*command, "--limit", "1"], cwd=REPOSITORY, env=environment, capture_output=True, timeout=60
    )
    assert (listed.returncode, listed.stderr) == (0, b"")
    assert rb"\u6f22" in listed.stdout

    with subprocess.Popen(
        [*command, "--limit", "2000"], cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout.read(2) == b"id"
        process.stdout.close()
        wait_until(lambda: process.poll() is not None, 30)
        assert b"Traceback" not in process.stderr.read()
