"""`pause`, `drain`, `resume` and `holds` on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from typer.testing import CliRunner, Result

from taskyard.core.access.identity import local_actor
from taskyard.core.config import Settings
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import recovery
from taskyard.worker.cli import exits
from taskyard.worker.cli.app import app
from tests.unit.leader_state_support import info

Cli = Callable[..., Result]


@pytest.fixture
def cli(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs a command on this test's servers."""
    for name in ("database_url", "redis_url", "namespace", "data_dir"):
        monkeypatch.setenv(f"TASKYARD_{name.upper()}", str(getattr(settings, name)))
    return lambda *arguments: CliRunner().invoke(app, list(arguments), prog_name="taskyard")


def test_a_queue_is_paused_listed_and_resumed(cli: Cli) -> None:
    assert cli("holds").stdout == "nothing is paused or draining\n"
    assert (
        cli("pause", "queue", "reports", "--yes", "--reason", "[red]disk[/red] full").stdout
        == "queue reports is paused\n"
    )
    assert cli("pause", "queue", "reports").stdout == "queue reports is paused already\n"
    assert "[red]disk[/red] full" in cli("holds").stdout
    [found] = json.loads(cli("holds", "--json").stdout)
    who = local_actor().name
    assert (found["kind"], found["name"], found["mode"], found["actor"]) == ("queue", "reports", "paused", who)
    submitted = cli("submit", "diagnostic.noop", "--queue", "reports")
    assert submitted.exit_code == exits.OK, submitted.output
    status = json.loads(cli("status", "--json").stdout)
    assert "queue reports is paused by" in status["lanes"][0]["why"]
    assert status["holds"] == [found]
    assert f"queue reports is paused by {who}" in cli("status").stdout
    assert cli("resume", "queue", "reports").stdout == "queue reports resumed\n"
    assert cli("resume", "queue", "reports").stdout == "queue reports was not held\n"


def test_a_queue_that_nobody_uses_is_asked_about_before(cli: Cli) -> None:
    refused = cli("pause", "queue", "reprots")
    assert (refused.exit_code, refused.stdout) == (exits.BAD_INPUT, "")
    assert (
        "queue: 'reprots' is not accepted, expected the queue of a current or recent task, or --yes" in refused.stderr
    )
    assert cli("holds").stdout == "nothing is paused or draining\n"
    assert cli("pause", "queue", "reprots", "--yes").stdout == "queue reprots is paused\n"
    assert json.loads(cli("drain", "queue", "reprots", "--json").stdout)["mode"] == "draining"
    assert cli("submit", "diagnostic.noop", "--queue", "reports").exit_code == exits.OK
    assert cli("pause", "queue", "reports").stdout == "queue reports is paused\n"


def test_a_type_that_only_agents_or_tasks_know_is_held(cli: Cli, settings: Settings) -> None:
    database = Database(str(settings.database_url))
    agent = info("coder-1:a", types=["acme.*"])
    known = [{"name": "acme.book", "version": "1", "requires": []}]
    fields = {f: getattr(agent, f) for f in agent.__struct_fields__} | {"state": "online", "known_types": known}
    with database.transaction() as tx:
        recovery.register_agents(tx, [fields])
    database.close()
    assert cli("pause", "type", "acme.book").stdout == "type acme.book is paused\n"
    assert cli("pause", "type", "acme.bock").exit_code == exits.BAD_INPUT


def test_a_draining_type_refuses_submissions_with_the_reason(cli: Cli) -> None:
    assert cli("drain", "type", "diagnostic.noop", "--reason", "a new version comes").exit_code == exits.OK
    refused = cli("submit", "diagnostic.noop")
    assert refused.exit_code == exits.BAD_INPUT
    assert "type diagnostic.noop is draining by" in refused.stderr
    assert "a new version comes" in refused.stderr
    assert json.loads(cli("status", "--json").stdout)["states"]["pending"] == 0


def test_a_held_agent_is_why_tasks_wait(cli: Cli, settings: Settings) -> None:
    database = Database(str(settings.database_url))
    agent = info("coder-1:a", types=["diagnostic.*"])
    with database.transaction() as tx:
        recovery.register_agents(tx, [{f: getattr(agent, f) for f in agent.__struct_fields__} | {"state": "online"}])
    database.close()
    cli("submit", "diagnostic.noop")
    assert json.loads(cli("status", "--json").stdout)["lanes"][0]["why"] is None
    assert json.loads(cli("pause", "agent", "coder-1", "--json").stdout)["changed"] is True
    assert "agent coder-1 is paused" in json.loads(cli("status", "--json").stdout)["lanes"][0]["why"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("pause", "agent", "nobody-1"), "agent: 'nobody-1' is not accepted, expected the name of an agent"),
        (("pause", "type", "no.such"), "type: 'no.such' is not accepted"),
        (("drain", "queue", "no such queue"), "queue: 'no such queue' is not accepted"),
        (("pause", "lane", "x"), "'lane' is not one of"),
    ],
)
def test_what_can_not_be_held_is_refused(cli: Cli, arguments: tuple[str, ...], complaint: str) -> None:
    refused = cli(*arguments)
    assert refused.exit_code == exits.BAD_INPUT
    assert complaint in refused.stderr.replace("\n", " ")
    assert cli("holds").stdout == "nothing is paused or draining\n"
