"""`bulk` on the command line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

import pytest
from typer.testing import CliRunner, Result

from taskyard.core.config import Settings
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import tasks
from taskyard.worker.cli import exits
from taskyard.worker.cli.app import app

Cli = Callable[..., Result]


@pytest.fixture
def cli(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs a command on this test's servers."""
    for name in ("database_url", "redis_url", "namespace", "data_dir"):
        monkeypatch.setenv(f"TASKYARD_{name.upper()}", str(getattr(settings, name)))
    return lambda *arguments: CliRunner().invoke(app, list(arguments), prog_name="taskyard")


@pytest.fixture
def database(settings: Settings, cli: Cli) -> Iterator[Database]:
    """With five tasks of two types that wait."""
    database = Database(str(settings.database_url))
    for number in range(5):
        submitted = cli("submit", "diagnostic.noop" if number < 3 else "diagnostic.echo")
        assert submitted.exit_code == exits.OK, submitted.output
    yield database
    database.close()


def states(database: Database) -> dict[str, int]:
    with database.transaction() as tx:
        return tasks.state_counts(tx)


def test_what_fits_is_cancelled_and_retried(cli: Cli, database: Database) -> None:
    done = cli("bulk", "cancel", "--type", "diagnostic.noop", "--reason", "wrong data", "--yes")
    assert (done.exit_code, done.stdout) == (exits.OK, "3 tasks cancelled\n")
    assert states(database) == {"cancelled": 3, "pending": 2}
    again = cli("bulk", "retry", "--state", "cancelled", "--since", "1h", "--reason", "right again", "--yes", "--json")
    found = json.loads(again.stdout)
    assert (found["action"], found["matching"], found["done"], found["skipped"]) == ("retry", 3, 3, 0)
    assert states(database) == {"pending": 5}


def test_a_retry_has_a_scope(cli: Cli, database: Database) -> None:
    with database.transaction() as tx:
        first = tasks.list_tasks(tx, type="diagnostic.noop")[0].id
    child = cli("submit", "diagnostic.echo", "--after", first).stdout.strip()
    cli("cancel", first)
    again = ("bulk", "retry", "--type", "diagnostic.noop", "--reason", "right again", "--scope", "downstream")
    told = cli(*again, "--dry-run")
    assert told.stdout.splitlines()[0] == "1 task would be retried, of 3 that match, and 1 besides"
    assert [line.split()[0] for line in told.stdout.splitlines()[1:]] == ["id", first, child]
    found = json.loads(cli(*again, "--dry-run", "--json").stdout)
    assert (found["matching"], found["besides"], [task["id"] for task in found["again"]]) == (1, 1, [first, child])
    assert cli(*again, "--yes").stdout == "1 task retried; 1 task besides\n"
    assert states(database) == {"pending": 5, "blocked": 1}


def test_a_priority_is_given(cli: Cli, database: Database) -> None:
    done = cli("bulk", "priority", "--to", "urgent", "--all", "--reason", "month's end", "--yes")
    assert done.stdout == "5 tasks given another priority\n"
    nothing = cli("bulk", "priority", "--to", "urgent", "--all", "--reason", "month's end", "--yes")
    assert (nothing.exit_code, nothing.stdout) == (exits.OK, "0 tasks given another priority\n")


def test_a_dry_run_changes_nothing(cli: Cli, database: Database) -> None:
    told = cli("bulk", "cancel", "--all", "--reason", "why", "--dry-run")
    assert (told.exit_code, told.stdout) == (exits.OK, "5 tasks would be cancelled\n")
    assert states(database) == {"pending": 5}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("restart", "--all", "--reason", "why"), "action: 'restart' is not accepted, expected one of cancel, retry"),
        (("cancel", "--reason", "why"), "a filter is required: either --all or an option such as --type"),
        (
            ("cancel", "--all", "--type", "a.b", "--reason", "why"),
            "--all: '--all' is not accepted, expected either --all or a filter such as --type, not both",
        ),
        (("cancel", "--all"), "reason is required: 1 to 500 characters"),
        (
            ("cancel", "--all", "--reason", "why", "--scope", "chain"),
            "scope: 'chain' is not accepted",
        ),
        (("cancel", "--all", "--reason", "why"), "--yes is required: there is no terminal to ask on"),
        (("cancel", "--since", "soon", "--reason", "why"), "since: 'soon' is not accepted"),
        (("cancel", "--input-path", "$.", "--reason", "why"), "input_path: '$.' is not accepted"),
        (("retry", "--state", "pending", "--reason", "why"), "states: 'pending' is not accepted, expected failed or"),
        (("priority", "--all", "--reason", "why"), "priority is required: one of low, medium"),
    ],
)
def test_what_makes_no_sense_is_said(cli: Cli, database: Database, arguments: tuple[str, ...], message: str) -> None:
    told = cli("bulk", *arguments)
    assert told.exit_code == exits.BAD_INPUT
    assert message in told.stderr
    assert states(database) == {"pending": 5}


def test_all_that_makes_no_sense_is_said_at_once(cli: Cli, database: Database) -> None:
    told = cli("bulk", "retry")
    assert told.exit_code == exits.BAD_INPUT
    assert [line.partition(" is required")[0] for line in told.stderr.splitlines()] == [
        "error: reason",
        "error: a filter",
    ]
    told = cli("bulk", "priority", "--to", "huge", "--since", "soon")
    found = [re.split(": | is ", line)[1] for line in told.stderr.splitlines()]
    assert found == ["reason", "since", "priority"]
    assert "Required: the reason" in cli("bulk", "--help").stdout
    assert states(database) == {"pending": 5}
