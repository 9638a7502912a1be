"""The Reports page."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import streamlit as st

from taskyard.core.config import Settings
from taskyard.core.errors import SubmissionError
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store.rollups import DAY
from taskyard.core.reports.folder import name_of, write_report
from taskyard.core.submission.submit import Submitter
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.pages.reports.data import next_end
from taskyard.dashboard.pages.reports.periods import PRESETS, span
from taskyard.worker.devtools.seed import seed
from taskyard.worker.monitor.rollup import RollUp
from tests.dashboard.conftest import HOSTILE, NOBODY_URLS, OpenPage, refreshed
from tests.dashboard.seen import words

Downloads = dict[str, Callable[[], bytes]]


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch) -> Downloads:
    """What the page's download buttons would make, by the names of the files."""
    found: Downloads = {}
    original = st.download_button

    def noted(label: str, data: Any, **options: Any) -> bool:
        found[options["file_name"]] = data
        return original(label, data, **options)

    monkeypatch.setattr(st, "download_button", noted)
    return found


@pytest.fixture
def seeded(database: Database) -> None:
    """Two thousand tasks of the last three days."""
    seed(database, 2000, 3, lambda what, count: None)


def texts(page) -> str:
    return "\n".join(
        str(element.value) for kind in ("text", "caption", "markdown", "info") for element in page.get(kind)
    )


def metrics(page) -> dict[str, Any]:
    return {metric.label: metric for metric in page.metric}


def test_a_report_is_shown(open_page: OpenPage, seeded: None) -> None:
    page = open_page("reports")

    assert not page.exception
    assert not page.warning
    shown = metrics(page)
    assert int(shown["Completed tasks"].value.replace(",", "")) > 100
    assert shown["Success rate"].value.endswith("%")
    assert len(page.get("plotly_chart")) >= 8
    headings = [heading.value for heading in page.subheader]
    assert headings[:1] == ["Targets"]
    assert {*headings} >= {"Over time", "Figures", "Queues", "Task types", "Agents", "Failures"}
    [summary] = [line for line in texts(page).splitlines() if "95% of starts came within" in line]
    assert summary.endswith("."), "it is shown whole"
    assert not {markdown.value for markdown in page.markdown} & {f"**{heading}**" for heading in headings}
    types = next(frame.value for frame in page.dataframe if "run_p95" in frame.value.columns and "type" in frame.value)
    assert all(pd.api.types.is_numeric_dtype(types[name]) for name in ("completed", "success_rate"))
    assert types["run_p95"].dtype == "float64"  # by which it sorts
    assert all(not text or text.rpartition(" ")[2] in ("ms", "s", "min") for text in words(page, "run_p95"))


@pytest.mark.parametrize("preset", [name for name in PRESETS if name != "custom"])
def test_each_preset_has_its_report(open_page: OpenPage, seeded: None, preset: str) -> None:
    page = open_page("reports", query={"period": preset})

    assert not page.exception
    assert not page.info


def test_the_files_are_what_they_say(open_page: OpenPage, seeded: None, downloads: Downloads) -> None:
    page = open_page("reports", query={"period": "yesterday"})

    assert not page.exception
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    name = f"taskyard-report-{yesterday:%Y%m%d}-{yesterday + timedelta(days=1):%Y%m%d}"
    assert set(downloads) == {f"{name}.{ending}" for ending in ("pdf", "html", "xlsx", "zip", "json")}
    completed = int(metrics(page)["Completed tasks"].value.replace(",", ""))

    assert downloads[f"{name}.pdf"]().startswith(b"%PDF-")
    assert downloads[f"{name}.html"]().lstrip().lower().startswith(b"<!doctype html>")
    with zipfile.ZipFile(io.BytesIO(downloads[f"{name}.xlsx"]())) as book:
        assert book.testzip() is None
        assert "xl/workbook.xml" in book.namelist()
    with zipfile.ZipFile(io.BytesIO(downloads[f"{name}.zip"]())) as archive:
        totals = pd.read_csv(archive.open("totals.csv"), encoding="utf-8-sig")
    assert totals.set_index("What").loc["Completed tasks", "This period"] == completed
    assert json.loads(downloads[f"{name}.json"]())["now"]["counts"]["completed"] == completed


def test_files_are_in_the_viewers_language(open_page: OpenPage, seeded: None, downloads: Downloads) -> None:
    page = open_page("reports", query={"period": "yesterday"}, locale="zh-CN")

    assert not page.exception
    [html] = [make() for name, make in downloads.items() if name.endswith(".html")]
    assert 'lang="zh"' in html.decode()


def test_a_queue_and_a_type_narrow_it_down(open_page: OpenPage, loaded: dict[str, str], database: Database) -> None:
    RollUp(database).run(lambda: True)
    page = open_page("reports", query={"queue": "default", "type": "diagnostic.noop"})

    assert not page.exception
    assert page.selectbox(key="address_type").value == "diagnostic.noop"
    assert "Tasks of type diagnostic.noop in queue default" in texts(page)


def test_what_the_address_names_and_nobody_knows_is_all(open_page: OpenPage, loaded: dict[str, str]) -> None:
    page = open_page("reports", query={"type": HOSTILE, "period": "eternity"})

    assert not page.exception
    assert page.selectbox(key="address_type").value == ""
    assert "All tasks" in texts(page)


