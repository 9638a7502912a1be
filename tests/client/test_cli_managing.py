"""Commands on access, webhooks, hooks, mail and many tasks say and do the same on this host's servers and over HTTP."""

from __future__ import annotations

import json
import re
import uuid

import pytest
import typer
from typer.testing import Result

from taskyard.client import Client
from taskyard.core.access.identity import local_actor
from taskyard.core.access.permissions import Role
from taskyard.core.errors import TaskyardError, Unavailable
from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.submission import authorized_access
from taskyard.core.submission.bulk_operation import Action, Operation
from taskyard.worker.cli import bulk as bulk_command
from taskyard.worker.cli import confirm, exits
from taskyard.worker.cli.ports.bulk import Counted
from taskyard.worker.cli.remote import bulk as remote_bulk
from taskyard.worker.cli.remote.bulk import RemoteBulk
from tests.client.doors import AGE, Doors
from tests.client.test_cli import without_ids
from tests.engine import Engine

NOBODY = "0199c0de-0000-7000-8000-000000000001"
URL = "https://hooks.example.com/x"


def blurred(result: Result) -> tuple[int, str, str]:
    """What a command said, without ids, secrets, times, and who did it."""
    code, out, error = without_ids(result)
    out = re.sub(r"whsec_[\w+/=]+", "SECRET", out)
    out = re.sub(r'"last_used_at": .*', "USED", out)
    out = re.sub(r"(local|token):[\w.-]+", "WHO", out)
    out = re.sub(r"\d{4}-\d\d-\d\d[T ][\d:]+(\.\d+)?(\+00:00)?", "TIME", out)
    return code, re.sub(r" +", " ", AGE.sub("AGE", out)), error


def told_alike(doors: Doors, steps: list[tuple[str, ...]], stdin: str | None = None) -> list[tuple[int, str, str]]:
    """Takes all steps through one door, then through the other, and returns what was said, which is the same."""
    local, remote = (
        [blurred(doors.through(door, *step, stdin=stdin)) for step in steps] for door in ("local", "remote")
    )
    for step, here, there in zip(steps, local, remote, strict=True):
        assert there == here, step
    return remote


def test_access(doors: Doors, store: Engine) -> None:
    ci = f"ci-{uuid.uuid4().hex[:8]}"
    with store.database.transaction() as tx:
        authorized_access.create(tx, local_actor(), ci, Role.VIEWER, kind="service")
        authorized_access.make_token(tx, local_actor(), ci, note="nightly")
    steps: list[tuple[str, ...]] = [
        ("access", "role", ci, "operator", "--queue", "nightly-*"),
        ("access", "role", ci, "operator", "--json"),
        ("access", "role", ci, "--type", "a b"),
        ("access", "role", "nobody-here", "viewer"),
        ("access", "role", "no name", "viewer"),
        ("access", "disable", ci),
        ("access", "disable", ci, "--json"),
        ("access", "list"),
        ("access", "list", "--json"),
        ("access", "enable", ci),
        ("access", "enable", "nobody-here"),
        ("access", "create", ci),
        ("access", "create", "no name"),
        ("access", "tokens", ci),
        ("access", "tokens", "nobody-here"),
        ("access", "tokens", "--json"),
        ("access", "sessions"),
        ("access", "sessions", "--json"),
        ("access", "end-sessions", ci),
        ("access", "end-sessions", "nobody-here", "--json"),
        ("access", "revoke", "0123456789ab"),
        ("access", "revoke", NOBODY),
        ("access", "role", ci, "viewer", "--queue", "*"),
    ]
    told = told_alike(doors, steps)
    assert told[0] == (0, f"{ci} is operator for queues nightly-* and types *\n", "")
    assert json.loads(told[1][1])["changed"] is False
    for door in ("local", "remote"):
        made = doors.through(door, "access", "create", f"{ci}-{door}", "--kind", "service", "--role", "submitter")
        assert made.stdout == f"service {ci}-{door} created with the role submitter\n"
        with store.database.transaction() as tx:
            _, token = authorized_access.make_token(tx, local_actor(), f"{ci}-{door}")
        assert doors.through(door, "access", "revoke", token.id).stdout == f"{token.id} revoked\n"
        assert doors.through(door, "access", "revoke", token.id).exit_code == exits.BAD_INPUT


def test_a_password_that_is_refused_says_what_is_expected(doors: Doors) -> None:
    for words in (("access", "create-admin", "ann"), ("access", "password", "ann")):
        for typed in ("short\n", "\n", "x" * 1_001 + "\n"):
            refused = doors.through("local", *words, "--password-stdin", stdin=typed)
            assert (refused.exit_code, refused.stdout) == (exits.BAD_INPUT, "")
            assert refused.stderr == (
                "error: password: '***' is not accepted, expected 12 to 1000 printable characters\n"
            )


