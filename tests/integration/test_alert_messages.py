"""What alerts say, stored and sent: by workers of this release and of the one before, side by side."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from alembic import command
from typer.testing import CliRunner

from taskyard.core.alerts.kinds import disk, oldest_waiting
from taskyard.core.alerts.messages import message_of
from taskyard.core.alerts.reading import Reading
from taskyard.core.alerts.rules import RuleFile
from taskyard.core.config import Settings
from taskyard.core.message_templates import IdentifiedText
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.migrations import alembic_config, migrate
from taskyard.core.postgres.pools import connect_engine
from taskyard.core.postgres.store import alerts
from taskyard.core.postgres.store.alerts import Alert
from taskyard.core.telemetry.live_snapshot import FiringAlert
from taskyard.worker.alerts import engine as engines
from taskyard.worker.alerts.engine import AlertEngine
from taskyard.worker.cli.app import app
from tests.clock import FakeClock

RULES = RuleFile.model_validate({"rules": [{"name": "full", "kind": "disk", "threshold": 0.9, "clear": 0.8}]})
FORMER_TEXT = "the disk of /data on here is 95% full"
FORMER_FIRE = """
INSERT INTO alerts (id, rule, subject, severity, state, message, value, threshold, fired_at)
VALUES (%(id)s::uuid, %(rule)s, %(subject)s, 'warning', 'firing', %(message)s, 0.95, 0.9, now()) RETURNING id
"""
FORMER_UPDATE = """
UPDATE alerts SET message = %(message)s, value = %(value)s WHERE id = %(id)s::uuid AND resolved_at IS NULL
"""
FORMER_OPEN = """
SELECT id, rule, subject, severity, state, message, value, threshold, fired_at, acknowledged_at, acknowledged_by,
    resolved_at
FROM alerts WHERE resolved_at IS NULL ORDER BY fired_at
"""


class Silent:
    """Deliveries that nobody gets."""

    def send(self, names: object, notification: object) -> None:
        """Drops it."""


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, pool_size=1)
    yield database
    database.close()


@pytest.fixture
def clock(database: Database) -> FakeClock:
    with database.transaction() as tx:
        [(now,)] = tx.rows("SELECT now()", {})
    return FakeClock(now)


def look(engine: AlertEngine, clock: FakeClock, share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """One evaluation of a worker of this release."""
    message = disk.FULL(path="/data", host="here", share=share)
    monkeypatch.setattr(engines, "read", lambda rule, signals: {"here /data": Reading(share, message)})
    clock.advance(5)
    engine.evaluate(None, clock.now(), clock.monotonic())  # type: ignore[arg-type]


def new_engine(database: Database) -> AlertEngine:
    return AlertEngine(RULES, database, Silent(), "main")  # type: ignore[arg-type]


def fire_formerly(database: Database, message: str = FORMER_TEXT, subject: str = "here /data") -> str:
    """A row that a worker of the release before stores."""
    alert_id = str(uuid.uuid4())
    with database.transaction() as tx:
        tx.rows(FORMER_FIRE, {"id": alert_id, "rule": "full", "subject": subject, "message": message})
    return alert_id


def update_formerly(database: Database, alert_id: str, message: str) -> None:
    with database.transaction() as tx:
        tx.rows(FORMER_UPDATE, {"id": alert_id, "message": message, "value": 0.97})


def stored(database: Database) -> Alert:
    with database.transaction() as tx:
        [alert] = alerts.list_alerts(tx)
    return alert


def test_a_new_worker_takes_over_an_old_row(
    database: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    alert_id = fire_formerly(database)
    engine = new_engine(database)
    assert stored(database).message_id is None
    assert message_of(stored(database)) == FORMER_TEXT

    look(engine, clock, 0.96, monkeypatch)
    assert [alert.message for alert in engine.firing] == ["the disk of /data on here is 96% full"]
    look(engine, clock, 0.96, monkeypatch)

    alert = stored(database)
    assert (alert.id, alert.message_id) == (alert_id, "disk.full")
    assert alert.message_parameters == {"path": "/data", "host": "here", "share": 0.96}
    assert isinstance(message_of(alert), IdentifiedText)


def test_an_old_worker_takes_over_a_new_row(
    database: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it writes is shown, not what was known before; a new worker names it again."""
    engine = new_engine(database)
    look(engine, clock, 0.95, monkeypatch)
    assert stored(database).message_id == "disk.full"
    with database.transaction() as tx:
        [row] = tx.rows(FORMER_OPEN, {})
    assert row[5] == FORMER_TEXT

    update_formerly(database, row[0], "the disk of /data on here is 97% full")

    alert = stored(database)
    assert (alert.message_id, alert.message_parameters) == (None, None)
    assert message_of(alert) == "the disk of /data on here is 97% full"
    after = new_engine(database)
    look(after, clock, 0.97, monkeypatch)
    look(after, clock, 0.97, monkeypatch)
    assert stored(database).message_parameters == {"path": "/data", "host": "here", "share": 0.97}


