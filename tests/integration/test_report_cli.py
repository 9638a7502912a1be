"""The command that makes a report, against real servers."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from taskyard.core.config import Settings
from taskyard.core.postgres.database import Database
from taskyard.core.reports import FORMATS
from taskyard.core.reports.period import moment
from taskyard.worker.cli import exits, report
from taskyard.worker.cli.app import app
from taskyard.worker.devtools.seed import seed

NOW = datetime(2026, 3, 5, 12, 30, tzinfo=UTC)


@pytest.fixture
def cli(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    """Runs the command on this test's servers, in an empty folder."""
    for name in ("database_url", "redis_url", "namespace", "data_dir"):
        monkeypatch.setenv(f"TASKYARD_{name.upper()}", str(getattr(settings, name)))
    monkeypatch.delenv("COLUMNS", raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["report", *arguments], prog_name="taskyard")

    return run


def test_every_format_is_written_and_said(cli: Callable[..., Result], settings: Settings) -> None:
    database = Database(str(settings.database_url))
    seed(database, 200, 1, lambda what, count: None)
    database.close()
    begins = {"pdf": b"%PDF-", "html": b"<!doctype html>", "xlsx": b"PK", "csv": b"PK", "json": b"{"}
    for format, kind in FORMATS.items():
        result = cli("--from", "2d", "--format", format)
        assert result.exit_code == 0, result.output
        path = Path(result.stdout.strip())
        assert path.name.startswith("taskyard-report-")
        assert path.suffix == f".{kind.extension}"
        assert path.read_bytes().startswith(begins[format])
    assert result.stderr == ""
    assert json.loads(path.read_text())["now"]["counts"]["submitted"] == 200
    filtered = cli(
        "--from", "2d", "--format", "json", "--type", "code.run", "--queue", "default", "--output", "part.json"
    )
    assert filtered.exit_code == 0
    found = json.loads(Path("part.json").read_text())
    assert [line["type"] for line in found["types"]] == ["code.run"]
    assert found["scope"] == {"queue": "default", "type": "code.run"}


def test_where_it_is_written(cli: Callable[..., Result]) -> None:
    days = ("--from", "2026-03-01", "--to", "2026-03-02", "--format", "csv")
    name = "taskyard-report-20260301-20260302.zip"
    assert cli(*days).stdout.strip() == name
    assert cli(*days, "--output", "new/folder/").stdout.strip() == f"new/folder/{name}"
    assert cli(*days, "--output", "new").stdout.strip() == f"new/{name}"
    result = cli(*days, "--output", "other/mine.zip")
    assert result.stdout.strip() == "other/mine.zip"
    assert "nothing happened in this time" in result.stderr
    assert len(zipfile.ZipFile("other/mine.zip").namelist()) == 17
    refused = cli(*days)
    assert refused.exit_code == exits.BAD_INPUT
    assert (
        refused.stderr
        == f"error: output: '{name}' is not accepted, expected a file that does not exist yet, or --force\n"
    )
    Path(name).write_text("old")
    assert cli(*days, "--force").exit_code == 0
    assert zipfile.is_zipfile(name)
    Path("file").touch()
    blocked = cli(*days, "--output", "file/x.zip")
    assert blocked.exit_code == exits.BAD_INPUT
    assert "expected a file that can be written" in blocked.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--from", "yesterday"], "error: from: 'yesterday' is not accepted, expected an ISO 8601 time or date"),
        (["--to", "2026-13-01"], "error: to: '2026-13-01' is not accepted"),
        (["--from", "999999w"], "error: from: '999999w' is not accepted"),
        (["--from", "1h", "--to", "2h"], "error: from: '1h' is not accepted, expected a time before the report's end"),
        (["--from", "2020-01-01"], "error: since: "),
        (["--format", "docx"], "docx"),
    ],
)
def test_what_is_refused(cli: Callable[..., Result], arguments: list[str], told: str) -> None:
    result = cli(*arguments)
    assert result.exit_code == exits.BAD_INPUT
    assert told in result.stderr
    assert "Traceback" not in result.output
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("24h", datetime(2026, 3, 4, 12, 30, tzinfo=UTC)),
        ("90m", datetime(2026, 3, 5, 11, tzinfo=UTC)),
        ("2w", datetime(2026, 2, 19, 12, 30, tzinfo=UTC)),
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01T10:00", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("2026-03-01T10:00:00+02:00", datetime(2026, 3, 1, 8, tzinfo=UTC)),
        ("2026-03-01T10:00:00Z", datetime(2026, 3, 1, 10, tzinfo=UTC)),
    ],
)
def test_times(text: str, wanted: datetime) -> None:
    assert moment("from", text, NOW) == wanted


def test_the_command_knows_every_format() -> None:
    assert [name.value for name in report.FormatName] == list(FORMATS)