def test_webhooks(doors: Doors) -> None:
    told = told_alike(
        doors,
        [
            ("webhooks", "list"),
            ("webhooks", "add", "ci", URL, "--queue", "nightly-*", "--outcome", "failed"),
            ("webhooks", "add", "ci", URL),
            ("webhooks", "add", "CI", URL),
            ("webhooks", "add", "inside", "https://127.0.0.1/"),
            ("webhooks", "add", "other", URL, "--outcome", "ended"),
            ("webhooks", "list"),
            ("webhooks", "list", "--json"),
            ("webhooks", "change", "ci", "--output"),
            ("webhooks", "change", "ci", "--output", "--json"),
            ("webhooks", "change", "nobody", "--output"),
            ("webhooks", "ping", "ci"),
            ("webhooks", "ping", "ci", "--json"),
            ("webhooks", "deliveries"),
            ("webhooks", "deliveries", "ci", "--json"),
            ("webhooks", "deliveries", "--state", "lost"),
            ("webhooks", "deliveries", "--state", "failed"),
            ("webhooks", "deliveries", "nobody"),
            ("webhooks", "send", "ci", NOBODY),
            ("webhooks", "send", "ci", "no-id"),
            ("webhooks", "disable", "ci", "--reason", "[b]it moves[/b]"),
            ("webhooks", "disable", "ci"),
            ("webhooks", "list", "--json"),
            ("webhooks", "ping", "ci"),
            ("webhooks", "enable", "ci"),
            ("webhooks", "enable", "ci", "--json"),
            ("webhooks", "rotate", "ci"),
            ("webhooks", "rotate", "nobody"),
            ("webhooks", "remove", "ci"),
            ("webhooks", "remove", "ci"),
        ],
    )
    assert told[1][1:] == ("SECRET\n", "the secret of ci, shown this once\n")
    assert told[11][1:] == (
        "a test message is queued: delivery ID\n", "`webhooks deliveries ci` shows what became of it\n"
    )  # fmt: skip
    assert "[b]it moves[/b]" in told[22][1]


def test_hooks(doors: Doors) -> None:
    template = json.dumps({"value": "{{ body.ref }}"})
    hook = ("hooks", "add", "push", "github", "diagnostic.echo", "--template")
    told = told_alike(
        doors,
        [
            ("hooks", "list"),
            (*hook, template, "--event", "push"),
            (*hook, template),
            (*hook, "[]"),
            (*hook, '{"value": "{{ nothing }}"}'),
            ("hooks", "add", "x", "github", "no.such"),
            ("hooks", "list"),
            ("hooks", "list", "--json"),
            ("hooks", "change", "push", "--queue", "builds", "--priority", "high"),
            ("hooks", "change", "push", "--queue", "builds"),
            ("hooks", "change", "push", "--priority", "hihg"),
            ("hooks", "change", "push", "--template", "[]"),
            ("hooks", "change", "nobody", "--queue", "builds"),
            ("hooks", "disable", "push"),
            ("hooks", "disable", "push", "--json"),
            ("hooks", "enable", "push"),
            ("hooks", "rotate", "push"),
            ("hooks", "rotate", "nobody"),
            ("hooks", "remove", "push"),
            ("hooks", "remove", "push"),
        ],
    )
    assert told[1][0] == 0
    secrets = [
        ("hooks", "add", "pay", "stripe", "diagnostic.echo", "--template", template, "--secret-stdin"),
        ("hooks", "rotate", "pay", "--secret-stdin"),
        ("hooks", "remove", "pay"),
    ]
    assert (
        told_alike(doors, secrets, stdin="a-secret-that-stripe-made\n")[1][1] == "pay has the secret that was given\n"
    )
    assert told_alike(doors, secrets, stdin="short\n")[0][0] == exits.BAD_INPUT


