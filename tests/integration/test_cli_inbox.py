"""`inbox` on the command line."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable

import pytest
from rich.cells import cell_len
from typer.testing import CliRunner, Result

from taskyard.core.access.identity import LOGIN
from taskyard.core.access.permissions import Role
from taskyard.core.access.principals import Kind, acting
from taskyard.core.config import Settings
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import principals
from taskyard.core.submission.submit import Submitter, open_submitter
from taskyard.core.task_types.registry import registry
from taskyard.worker.cli import exits
from taskyard.worker.cli.app import app
from tests.asked import asked, asked_again

Cli = Callable[..., Result]
SCHEMA = {"type": "object", "properties": {"version": {"type": "string"}}, "required": ["version"]}
KIM = acting(Kind.PERSON, "kim", LOGIN, Role.OPERATOR, ("*",), ("*",))
NOBODY = "0199c0de-0000-7000-8000-000000000001"


@pytest.fixture
def cli(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs a command on this test's servers."""
    for name in ("database_url", "redis_url", "namespace", "data_dir"):
        monkeypatch.setenv(f"TASKYARD_{name.upper()}", str(getattr(settings, name)))

    def run(*arguments: str, text: str | None = None) -> Result:
        return CliRunner().invoke(app, list(arguments), prog_name="taskyard", input=text)

    return run


@pytest.fixture
def submitter(settings: Settings) -> Submitter:
    return open_submitter(settings, registry.load(), settings.database_url or "", settings.redis_url or "")


def test_the_life_of_a_question(cli: Cli, submitter: Submitter, database: Database) -> None:
    assert cli("inbox", "list").stdout == "no open questions\n"
    question_id = asked(submitter, database, schema=SCHEMA, context="[b]all[/b]\n\x1b[31mred")
    assert "Deploy to production?" in cli("inbox", "list").stdout
    shown = cli("inbox", "show", question_id)
    assert shown.exit_code == exits.OK, shown.output
    assert "[b]all[/b]" in shown.stdout
    assert "\x1b" not in shown.stdout
    with database.transaction() as tx:
        principals.create(tx, "kim", "submitter", "test")
    assert cli("inbox", "delegate", question_id, "kim").stdout == f"kim may answer question {question_id}\n"
    refused = cli("inbox", "answer", question_id)
    assert (refused.exit_code, refused.stdout) == (exits.BAD_INPUT, "")
    assert refused.stderr == "error: data.version is required\n"
    answered = cli("inbox", "answer", question_id, "--data-file", "-", text='{"version": "1"}')
    assert answered.exit_code == exits.OK, answered.output
    assert answered.stdout == f"question {question_id} approved\n"
    closed = cli("inbox", "decline", question_id, "--reason", "no")
    assert (closed.exit_code, closed.stderr) == (
        exits.ILLEGAL_STATE,
        f"error: question {question_id} has been answered already, by {getpass.getuser()}\n",
    )
    [found] = json.loads(cli("inbox", "list", "--state", "ended", "--json").stdout)
    assert (found["id"], found["state"], found["answers"][0]["data"]) == (question_id, "answered", {"version": "1"})


def test_an_answer_that_was_not_accepted_is_shown(cli: Cli, submitter: Submitter, database: Database) -> None:
    first, reason = asked(submitter, database, schema=SCHEMA), "data.version: '9' is not accepted"
    submitter.questions.answer(first, "approved", {"version": "9"}, actor=KIM)
    question_id = asked_again(database, first, reason)
    shown = " ".join(cli("inbox", "show", question_id).stdout.split())
    assert "the answer of kim was not accepted by the handler: data.version: '9' is not accepted" in shown
    assert 'data that were not accepted { "version": "9" }' in shown
    found = json.loads(cli("inbox", "show", question_id, "--json").stdout)
    assert found["refused"] == {"people": ["kim"], "reason": reason, "data": {"version": "9"}}
    assert json.loads(cli("inbox", "show", first, "--json").stdout)["refused"] is None