def test_the_same_text_keeps_its_id(database: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    look(new_engine(database), clock, 0.95, monkeypatch)
    update_formerly(database, stored(database).id, FORMER_TEXT)
    assert stored(database).message_id == "disk.full"


def test_numbers_and_messages_in_messages_keep_their_types(database: Database, clock: FakeClock) -> None:
    parameters = {"seconds": 400.25, "queue": "a", "type": {"id": "x", "parameters": {"n": 3}, "text": "t"}, "n": None}
    alert = Alert(str(uuid.uuid4()), "r", "s", "info", "firing", "m", 1.0, 1.0, clock.now(), message_id="i.j",
                  message_parameters=parameters)  # fmt: skip
    with database.transaction() as tx:
        assert alerts.fire(tx, [alert])
    assert stored(database).message_parameters == parameters
    with database.transaction() as tx:
        alerts.update(tx, [replace(alert, message="n", message_id=None, message_parameters=None)])
    assert stored(database).message_parameters is None


def test_the_migration_names_old_rows_and_leaves_others(database_url: str) -> None:
    texts = {
        FORMER_TEXT: "disk.full",
        "the oldest task of queue mail, of type demo.x, has waited for 400 s": "oldest_waiting.waited",
        "2 tasks of type demo.x wait: no registered agent takes type demo.x": "no_agent.pending",
        "100% of \\ is 'ours' : somebody's own words": None,
    }
    engine = connect_engine(database_url, pool_size=1)
    with engine.begin() as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.downgrade(config, "0014")
    engine.dispose()
    database = Database(database_url, pool_size=1)
    for number, text in enumerate(texts):
        fire_formerly(database, text, str(number))

    migrate(database_url)

    with database.transaction() as tx:
        found = {alert.message: alert for alert in alerts.list_alerts(tx)}
    assert {text: alert.message_id for text, alert in found.items()} == texts
    waited = found["the oldest task of queue mail, of type demo.x, has waited for 400 s"]
    assert message_of(waited) == oldest_waiting.WAITED(queue="mail", type="demo.x", seconds=400.0)
    refused = found["2 tasks of type demo.x wait: no registered agent takes type demo.x"]
    assert message_of(refused) == "2 tasks of type demo.x are pending: no registered agent takes type demo.x"
    with database.transaction() as tx:  # a worker of the release before goes on beside it
        tx.rows(FORMER_UPDATE, {"id": waited.id, "message": "the oldest task … 500 s", "value": 500.0})
        assert alerts.find_alert(tx, waited.id).message_id is None
    database.close()


def test_the_command_line_renders_the_message(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("database_url", "redis_url", "namespace", "data_dir"):
        monkeypatch.setenv(f"TASKYARD_{name.upper()}", str(getattr(settings, name)))
    database = Database(settings.database_url, pool_size=1)
    fire_formerly(database, "in words of its own", "own")
    alert_id = fire_formerly(database, "in former words", "former")
    with database.transaction() as tx:
        tx.rows(
            "UPDATE alerts SET message_id = 'disk.full', message_parameters = %(p)s::jsonb WHERE id = %(id)s::uuid",
            {"id": alert_id, "p": '{"path": "/data", "host": "here", "share": 0.957}'},
        )
    database.close()

    shown = " ".join(CliRunner().invoke(app, ["alerts"], prog_name="taskyard").stdout.split())

    assert "in words of its own" in shown
    assert "the disk of /data on here is 96% full" in shown
    assert "in former words" not in shown


class FormerAlert(msgspec.Struct):
    """As leaders and viewers of the release before write and read it."""

    id: str
    rule: str
    subject: str
    severity: str
    state: str
    message: str
    fired_at: float


def test_leaders_and_viewers_of_both_releases_read_each_other() -> None:
    former = FormerAlert("0", "full", "here", "info", "firing", FORMER_TEXT, 1.0)
    read: Any = msgspec.convert(msgspec.to_builtins(former), FiringAlert)
    assert (message_of(read), read.message_id) == (FORMER_TEXT, None)
    now = FiringAlert("0", "full", "here", "info", "firing", FORMER_TEXT, 1.0, "disk.full", {"share": 0.95})
    assert msgspec.convert(msgspec.to_builtins(now), FormerAlert) == former
