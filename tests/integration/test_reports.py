"""Reports of what is really in the database, against a recount of it."""

from __future__ import annotations

import io
import itertools
import json
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import psycopg2.errors
import pytest
from pypdf import PdfReader

from taskyard.core.clock import Clock
from taskyard.core.config import Settings
from taskyard.core.errors import SubmissionError
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import alerts, rollups
from taskyard.core.postgres.store.alerts import Alert
from taskyard.core.postgres.store.rollups import DAY, HOUR, LEVELS, MINUTE, TEN_MINUTES, Sample
from taskyard.core.reports import FORMATS, Report, gather, render
from taskyard.core.reports.data.build import moment
from taskyard.core.reports.data.terms import Terms
from taskyard.worker.devtools.seed import seed
from taskyard.worker.monitor.rollup import RollUp
from tests.integration.recount import SPAN_SECONDS, failures_of, random_events, store
from tests.unit.report_support import HOSTILE

START = Clock().now().timestamp() // DAY * DAY - 2 * HOUR - DAY  # two hours before midnight
NOW = START + SPAN_SECONDS


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    opened = Database(str(settings.database_url), pool_size=2)
    yield opened
    opened.close()


def counted(database: Database, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Stores events and rolls them up; returns those that have a type."""
    store(database, events)
    RollUp(database, catch_up_share=1.0).run(lambda: True)
    return [event for event in events if event["type"] is not None]


def made(database: Database, since: float, until: float, **only: Any) -> Report:
    with database.transaction() as tx:
        return gather(tx, since, until, **only)


def tally(events: list[dict[str, Any]], since: float, until: float, **only: Any) -> dict[str, Any]:
    chosen = [e for e in events if since <= e["at"] < until and all(e[name] == value for name, value in only.items())]
    names = {"submitted": "submitted", "completed": "completed", "failed": "failed", "retried": "attempt_failed"}
    return {
        **{name: sum(e["event"] == event for e in chosen) for name, event in names.items()},
        "cancelled": sum(e["event"] == "cancelled" for e in chosen),
        "waits": sum(e["wait_seconds"] is not None for e in chosen),
        "run_seconds": sum(e["run_seconds"] or 0 for e in chosen),
    }


@pytest.mark.parametrize("only", [{}, {"queue": "other"}, {"type": "a.b"}, {"queue": "default", "type": "c.d"}])
def test_both_periods_are_those_of_a_recount(database: Database, only: dict[str, str]) -> None:
    events = counted(database, random_events(random.Random(3), START, NOW))
    since, until = START + 2 * HOUR + 7 * MINUTE, START + 4 * HOUR + 11 * MINUTE  # within steps
    report = made(database, since, until, **only)
    for period in (report.now, report.before):
        wanted = tally(events, period.since.timestamp(), period.until.timestamp(), **only)
        found = period.counts
        for name in ("submitted", "completed", "failed", "retried", "cancelled"):
            assert getattr(found, name) == wanted[name], name
        assert found.wait.count == wanted["waits"]
        assert (found.run.mean or 0) * found.run.count == pytest.approx(wanted["run_seconds"], rel=1e-5)
    assert (report.now.since.timestamp(), report.now.until.timestamp()) == (since, until)
    assert report.before.until == report.now.since
    assert report.before.seconds == report.now.seconds
    assert sum(step.counts.submitted for step in report.steps) == report.now.counts.submitted
    for line in report.types:
        wanted = tally(events, since, until, **{**only, "type": line.type})
        assert (line.counts.completed, line.counts.failed) == (wanted["completed"], wanted["failed"])
    for one in report.queues:
        wanted = tally(events, since, until, **{**only, "queue": one.queue})
        assert (one.counts.completed, one.counts.failed) == (wanted["completed"], wanted["failed"])
    assert sum(one.counts.completed for one in report.queues) == report.now.counts.completed
    for agent in report.agents:
        of_agent = [e for e in events if (e["agent_id"] or "").startswith(f"{agent.agent}:")]
        wanted = tally(of_agent, since, until, **only)
        assert (agent.completed, agent.failed_attempts) == (wanted["completed"], wanted["failed"] + wanted["retried"])
        assert agent.run_seconds == pytest.approx(wanted["run_seconds"], rel=1e-5)
    assert sum(agent.completed for agent in report.agents) == report.now.counts.completed


def test_failures_and_the_peak(database: Database) -> None:
    events = counted(database, random_events(random.Random(5), START, NOW))
    since, until = START + 3 * HOUR, START + 5 * HOUR
    report = made(database, since, until)
    for line in report.failures:
        of_group = [e for e in failures_of(events) if e["mark"] == line.fingerprint]
        assert line.attempts == sum(since <= e["at"] < until for e in of_group)
        assert line.attempts_before == sum(since - 2 * HOUR <= e["at"] < since for e in of_group)
        assert line.tasks == sum(since <= e["at"] < until and e["event"] == "failed" for e in of_group)
    assert {line.fingerprint for line in report.failures} == {"f1", "f2", "f3"}
    assert [line.attempts for line in report.failures] == sorted((x.attempts for x in report.failures), reverse=True)
    minutes: dict[float, int] = {}
    for e in events:
        if since <= e["at"] < until and e["event"] == "completed":
            minutes[e["at"] // MINUTE] = minutes.get(e["at"] // MINUTE, 0) + 1
    assert report.capacity.peak_per_minute == max(minutes.values())
    assert report.capacity.peak_at is not None
    assert minutes[report.capacity.peak_at.timestamp() // MINUTE] == max(minutes.values())
    one = made(database, since, until, type="a.b")
    assert {line.type for line in one.failures} <= {"a.b"}


def test_a_seeded_history(database: Database) -> None:
    seed(database, 3_000, 2, lambda what, count: None)
    now = Clock().now().timestamp()
    report = made(database, now - 3 * DAY, now)
    with database.transaction() as tx:
        [(tasks, completed, failed, cancelled)] = tx.rows(
            "SELECT count(*), count(*) FILTER (WHERE state = 'completed'), count(*) FILTER (WHERE state = 'failed'),"
            " count(*) FILTER (WHERE state = 'cancelled') FROM tasks",
            {},
        )
        by_type = dict(tx.rows("SELECT type, count(*) FROM tasks GROUP BY type", {}))
        [(share,)] = tx.rows(
            "SELECT avg((wait_seconds <= 0.1)::int)::float8 FROM task_events WHERE wait_seconds IS NOT NULL", {}
        )
    counts = report.now.counts
    assert (
        (counts.submitted, counts.completed, counts.failed) == (tasks, completed, failed) == (3_000, completed, failed)
    )
    assert counts.cancelled == cancelled
    assert {line.type: line.counts.submitted for line in report.types} == by_type
    assert counts.in_time == pytest.approx(share, abs=0.03)
    assert report.before.counts.is_empty
    for format in FORMATS:
        assert render(report, format)


def test_old_times_are_read_from_what_is_kept_of_them(database: Database) -> None:
    start = START // DAY * DAY - 40 * DAY
    events = counted(database, random_events(random.Random(1), start, start + 40 * DAY))
    with database.transaction() as tx:
        rollups.prune(tx, MINUTE, start + 33 * DAY)
        rollups.prune(tx, TEN_MINUTES, start + 30 * DAY)
    for since, length, unit in ((39.25, 0.5, MINUTE), (20.26, 1.5, HOUR), (33.5, 2.0, TEN_MINUTES)):
        begin = start + since * DAY
        report = made(database, begin, begin + length * DAY)
        assert report.unit_seconds == unit
        for period in (report.now, report.before):
            wanted = tally(events, period.since.timestamp(), period.until.timestamp())
            assert period.counts.completed == wanted["completed"] > 0
        assert abs(report.now.since.timestamp() - begin) < unit


def test_availability_and_load_come_from_samples(database: Database) -> None:
    end = Clock().now().timestamp() // HOUR * HOUR - 2 * HOUR
    since = end - 2 * HOUR
    minutes = [since + MINUTE * n for n in range(120) if not 30 <= n < 60]  # nobody led for half an hour
    with database.transaction() as tx:
        for at in minutes:
            led = Sample(at, "service", "leader", "led_minutes", 1, 1.0, 1.0, 1.0)
            busy = [("running", 12.0), ("load_ratio", 3.0)]
            loads = [Sample(at, "agent", "coder", metric, 6, total, 0.0, 4.0) for metric, total in busy]
            rollups.add_samples(tx, [led, *loads])
    report = made(database, since, end)
    assert report.now.availability == pytest.approx(0.75)
    assert report.before.availability is None, "before the first minute ever nothing was promised"
    assert report.now.utilisation == pytest.approx(0.5)
    [outage] = report.outages
    assert (outage.since.timestamp(), outage.minutes) == (since + 30 * MINUTE, 30)
    assert made(database, since + HOUR, end).before.availability == pytest.approx(0.5)
    with database.transaction() as tx:
        for below, level in itertools.pairwise(LEVELS):
            rollups.progress(tx, level)
            rollups.roll_up(tx, level, below, since // DAY * DAY, end // DAY * DAY + DAY)
            rollups.note_progress(tx, level, end)
        rollups.prune(tx, MINUTE, end)
    assert made(database, since, end).now.availability == pytest.approx(0.75)


def test_24_hours_are_24_hours_in_whole_steps(database: Database) -> None:
    start = START // DAY * DAY - 3 * DAY
    events = counted(database, random_events(random.Random(6), start, start + 2 * DAY))
    since = start + 13 * HOUR + 7 * MINUTE  # within a step by the clock
    report = made(database, since, since + DAY + 20, terms=Terms(ZoneInfo("Europe/Berlin")))
    assert (report.now.since, report.now.until) == (moment(since), moment(since + DAY))
    assert report.before.until - report.before.since == timedelta(hours=24)
    assert {step.seconds for step in report.steps} == {10.0 * MINUTE}
    assert report.now.counts.completed == tally(events, since, since + DAY)["completed"]
    for step in report.steps:
        wanted = tally(events, step.at.timestamp(), step.at.timestamp() + step.seconds)
        assert (step.counts.submitted, step.counts.completed) == (wanted["submitted"], wanted["completed"])


def test_days_are_those_of_the_zone(database: Database) -> None:
    kolkata = ZoneInfo("Asia/Kolkata")
    start = START // DAY * DAY - 8 * DAY
    events = counted(database, random_events(random.Random(4), start, start + 8 * DAY))
    since = datetime.fromtimestamp(start + 2 * DAY, kolkata).replace(hour=0, minute=0)
    report = made(database, since.timestamp(), (since + timedelta(days=5)).timestamp(), terms=Terms(kolkata))
    assert report.now.since == since
    assert {f"{step.at.astimezone(kolkata):%M}" for step in report.steps} == {"00"}
    for step in report.steps:
        at = step.at.timestamp()
        wanted = tally(events, at, at + step.seconds)
        found = (step.counts.submitted, step.counts.completed, step.counts.wait.count)
        assert found == (wanted["submitted"], wanted["completed"], wanted["waits"])
    assert report.now.counts.completed > 100


def test_alerts_of_the_period_are_those_about_the_scope(database: Database) -> None:
    kinds = {"leader missing": "leader_missing", "failing": "failure_rate", "long queue": "oldest_waiting"}
    given = [
        ("leader missing", "leader", "critical", -90, -30),  # minutes from the period's beginning
        ("failing", "a.b", "warning", -30, 15),
        ("failing", "a.b", "critical", 30, None),
        ("failing", "c.d", "warning", 10, 20),
        ("long queue", "default", "info", 50, 55),
        ("long queue", "other", "info", 61, None),
    ]
    since, until = NOW - 2 * HOUR, NOW - HOUR
    with database.transaction() as tx:
        for rule, subject, severity, begin, end in given:
            alert = Alert(str(uuid4()), rule, subject, severity, "firing", "", 1.0, 1.0, moment(since + begin * MINUTE))
            assert alerts.fire(tx, [alert])
            if end is not None:
                alerts.resolve(tx, {alert.id: moment(since + end * MINUTE)})

    def found(**only: str) -> list[tuple[str, str, str, int, float, bool]]:
        report = made(database, since, until, terms=Terms(kinds=kinds), **only)
        return [(o.rule, o.subject, o.severity, o.count, o.seconds / MINUTE, o.is_open) for o in report.alerts]

    failing = ("failing", "a.b", "critical", 2, 45.0, True)
    waiting = ("long queue", "default", "info", 1, 5.0, False)
    assert found() == [failing, ("failing", "c.d", "warning", 1, 10.0, False), waiting]
    assert found(type="a.b") == [failing]
    assert found(queue="default") == [waiting]
    assert found(queue="other") == []


def test_hostile_names_come_through(database: Database) -> None:
    events = random_events(random.Random(2), NOW - HOUR, NOW, 200)
    for number, event in enumerate(events):
        if event["type"] is not None:
            event["type"] = event["queue"] = event["message"] = HOSTILE[number % len(HOSTILE)]
            event["mark"] = f"f{number % len(HOSTILE)}" if event["mark"] else ""
    counted(database, events)
    report = made(database, NOW - HOUR, NOW)
    assert {line.type for line in report.types} == set(HOSTILE)
    for format in FORMATS:
        assert render(report, format)
    assert made(database, NOW - HOUR, NOW, queue=HOSTILE[0]).types[0].type == HOSTILE[0]
    text = "".join(page.extract_text() for page in PdfReader(io.BytesIO(render(report, "pdf"))).pages)
    assert "中文任务标题" in text


def test_a_time_of_nothing(database: Database) -> None:
    report = made(database, NOW - DAY, NOW)
    assert report.is_empty
    assert json.loads(render(report, "json"))["types"] == []
    assert made(database, NOW - DAY, NOW, queue="no such queue").is_empty


@pytest.mark.parametrize(
    ("since", "until", "field"),
    [
        (NOW, NOW, "until"),
        (NOW, NOW - 1, "until"),
        (0, NOW, "since"),
        (5e9, 5.1e9, "since"),
        (float("nan"), NOW, "until"),
    ],
)
def test_ranges_that_make_no_sense(database: Database, since: float, until: float, field: str) -> None:
    with pytest.raises(SubmissionError, match=f"^{field}: "):
        made(database, since, until)


def test_it_can_not_write(database: Database) -> None:
    with database.transaction() as tx:
        gather(tx, NOW - DAY, NOW)
        with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction):
            tx.rows("DELETE FROM metric_counts", {})