def test_hostile_types_are_shown_as_text(open_page: OpenPage, submitter: Submitter, database: Database) -> None:
    submitter.submit("diagnostic.noop", queue="default")
    with database.transaction() as tx:
        tx.cursor.execute("UPDATE task_events SET type = %s, at = at - interval '5 minutes'", (HOSTILE,))
    RollUp(database).run(lambda: True)

    page = open_page("reports")

    assert not page.exception
    [types] = [
        frame.value["type"].tolist() for frame in page.dataframe if "run_p95" in frame.value and "type" in frame.value
    ]
    assert types == [HOSTILE]
    assert HOSTILE not in "".join(markdown.value for markdown in page.markdown)


def test_a_time_without_tasks_is_said_to_be_empty(open_page: OpenPage) -> None:
    page = open_page("reports")

    assert not page.exception
    assert "No activity in this period" in texts(page)
    assert not page.metric


@pytest.mark.parametrize(
    ("since", "until", "message"),
    [
        ("2026-03-02T00:00+00:00", "2026-03-01T00:00+00:00", "The range ends before it begins"),
        ("2095-03-02T00:00+00:00", "2095-04-01T00:00+00:00", "The range is in the future"),
        ("2010-03-02T00:00+00:00", "2026-03-01T00:00+00:00", "The range is too long"),
    ],
)
def test_a_range_that_makes_no_sense_is_explained(open_page: OpenPage, since: str, until: str, message: str) -> None:
    page = open_page("reports", query={"period": "custom", "since": since, "until": until})

    assert not page.exception
    assert message in page.info[0].value
    assert not page.metric


@pytest.mark.parametrize("since", ["1890-01-01T00:00+00:00", "soon", "9999-12-31T23:59+14:00"])
def test_a_moment_that_is_none_becomes_yesterday(open_page: OpenPage, since: str) -> None:
    page = open_page("reports", query={"period": "custom", "since": since})

    assert not page.exception
    assert page.datetime_input(key="address_since").value.date() == datetime.now(UTC).date() - timedelta(days=1)


def test_a_range_of_the_viewers_own_is_kept_in_the_address(open_page: OpenPage, seeded: None) -> None:
    page = open_page("reports")
    page.segmented_control(key="address_period").set_value("custom").run()
    page.datetime_input(key="address_since").set_value(datetime.now(UTC).replace(tzinfo=None) - timedelta(days=2)).run()

    assert not page.exception
    assert page.query_params["period"] == "custom"
    assert datetime.fromisoformat(page.query_params["since"]).tzinfo is not None
    assert "until" in page.query_params
    assert page.metric


def test_presets_are_days_of_the_viewers_zone() -> None:
    now = datetime.fromisoformat("2026-11-25T01:30:40+08:00")  # a Wednesday there, still Tuesday in UTC

    assert [moment.isoformat() for moment in span("yesterday", now)] == [
        "2026-11-24T00:00:00+08:00",
        "2026-11-25T00:00:00+08:00",
    ]
    assert span("this_week", now)[0].isoformat() == "2026-11-23T00:00:00+08:00"
    assert span("last_week", now)[1] == span("this_week", now)[0]
    assert [(b - a).total_seconds() for a, b in (span("24h", now), span("30d", now))] == [DAY, 30 * DAY]
    assert span("30d", now)[1] == span("yesterday", now)[1]


# reports that the worker wrote


@pytest.fixture
def folder(settings: Settings) -> Path:
    return settings.reports_folder


def test_without_any_it_says_when_the_next_is_due_and_where_it_looks(open_page: OpenPage, folder: Path) -> None:
    page = open_page("reports", query={"part": "written"}, **NOBODY_URLS)

    assert not page.exception
    assert f"No reports yet. This page looks for them in {escaped(str(folder))}" in texts(page)
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    assert f"the next day's on {tomorrow} 00:00:00 UTC" in texts(page)


def test_without_a_schedule_it_says_so(open_page: OpenPage) -> None:
    page = open_page("reports", query={"part": "written"}, reports="")

    assert "The worker writes no reports: TASKYARD_REPORTS is empty." in texts(page)


def test_each_file_can_be_downloaded(open_page: OpenPage, folder: Path, downloads: Downloads) -> None:
    monday = datetime(2026, 11, 16, tzinfo=UTC).date()
    names = [name_of("weekly", monday, "pdf"), name_of("daily", monday, "xlsx"), name_of("daily", monday, "pdf")]
    for name in names:
        write_report(folder, name, f"content of {name}".encode())
    (folder / "notes.txt").write_text("not a report")

    page = open_page("reports", query={"part": "written"})

    assert not page.exception
    assert "2026-11-16 to 2026-11-22" in texts(page)
    assert {name: make() for name, make in downloads.items()} == {name: f"content of {name}".encode() for name in names}
    (folder / names[0]).unlink()
    with pytest.raises(SubmissionError):
        downloads[names[0]]()


def test_many_are_shown_on_demand(open_page: OpenPage, folder: Path) -> None:
    for day in range(1, 26):
        write_report(folder, name_of("daily", datetime(2026, 10, day, tzinfo=UTC).date(), "pdf"), b"x")
    page = open_page("reports", query={"part": "written"})
    assert len(page.get("download_button")) == 20

    page.toggle(key="reports_all").set_value(True).run()

    assert len(page.get("download_button")) == 25


def test_a_folder_that_cannot_be_read_is_no_error(open_page: OpenPage, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("a file in its place")

    page = refreshed(open_page("reports", query={"part": "written"}))

    assert not page.exception
    assert page.warning[0].value == "The reports folder can't be read from here."


def test_days_and_weeks_end_by_utc() -> None:
    tuesday = datetime(2026, 11, 24, 23, 30, tzinfo=UTC)

    assert next_end("daily", tuesday) == datetime(2026, 11, 25, tzinfo=UTC)
    assert next_end("weekly", tuesday) == datetime(2026, 11, 30, tzinfo=UTC)
