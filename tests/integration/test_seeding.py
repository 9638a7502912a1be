"""A seeded history looks like a real one, and the roll-ups count it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from taskyard.core.clock import Clock
from taskyard.core.config import Settings
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import history, tasks
from taskyard.core.postgres.store.rollups import DAY, HOUR
from taskyard.worker.cli.app import app
from taskyard.worker.devtools.seed import seed

TASKS = 3_000


@pytest.fixture
def database(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    for name in ("database_url", "redis_url", "namespace", "data_dir"):
        monkeypatch.setenv(f"TASKYARD_{name.upper()}", str(getattr(settings, name)))
    opened = Database(str(settings.database_url))
    yield opened
    opened.close()


def test_seeded_history(database: Database) -> None:
    told: list[tuple[str, int]] = []
    seed(database, TASKS, 2, lambda what, count: told.append((what, count)))
    now = Clock().now().timestamp()
    with database.transaction() as tx:
        counts = tasks.state_counts(tx)
        whole = history.total(history.series(tx, now - 3 * DAY, now, HOUR))
        [(in_default,)] = tx.rows("SELECT count(*) FROM task_events_default", {})
    assert sum(counts.values()) == TASKS
    assert counts["completed"] > 0.9 * TASKS
    assert counts["failed"] > 0.005 * TASKS
    assert (whole.submitted, whole.completed, whole.failed) == (TASKS, counts["completed"], counts["failed"])
    assert whole.cancelled == counts["cancelled"]
    assert whole.retried >= 2 * whole.failed
    assert 0.1 < (whole.run.percentile(50) or 0) < 10
    assert in_default == 0
    assert ("tasks", TASKS) in told
    assert told[-1][0] == "roll-up"


def test_command_refuses_beside_real_tasks(database: Database) -> None:
    def run(*arguments: str) -> object:
        return CliRunner().invoke(app, ["seed", "--tasks", "50", "--days", "1", *arguments], prog_name="taskyard")

    first = run()
    assert first.exit_code == 0, first.output
    assert "seeded 50 tasks over 1 days" in first.stdout
    with database.transaction() as tx:
        tx.rows("UPDATE tasks SET created_by = 'ann' WHERE id = (SELECT id FROM tasks LIMIT 1)", {})
    refused = run()
    assert refused.exit_code != 0
    assert "there are other tasks" in refused.output
    assert run("--force").exit_code == 0