def test_names_that_nobody_has_are_told(
    cli: Cli, submitter: Submitter, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    question_id = asked(submitter, database, of=["leads", "operator"])
    listed, shown = (" ".join(cli("inbox", *words).stdout.split()) for words in (["list"], ["show", question_id]))
    in_vain = "leads is no role, and nobody of this name may answer"
    assert in_vain in shown
    assert "is no role, and" in listed
    [found] = json.loads(cli("inbox", "list", "--json").stdout)
    assert found["unreached"] == ["leads"]
    waits = json.loads(cli("why", found["task_id"], "--json").stdout)
    assert waits["holds"][:2] == ["asks in the Inbox: Deploy to production?", in_vain]
    with database.transaction() as tx:
        principals.create(tx, "leads", "viewer", "test")
    [found] = json.loads(cli("inbox", "list", "--json").stdout)
    assert found["unreached"] == ["leads"], "whoever is on the machine is an operator, as nobody signs in"
    monkeypatch.setenv("TASKYARD_AUTH", "password")
    [found] = json.loads(cli("inbox", "list", "--json").stdout)
    assert found["unreached"] == ["leads", "operator"]


def test_a_question_for_more_people_than_there_are_is_told(
    cli: Cli, submitter: Submitter, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.transaction() as tx:
        principals.create(tx, "ann", "operator", "test")
    question_id = asked(submitter, database, needs=2)
    assert json.loads(cli("inbox", "show", question_id, "--json").stdout)["lacking"] == 0
    monkeypatch.setenv("TASKYARD_AUTH", "password")
    told = "2 people must approve, and 1 known by name may answer"
    found = json.loads(cli("inbox", "show", question_id, "--json").stdout)
    assert (found["unreached"], found["lacking"]) == ([], 1)
    assert told in " ".join(cli("inbox", "show", question_id).stdout.split())
    assert "2 people must" in " ".join(cli("inbox", "list").stdout.split())
    assert json.loads(cli("why", found["task_id"], "--json").stdout)["holds"][1] == told
    with database.transaction() as tx:
        principals.create(tx, "kim", "admin", "test")
    assert json.loads(cli("inbox", "show", question_id, "--json").stdout)["lacking"] == 0


def test_declining(cli: Cli, submitter: Submitter, database: Database) -> None:
    question_id = asked(submitter, database)
    assert cli("inbox", "decline", question_id, "--reason", "a freeze").stdout == f"question {question_id} declined\n"
    assert json.loads(cli("inbox", "show", question_id, "--json").stdout)["state"] == "declined"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("show", "x"), exits.BAD_INPUT),
        (("show", NOBODY), exits.NOT_FOUND),
        (("answer", NOBODY), exits.NOT_FOUND),
        (("answer", NOBODY, "--data", "{"), exits.BAD_INPUT),
        (("decline", NOBODY), exits.BAD_INPUT),
        (("decline", NOBODY, "--reason", ""), exits.BAD_INPUT),
        (("delegate", NOBODY, "no name"), exits.BAD_INPUT),
        (("list", "--state", "maybe"), exits.BAD_INPUT),
    ],
)
def test_bad_input_is_refused_on_stderr(cli: Cli, arguments: tuple[str, ...], code: int) -> None:
    done = cli("inbox", *arguments)
    assert (done.exit_code, done.stdout) == (code, "")
    assert done.stderr


def test_long_questions_are_cut_in_the_list(
    cli: Cli, submitter: Submitter, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)  # no terminal: as wide as the text
    text = "部" * 300
    question_id = asked(submitter, database, text)
    lines = cli("inbox", "list").stdout.splitlines()
    assert all(cell_len(line) < 200 for line in lines)
    assert any(f"{'部' * 29}…" in line for line in lines)
    assert any(question_id in line for line in lines)
    assert text in cli("inbox", "show", question_id).stdout
    assert json.loads(cli("inbox", "list", "--json").stdout)[0]["question"] == text