def test_mail(doors: Doors, store: Engine) -> None:
    box = store.broker.mailbox("reader")

    def fill() -> None:
        for number in range(3):
            box.send("writer", "reader", {"number": number})

    fill()
    told = told_alike(
        doors,
        [
            ("mail", "list"),
            ("mail", "list", "--older-than", "1d"),
            ("mail", "list", "nobody"),
            ("mail", "list", "--dead"),
            ("mail", "list", "--older-than", "soon"),
            ("mail", "list", "a\x1bb"),
            ("mail", "redrive", "reader"),
            ("mail", "redrive", "--all", "--json"),
            ("mail", "redrive", "reader", "no-id"),
            ("mail", "redrive", "reader", "1-1"),
            ("mail", "redrive"),
            ("mail", "purge", "nobody", "--yes"),
            ("mail", "purge", "reader"),
        ],
    )
    assert "reader" in told[0][1]
    local, remote = (json.loads(one.stdout) for one in doors.both("mail", "list", "reader", "--json"))
    assert [{**one, "age_seconds": 0} for one in remote] == [{**one, "age_seconds": 0} for one in local]
    assert [one["is_masked"] for one in remote] == [False] * 3
    for door in ("local", "remote"):
        assert doors.through(door, "mail", "purge", "reader", "--yes", "--json").stdout == '{\n  "removed": 3\n}\n'
        fill()
    assert doors.through("remote", "mail", "purge", "--all", "--yes").stdout == "3 removed\n"


def test_many_tasks(doors: Doors, store: Engine) -> None:
    ends = []
    for door in ("local", "remote"):
        queue = f"bulk-{uuid.uuid4().hex[:8]}"
        ids = [store.submit("diagnostic.noop", queue=queue, delay_seconds=3600) for _ in range(5)]
        store.submitter.cancel(ids[0], actor="test")
        only = ("--queue", queue, "--reason", "wrong data")
        said = [
            blurred(doors.through(door, "bulk", *words))
            for words in (
                ("cancel", *only, "--dry-run"),
                ("cancel", *only),
                ("cancel", *only, "--yes"),
                ("cancel", *only, "--yes", "--json"),
                ("retry", *only, "--state", "pending", "--yes"),
                ("retry", *only, "--since", "1h", "--json", "--yes"),
                ("priority", "--to", "urgent", *only, "--yes"),
                ("priority", "--to", "huge", "--since", "soon"),
                ("cancel", *only, "--input-path", "$."),
                ("restart", "--all"),
            )
        ]
        history = store.history(ids[1])
        assert "wrong data" in json.dumps([event.detail for event in history])
        ends.append((said, [store.task(one).state for one in ids]))
    assert ends[0] == ends[1]
    told = ends[1][0]
    assert told[0] == (0, "4 tasks would be cancelled, of 5 that match\n", "")
    assert told[1][2] == "error: --yes is required: there is no terminal to ask on\n"
    assert told[2][1] == "4 tasks cancelled\n"


def test_the_number_is_typed_for_many_tasks_and_for_all(
    doors: Doors, store: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_command, "TYPED_ABOVE_TASKS", 2)
    asked: list[str] = []
    answers: list[str] = []

    def prompt(text: str, **_: object) -> str:
        asked.append(text)
        return answers.pop(0)

    monkeypatch.setattr(confirm, "has_terminal", lambda: True)
    monkeypatch.setattr(typer, "prompt", prompt)
    for door in ("local", "remote"):
        queue = f"bulk-{uuid.uuid4().hex[:8]}"
        ids = [store.submit("diagnostic.noop", queue=queue, delay_seconds=3600) for _ in range(3)]
        order = ("bulk", "cancel", "--queue", queue, "--reason", "wrong data")
        answers[:] = ["2", "y", "3"]
        for wanted in ("scheduled", "scheduled", "cancelled"):
            doors.through(door, *order)
            assert {store.task(one).state.value for one in ids} == {wanted}
        assert asked[-1] == "3 tasks will be cancelled. Type 3 to go on"
        answers[:] = ["no"]
        everything = doors.through(door, "bulk", "cancel", "--all", "--reason", "wrong data")
        assert everything.exit_code == exits.FAILED
        assert re.search(r"Type \d+ to go on", asked[-1])


def test_what_ends_an_operation_early_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    progress = {"done": 500, "skipped": 0, "total": 900, "is_over": False}
    operation, only = Operation(Action.CANCEL, "test", "wrong data"), TaskFilter(queues=("reports",))
    counted = Counted(900, 900, True, None)
    told: list[tuple[int, ...]] = []
    remote = RemoteBulk(Client("http://127.0.0.1:1"))

    def run(*lines: dict[str, object]) -> None:
        monkeypatch.setattr(remote_bulk, "lines_of", lambda *_: iter(lines))
        remote.run(operation, only, counted, lambda *figures: told.append(figures))

    with pytest.raises(Unavailable, match="ended it early: what is done stays"):
        run(progress)
    assert told == [(500, 0, 900)]
    with pytest.raises(TaskyardError, match="PostgreSQL is away; 500 are done, the same command does the rest"):
        run(progress, {**progress, "is_over": True, "problem": "PostgreSQL is away"})
