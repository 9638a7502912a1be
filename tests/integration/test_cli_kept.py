"""`taskyard kept`, and what why and doctor say of kept reports."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from typer.testing import CliRunner, Result

from taskyard.core.health.checks import database_checks
from taskyard.core.postgres.store import kept_reports
from taskyard.core.postgres.store.kept_reports import NewReport
from taskyard.worker.cli.app import app
from tests.engine import Engine
from tests.servers import wait_until


@pytest.fixture
def cli(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    settings = engine.settings
    monkeypatch.setenv("TASKYARD_DATABASE_URL", str(settings.database_url))
    monkeypatch.setenv("TASKYARD_REDIS_URL", str(settings.redis_url))
    monkeypatch.setenv("TASKYARD_NAMESPACE", settings.namespace)
    monkeypatch.setenv("TASKYARD_DATA_DIR", str(settings.data_dir))
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


def of(task_id: str, agent_id: str) -> NewReport:
    """A report of version 7 about the first attempt of a task."""
    text = f'["ended\x1b[31m","{task_id}",1]'
    return NewReport(
        7, "ended\x1b[31m", None, agent_id, ((task_id, 1),), "Invalid value 'ended'", text.encode(), b"1-0"
    )


def test_it_lists_and_drops(engine: Engine, cli: Callable[..., Result]) -> None:
    assert "no report is kept" in cli("kept").stdout
    engine.worker()
    agent = engine.agent()
    task_id = engine.submit("demo.gate")
    wait_until(lambda: engine.task(task_id).state == "in_progress")
    with engine.database.transaction() as tx:
        kept_reports.keep(tx, [of(task_id, agent.id)] * 2)
    said = cli("kept")
    assert (said.exit_code, "\x1b" in said.stdout, "ended" in said.stdout) == (0, False, True)
    [listed] = json.loads(cli("kept", "--json").stdout)
    assert (listed["version"], listed["agent_id"], listed["pairs"]) == (7, agent.id, [[task_id, 1]])
    why = json.loads(cli("why", task_id, "--json").stdout)
    assert f"kept report {listed['id']}, version 7" in why["summary"]
    [check] = [one for one in database_checks(str(engine.settings.database_url)) if "newer agents" in one.name]
    assert (check.ok, check.warning, "version 7" in check.found) == (True, True, True)
    missing = cli("kept", "--drop", "99")
    assert (missing.exit_code, "99" in missing.output) == (2, True)
    dropped = cli("kept", "--drop", str(listed["id"]), "--reason", "the agents went back")
    assert "1 dropped" in dropped.stdout
    assert cli("kept", "--json").stdout.strip() == "[]"
    assert "newer" not in json.loads(cli("why", task_id, "--json").stdout)["summary"]
    with engine.database.transaction() as tx:
        rows = tx.rows("SELECT detail ->> 'reason' FROM task_events WHERE event = 'kept_report_dropped'", {})
    assert rows == [("the agents went back",)]
