"""The folder of written reports: what is listed, what is handed out, and what is removed."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from taskyard.core.errors import SubmissionError
from taskyard.core.reports.folder import list_reports, missing, name_of, read_report, remove_older, write_report

DAY = date(2026, 3, 2)  # a Monday


def test_what_was_written_is_listed_and_read(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "reports"
    assert list_reports(folder) == []
    for period, first, format in (("daily", DAY, "pdf"), ("weekly", DAY, "csv"), ("daily", DAY + timedelta(1), "xlsx")):
        write_report(folder, name_of(period, first, format), format.encode())
    found = list_reports(folder)
    assert [(report.name, report.period, report.format) for report in found] == [
        ("taskyard-weekly-2026-03-02.zip", "weekly", "csv"),
        ("taskyard-daily-2026-03-03.xlsx", "daily", "xlsx"),
        ("taskyard-daily-2026-03-02.pdf", "daily", "pdf"),
    ]
    assert (found[0].since, found[0].until) == (datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 9, tzinfo=UTC))
    assert (found[0].size_bytes, read_report(folder, found[0].name)) == (3, b"csv")
    assert datetime.now(UTC) - found[0].written_at < timedelta(minutes=5)
    assert sorted(os.listdir(folder)) == sorted(report.name for report in found), "nothing unfinished is left"


def test_other_files_are_passed_over(tmp_path: Path) -> None:
    name = name_of("daily", DAY, "pdf")
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "taskyard-daily-2026-02-30.pdf").touch()
    (tmp_path / "taskyard-daily-2026-03-02.exe").touch()
    (tmp_path / "taskyard-weekly-2026-03-02.pdf").mkdir()
    (tmp_path / name).symlink_to(tmp_path / "secret")
    assert list_reports(tmp_path) == []
    for asked in (name, "secret", "taskyard-weekly-2026-03-02.pdf"):
        with pytest.raises(SubmissionError, match="name: "):
            read_report(tmp_path, asked)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../taskyard-daily-2026-03-02.pdf",
        "/etc/passwd",
        "sub/taskyard-daily-2026-03-02.pdf",
        "taskyard-daily-2026-03-02.pdf\x00",
        "taskyard-daily-2026-03-02.pdf\n",
        "taskyard-daily-２026-03-02.pdf",
        "taskyard-daily-2026-03-03.pdf",
    ],
)
def test_only_plain_names_of_reports_are_read(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "reports"
    write_report(folder, "taskyard-daily-2026-03-02.pdf", b"x")
    write_report(tmp_path, "taskyard-daily-2026-03-02.pdf", b"outside")
    (folder / "sub").mkdir()
    write_report(folder / "sub", "taskyard-daily-2026-03-02.pdf", b"below")
    with pytest.raises(SubmissionError, match="that of a report in the folder"):
        read_report(folder, name)


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken.pdf").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_report(tmp_path, "taken.pdf", b"x")
    assert os.listdir(tmp_path) == ["taken.pdf"]


def test_what_is_missing_and_what_is_too_old(tmp_path: Path) -> None:
    write_report(tmp_path, name_of("daily", DAY, "pdf"), b"x")
    write_report(tmp_path, name_of("weekly", DAY, "pdf"), b"x")
    assert missing(tmp_path, [("daily", DAY), ("weekly", DAY)], ["pdf", "xlsx"]) == [
        ("daily", DAY, "xlsx"),
        ("weekly", DAY, "xlsx"),
    ]
    assert remove_older(tmp_path, datetime(2026, 3, 3, tzinfo=UTC)) == []
    assert remove_older(tmp_path, datetime(2026, 3, 4, tzinfo=UTC)) == ["taskyard-daily-2026-03-02.pdf"]
    assert [report.period for report in list_reports(tmp_path)] == ["weekly"]
