"""The duty that writes reports: what is due, once, also after a time without a worker."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import openpyxl
import pytest
from structlog.testing import capture_logs

from taskyard.core.clock import Clock
from taskyard.core.config import Settings, load_settings
from taskyard.core.errors import ConfigurationError
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import rollups
from taskyard.core.postgres.store.rollups import MINUTE
from taskyard.core.reports.folder import list_reports, write_report
from taskyard.worker.app import Worker
from taskyard.worker.devtools.seed import seed
from taskyard.worker.maintenance.reporting import Reporting
from taskyard.worker.schedule import jobs
from tests.clock import FakeClock

TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
MONDAY = TODAY - timedelta(days=TODAY.weekday())
DAY, WEEK = timedelta(days=1), timedelta(days=7)


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    opened = Database(str(settings.database_url), pool_size=2)
    yield opened
    opened.close()


@pytest.fixture
def folder(settings: Settings) -> Path:
    assert settings.reports_folder == settings.data_dir / "reports"
    return settings.reports_folder


def counted_until(database: Database, until: datetime) -> None:
    with database.transaction() as tx:
        rollups.progress(tx, MINUTE)
        rollups.note_progress(tx, MINUTE, until.timestamp())


def duty(settings: Settings, database: Database, now: datetime, **changes: Any) -> Reporting:
    return Reporting(settings.model_copy(update={"report_formats": ("csv",), **changes}), database, FakeClock(now))


def daily(first: datetime, extension: str = "zip") -> str:
    return f"taskyard-daily-{first:%Y-%m-%d}.{extension}"


def weekly(first: datetime, extension: str = "zip") -> str:
    return f"taskyard-weekly-{first:%Y-%m-%d}.{extension}"


def always() -> bool:
    return True


def test_yesterday_and_last_week_are_written_once(settings: Settings, database: Database, folder: Path) -> None:
    counted_until(database, TODAY + DAY)
    for _ in range(2):
        duty(settings, database, TODAY + timedelta(hours=1)).write_due(always)
    assert {report.name for report in list_reports(folder)} == {daily(TODAY - DAY), weekly(MONDAY - WEEK)}
    written = {name: (folder / name).stat().st_mtime_ns for name in os.listdir(folder)}
    assert duty(settings, database, TODAY + timedelta(hours=23)).write_due(always) == []
    assert {name: (folder / name).stat().st_mtime_ns for name in os.listdir(folder)} == written


def test_not_before_five_past_midnight(settings: Settings, database: Database) -> None:
    counted_until(database, TODAY + DAY)
    early = duty(settings, database, MONDAY + timedelta(minutes=4)).write_due(always)
    assert early == [daily(MONDAY - 2 * DAY), weekly(MONDAY - 2 * WEEK)], "those of the day before are caught up on"
    on_time = duty(settings, database, MONDAY + timedelta(minutes=5)).write_due(always)
    assert on_time == [daily(MONDAY - DAY), weekly(MONDAY - WEEK)]


def test_only_the_latest_is_caught_up_on(settings: Settings, database: Database, folder: Path) -> None:
    counted_until(database, TODAY + DAY)
    duty(settings, database, MONDAY - 20 * DAY + timedelta(hours=1)).write_due(always)
    before = set(os.listdir(folder))
    duty(settings, database, TODAY + timedelta(hours=1)).write_due(always)
    assert set(os.listdir(folder)) - before == {daily(TODAY - DAY), weekly(MONDAY - WEEK)}


def test_it_waits_for_the_roll_up(settings: Settings, database: Database, folder: Path) -> None:
    reporting = duty(settings, database, TODAY + timedelta(hours=1), reports=("daily",))
    assert reporting.write_due(always) == []
    counted_until(database, TODAY - timedelta(minutes=1))
    assert reporting.write_due(always) == []
    counted_until(database, TODAY)
    assert reporting.write_due(always) == [daily(TODAY - DAY)]


def test_the_report_is_of_that_day(settings: Settings, database: Database, folder: Path) -> None:
    seed(database, 2_000, 2, lambda what, count: None)
    counted_until(database, Clock().now())
    with database.transaction() as tx:
        [(submitted,)] = tx.rows(
            "SELECT count(*) FROM tasks WHERE created_at >= %(since)s AND created_at < %(until)s",
            {"since": TODAY - DAY, "until": TODAY},
        )
    only = {"report_formats": ("pdf", "xlsx"), "reports": ("daily",)}
    names = duty(settings, database, TODAY + timedelta(hours=1), **only).write_due(always)
    assert names == [daily(TODAY - DAY, "pdf"), daily(TODAY - DAY, "xlsx")]
    cells = list(openpyxl.load_workbook(folder / names[1])["Summary"].iter_rows(values_only=True))
    assert next(row[1] for row in cells if row[0] == "Enqueued tasks") == submitted > 0
    assert (folder / names[0]).read_bytes().startswith(b"%PDF")


def test_retention(settings: Settings, database: Database, folder: Path) -> None:
    write_report(folder, daily(TODAY - 400 * DAY), b"x")
    write_report(folder, daily(TODAY - 300 * DAY), b"x")
    now = TODAY + timedelta(hours=1)
    duty(settings, database, now, retention_reports_days=0).write_due(always)
    assert len(list_reports(folder)) == 2
    duty(settings, database, now).write_due(always)
    assert [report.name for report in list_reports(folder)] == [daily(TODAY - 300 * DAY)]


def test_none_are_written_where_none_are_wanted(settings: Settings, database: Database, folder: Path) -> None:
    counted_until(database, TODAY + DAY)
    assert duty(settings, database, TODAY + DAY, reports=()).write_due(always) == []
    assert duty(settings, database, TODAY + DAY).write_due(lambda: False) == []
    assert not folder.exists()


def test_trouble_is_said_once_and_ends(settings: Settings, database: Database, folder: Path) -> None:
    counted_until(database, TODAY + DAY)
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("in the way")
    reporting = duty(settings, database, TODAY + timedelta(hours=1), reports=("daily",))
    with capture_logs() as logs:
        assert reporting.write_due(always) == []
        assert reporting.write_due(always) == []
    assert [entry["event"] for entry in logs] == ["reports.waiting"]
    folder.unlink()
    assert reporting.write_due(always) == [daily(TODAY - DAY)]


def test_the_worker_does_it_only_while_it_leads() -> None:
    calls: list[str] = []
    leading = threading.Event()
    worker = Worker.__new__(Worker)
    worker._reporting = SimpleNamespace(write_due=lambda may_go_on: calls.append("written"))  # type: ignore[assignment]
    worker.dispatcher = SimpleNamespace(is_leading=leading)  # type: ignore[assignment]
    worker.write_reports()
    assert calls == []
    leading.set()
    worker.write_reports()
    assert calls == ["written"]


def test_it_is_one_of_the_duties() -> None:
    worker = MagicMock()
    table = jobs(
        worker,
        worker.dispatcher,
        worker.monitor,
        worker.webhooks,
        worker.pool_sizes,
        worker.learner,
        worker.comparing,
    )
    [job] = [job for job in table if job.run is worker.write_reports]
    assert job.every_seconds <= 3600


@pytest.mark.parametrize(("name", "value"), [("reports", "hourly"), ("report_formats", "pdf,docx")])
def test_settings_that_make_no_sense(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"TASKYARD_{name.upper()}: .* is not accepted: expected"):
        load_settings(**{name: value})
    assert load_settings(reports="").reports == ()
    assert load_settings(reports=" weekly ,daily").reports == ("weekly", "daily")
