"""Alerts as rows: between workers, through restarts, with silences and acknowledgements, and by the command line."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from taskyard.core.alerts.reading import Reading
from taskyard.core.alerts.rules import RuleFile, load_rules
from taskyard.core.clock import Clock
from taskyard.core.config import Settings
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import alerts
from taskyard.core.postgres.store.alerts import Alert
from taskyard.worker.alerts import engine as engines
from taskyard.worker.alerts.engine import AlertEngine
from taskyard.worker.alerts.notification import Notification
from taskyard.worker.cli.app import app
from tests.clock import FakeClock
from tests.engine import Engine, running_engine

RULES = RuleFile.model_validate(
    {"rules": [{"name": "full", "kind": "disk", "threshold": 0.9, "clear": 0.8, "severity": "critical"}]}
)


@dataclass
class Told:
    """Deliveries that only keep what they are given."""

    events: list[tuple[str, str]] = field(default_factory=list)

    def send(self, names: object, notification: Notification) -> None:
        self.events.append((notification.event, notification.subject))


@dataclass
class Desk:
    """An engine whose readings the test decides."""

    database: Database
    clock: FakeClock
    readings: dict[str, Reading] | None = None
    told: Told = field(default_factory=Told)

    def __post_init__(self) -> None:
        self.engine = AlertEngine(RULES, self.database, self.told, "main")  # type: ignore[arg-type]

    def look(self, value: float | None, seconds: float = 5) -> list[tuple[str, str]]:
        """One evaluation; returns what it told."""
        return self.look_at({} if value is None else {"here": Reading(value, f"{value:.0%} full")}, seconds)

    def look_at(self, readings: dict[str, Reading], seconds: float = 5) -> list[tuple[str, str]]:
        """One evaluation of these readings; returns what it told."""
        self.clock.advance(seconds)
        self.readings = readings
        before = len(self.told.events)
        READINGS["now"] = self.readings
        self.engine.evaluate(None, self.clock.now(), self.clock.monotonic())  # type: ignore[arg-type]
        return self.told.events[before:]


READINGS: dict[str, Any] = {}
FIRING, RESOLVED = [("firing", "here")], [("resolved", "here")]


@pytest.fixture
def installation(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr(engines, "read", lambda rule, signals: READINGS["now"])
    for name in ("database_url", "redis_url", "namespace", "data_dir"):
        monkeypatch.setenv(f"TASKYARD_{name.upper()}", str(getattr(settings, name)))
    with running_engine(settings) as engine:
        yield engine


@pytest.fixture
def database(installation: Engine) -> Database:
    return installation.database


@pytest.fixture
def desk(database: Database) -> Desk:
    with database.transaction() as tx:
        [(now,)] = tx.rows("SELECT now()", {})
    return Desk(database, FakeClock(now))


def rows(database: Database) -> list[alerts.Alert]:
    with database.transaction() as tx:
        return alerts.list_alerts(tx)


def test_a_life(desk: Desk, database: Database) -> None:
    assert desk.look(0.5) == []
    assert desk.look(0.95) == FIRING
    assert desk.look(0.96) == []
    desk.look(0.97)
    [alert] = rows(database)
    assert (alert.rule, alert.subject, alert.severity, alert.state) == ("full", "here", "critical", "firing")
    assert (alert.message, alert.threshold) == ("96% full", 0.9)
    assert [(a.id, a.message) for a in desk.engine.firing] == [(alert.id, "97% full")]
    assert desk.look(0.85) == []
    assert desk.look(0.7) == RESOLVED
    [alert] = rows(database)
    assert alert.state == "resolved"
    assert alert.resolved_at is not None
    assert desk.engine.firing == []
    assert desk.look(0.95) == FIRING
    assert len(rows(database)) == 2


def test_many_are_kept_up_to_date_by_one_statement(
    desk: Desk, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """3,000 statements take seconds, in which the rules are not judged."""
    statements: list[int] = []
    update = alerts.update
    monkeypatch.setattr(alerts, "update", lambda tx, changed: (statements.append(len(changed)), update(tx, changed)))
    for percent in (95, 96, 97):
        desk.look_at({f"disk {n}": Reading(percent / 100, f"{n}: {percent}% full") for n in range(50)})

    with database.transaction() as tx:
        stored = {alert.subject: (alert.message, alert.value) for alert in alerts.open_alerts(tx)}
    assert stored == {f"disk {n}": (f"{n}: 96% full", 0.96) for n in range(50)}  # as of the evaluation before
    assert statements == [50]


def test_two_workers_tell_once(desk: Desk, database: Database) -> None:
    other = Desk(database, desk.clock)
    desk.look(0.5)
    other.look(0.5)
    assert desk.look(0.95) + other.look(0.95, 0) == FIRING
    assert len(rows(database)) == 1


def test_a_restart_tells_nothing_again_and_can_resolve(desk: Desk, database: Database) -> None:
    desk.look(0.95)
    after = Desk(database, desk.clock)
    assert after.look(0.95) == []
    assert after.look(0.5) == RESOLVED
    assert rows(database)[0].state == "resolved"


def test_a_rule_that_was_taken_out_resolves_its_alerts(desk: Desk, database: Database) -> None:
    desk.look(0.95)
    without = AlertEngine(RuleFile(), database, Told(), "main")  # type: ignore[arg-type]
    without.evaluate(None, desk.clock.now(), desk.clock.monotonic())  # type: ignore[arg-type]
    assert rows(database)[0].state == "resolved"


def test_told_and_stored_later_while_postgresql_is_away(desk: Desk, installation: Engine) -> None:
    desk.look(0.5)
    with installation.postgresql_away():
        assert desk.look(0.95) == FIRING
        assert desk.look(0.95) == []
    assert rows(installation.database) == []
    assert desk.look(0.95) == []
    assert [alert.state for alert in rows(installation.database)] == ["firing"]
    with installation.postgresql_away():
        assert desk.look(0.5) == RESOLVED
    assert desk.look(0.5) == []
    assert [alert.state for alert in rows(installation.database)] == ["resolved"]


def test_silenced_alerts_are_recorded_and_told_when_the_silence_ends(desk: Desk, database: Database) -> None:
    with database.transaction() as tx:
        made = alerts.silence(tx, "fu*", "*", 3600, "ann", "known")
    assert desk.look(0.95) == []
    assert rows(database)[0].state == "firing"
    with database.transaction() as tx:
        assert alerts.end_silence(tx, made.id, "ann")
        assert not alerts.end_silence(tx, made.id, "ann")
        assert alerts.silences(tx) == []
    assert desk.look(0.95) == FIRING
    assert desk.look(0.5) == RESOLVED


def test_resolved_in_silence_is_told_to_nobody(desk: Desk, database: Database) -> None:
    with database.transaction() as tx:
        alerts.silence(tx, "full", "here", 60, "ann", "")
    assert desk.look(0.95) + desk.look(0.5) == []
    with database.transaction() as tx:
        alerts.silence(tx, "other", "*", 3600, "ann", "")
    desk.clock.advance(100)
    assert desk.look(0.95) == FIRING  # the first silence is over, the other is about something else


def test_a_rule_that_breaks_does_not_stop_the_others(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    two = RuleFile.model_validate(
        {"rules": [{"name": n, "kind": "disk", "threshold": 0.9} for n in ("broken", "full")]}
    )
    engine = AlertEngine(two, desk.database, desk.told, "main")  # type: ignore[arg-type]

    def read(rule: Any, signals: object) -> dict[str, Reading]:
        if rule.name == "broken":
            raise ZeroDivisionError
        return {"here": Reading(0.95, "full")}

    monkeypatch.setattr(engines, "read", read)
    engine.evaluate(None, desk.clock.now(), desk.clock.monotonic())  # type: ignore[arg-type]
    assert desk.told.events == FIRING


def test_retention(desk: Desk, database: Database) -> None:
    desk.look(0.95)
    desk.look(0.5)
    desk.look(0.95)
    with database.transaction() as tx:
        alerts.silence(tx, "*", "*", 60, "ann", "")
        tx.rows("UPDATE alerts SET resolved_at = now() - interval '9 days' WHERE resolved_at IS NOT NULL", {})
        alerts.prune(tx, 8)
    assert [alert.state for alert in rows(database)] == ["firing"]


# the command line


@pytest.fixture
def cli(installation: Engine) -> Callable[..., Result]:
    return lambda *arguments: CliRunner().invoke(app, list(arguments), prog_name="taskyard")


def audit(database: Database) -> list[tuple[str, dict[str, Any]]]:
    with database.transaction() as tx:
        found = tx.rows("SELECT event, detail FROM task_events WHERE event LIKE 'alert%%' ORDER BY at", {})
    return [(event, detail) for event, detail in found]


def test_alerts_and_ack(desk: Desk, database: Database, cli: Callable[..., Result]) -> None:
    assert "no alert is firing" in cli("alerts").stdout
    desk.look(0.95)
    [alert] = json.loads(cli("alerts", "--json").stdout)
    assert "full: here" in cli("alerts").stdout
    assert "acknowledged" in cli("ack", alert["id"], "--reason", "on it").stdout
    assert "is acknowledged already" in cli("ack", alert["id"]).stdout
    assert desk.look(0.95) == []
    assert desk.engine.firing[0].state == "acknowledged"
    assert desk.look(0.5) == RESOLVED
    assert json.loads(cli("alerts", "--json").stdout) == []
    [resolved] = json.loads(cli("alerts", "--all", "--json").stdout)
    assert (resolved["state"], resolved["acknowledged_by"] is not None) == ("resolved", True)
    [(event, detail)] = audit(database)
    assert (event, detail["rule"], detail["reason"]) == ("alert_acknowledged", "full", "on it")
    assert cli("ack", "nonsense").exit_code == cli("ack", "0199c0de-0000-7000-8000-000000000001").exit_code == 2


def test_silences(database: Database, cli: Callable[..., Result]) -> None:
    assert "no silence is in force" in cli("silences").stdout
    made = json.loads(cli("silence", "disk * full", "--minutes", "5", "--reason", "[b]x[/b]", "--json").stdout)
    assert "[b]x[/b]" in cli("silences").stdout
    assert "ended" in cli("unsilence", made["id"]).stdout
    assert "was not in force" in cli("unsilence", made["id"]).stdout
    assert [event for event, _ in audit(database)] == ["alerts_silenced", "alerts_unsilenced"]
    assert cli("silence", "disk nearly full", "--minutes", "0").exit_code == 2


def test_a_silence_is_of_a_rule_that_there_is(
    database: Database, cli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for unknown in ("disk full", "disk full*", "Disk Nearly"):
        refused = cli("silence", unknown)
        assert refused.exit_code == 2
        told = refused.output.replace("\n", " ")
        assert f"rule: {unknown!r} is not accepted, expected the name of a rule, or a pattern " in told
        assert "disk nearly full, " in told
    assert audit(database) == []
    fired = Alert(str(uuid.uuid4()), "of another file", "x", "warning", "firing", "m", 1.0, 1.0, Clock().now())
    with database.transaction() as tx:
        assert alerts.fire(tx, [fired])
    assert cli("silence", "of another file").exit_code == 0
    titled = cli("silence", "Disk nearly full", "--json")
    assert json.loads(titled.stdout)["rule"] == "disk nearly full", "as pages call it"
    monkeypatch.setenv("TASKYARD_ALERTS_FILE", str(tmp_path / "not there.toml"))
    assert cli("silence", "whatever").exit_code == 0, "in need, with a file that is broken"


def test_rules(cli: Callable[..., Result], tmp_path: Any) -> None:
    assert "disk nearly full" in cli("rules").stdout
    assert {rule["name"] for rule in json.loads(cli("rules", "--json").stdout)["rules"]} >= {"leader missing"}
    assert "Disk nearly full:" in cli("rules").stdout
    copied = tmp_path / "copied.toml"
    copied.write_text(cli("rules", "--toml").stdout)
    assert load_rules(copied, {}) == load_rules(None, {})
    assert cli("rules", "--file", str(copied)).exit_code == 0
    assert cli("rules", "--toml", "--file", str(copied)).exit_code == cli("rules", "--toml", "--json").exit_code == 2
    file = tmp_path / "bad.toml"
    file.write_text('[[rules]]\nname = "a"\nkind = "x"\n[[rules]]\nname = "b"\nkind = "y"\n')
    refused = cli("rules", "--file", str(file))
    assert refused.exit_code != 0
    assert "rule 'a'" in refused.output
    assert "rule 'b'" in refused.output
