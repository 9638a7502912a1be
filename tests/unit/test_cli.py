"""The command line without servers: help, usage, texts."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from taskyard.core.errors import (
    ConfigurationError,
    IllegalTransition,
    LeadershipLost,
    SubmissionError,
    TaskNotFound,
    TaskyardError,
    Unavailable,
    UnknownTaskType,
)
from taskyard.core.humanize import compact_duration
from taskyard.core.payload.printable_text import visible, visible_lines
from taskyard.core.submission.bulk_file import read_file
from taskyard.core.submission.bulk_rows import check_rows
from taskyard.core.submission.validate import Limits
from taskyard.core.task_types.registry import registry
from taskyard.worker.cli import exits
from taskyard.worker.cli.app import COMMANDS, app
from taskyard.worker.cli.output import Column, print_fields, print_table
from taskyard.worker.cli.payload import LINE_FIELDS, JsonLines, by_line
from taskyard.worker.cli.root import Commands
from taskyard.worker.cli.text import instant, pretty_json, task_id

NAMES = [command[0] for command in COMMANDS]
ID = "0199c0de-0000-7000-8000-000000000001"


def invoke(*arguments: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=stdin, prog_name="taskyard")


def plain(text: str) -> str:
    """Help and usage errors without colours, which some environments ask typer for."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.fixture
def no_servers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Settings that are fine and servers that nobody runs."""
    monkeypatch.setenv("TASKYARD_DATABASE_URL", "postgresql://someone:s3cret@127.0.0.1:1/taskyard")
    monkeypatch.setenv("TASKYARD_REDIS_URL", f"unix://{tmp_path}/none.sock")
    monkeypatch.setenv("TASKYARD_DATA_DIR", str(tmp_path))


def test_help_lists_every_command_and_exit_code() -> None:
    result = invoke("--help")

    assert result.exit_code == 0
    assert all(f"│ {name} " in plain(result.stdout) for name in NAMES)
    text = " ".join(plain(result.stdout).split())
    assert all(f"{code} {meaning}" in text for code, meaning in exits.EXIT_CODES.items())


@pytest.mark.parametrize("name", NAMES)
def test_help_of_each_command_has_an_example(name: str) -> None:
    result = invoke(name, "--help")

    assert result.exit_code == 0
    usage, example = plain(result.stdout).split("Example")
    assert f"taskyard {name} " in usage
    assert f"taskyard {name}" in example
    assert "Exit codes" in example


def test_options_that_are_documented_exist() -> None:
    text = plain(invoke("submit", "--help").stdout)

    assert all(name in " ".join(text.split()) for name in LINE_FIELDS)


def test_no_command_shows_the_help() -> None:
    result = invoke()

    assert result.exit_code == exits.BAD_INPUT
    assert "Usage: taskyard" in plain(result.output)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["explode"], "No such command"),
        (["list", "--bogus"], "No such option"),
        (["list", "--state", "dreaming"], "dreaming"),
        (["list", "--limit", "0"], "--limit"),
        (["show"], "Missing argument"),
        (["cancel"], "Missing argument"),
        (["priority", ID], "Missing argument"),
        (["submit"], "name a task type"),
        (["submit", "diagnostic.noop", "{}"], "one argument too many"),
        (["submit", "diagnostic.noop", "-", "--input", "{}"], "two inputs"),
        (["submit", "diagnostic.noop", "--input", "{}", "--input-file", "f"], "two inputs"),
        (["submit", "diagnostic.noop", "--file", "f"], "can't be combined with TYPE"),
        (["submit", "--file", "f", "--wait"], "can't be combined with --wait"),
        (["submit", "--file", "f", "--key", "k"], "can't be combined with --key"),
        (["submit", "diagnostic.noop", "--wait-seconds", "-1"], "--wait-seconds"),
        (["submit", "diagnostic.noop", "--timeout", "soon"], "--timeout"),
    ],
)
def test_bad_usage(arguments: list[str], told: str) -> None:
    result = invoke(*arguments)

    assert result.exit_code == exits.BAD_INPUT
    assert told in " ".join(plain(result.stderr).replace("│", " ").split())
    assert result.stdout == ""


@pytest.mark.usefixtures("no_servers")
@pytest.mark.parametrize(
    ("arguments", "stdin", "told"),
    [
        (["--input", "{"], None, "error: input: '{' is not accepted, expected JSON: this is not valid JSON"),
        (["-"], b'"\xff"', "expected text in UTF-8 (invalid start byte at byte 1)"),
        (["-"], b"[" * 100_000, "expected JSON: this is nested deeper than 64 levels"),
        (
            ["--input", '{"a": 1, "b": {"c": 1, "c": 2}}'],
            None,
            "error: input.c: 'c' is not accepted, expected each key",
        ),
        (["--input", '{"a": 18446744073709551616}'], None, "an integer of 20 digits that does not fit 64 bits"),
        (["-"], b" " * (8 << 20), "expected JSON of at most 7,340,032 bytes"),
        (["--input-file", "/nowhere/input.json"], None, "expected a readable file (No such file or directory)"),
    ],
)
def test_input_that_can_not_be_read(arguments: list[str], stdin: bytes | None, told: str) -> None:
    result = invoke("submit", "diagnostic.noop", *arguments, stdin=stdin)

    assert result.exit_code == exits.BAD_INPUT
    assert told in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.usefixtures("no_servers")
@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["list"],
        ["show", ID],
        ["history", ID],
        ["logs", ID],
        ["agents"],
        ["migrate"],
        ["submit", "diagnostic.noop"],
        ["cancel", ID, ID.replace("1", "2")],
        ["retry", ID],
        ["priority", ID, "high"],
    ],
)
def test_servers_that_do_not_answer(arguments: list[str]) -> None:
    result = invoke(*arguments)

    assert result.exit_code == exits.UNAVAILABLE
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert line.startswith("error: PostgreSQL can't be reached: ")
    assert "s3cret" not in line


def test_no_server_configured_and_none_running(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TASKYARD_DATA_DIR", str(tmp_path / "empty"))

    result = invoke("status")

    assert result.exit_code == exits.UNAVAILABLE
    assert "taskyard run" in result.stderr


@pytest.mark.parametrize("command", [["status"], ["run"], ["agent"], ["bench"], ["migrate"], ["types"]])
def test_every_configuration_problem_has_its_line(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKYARD_NAMESPACE", "Not Good")
    monkeypatch.setenv("TASKYARD_DASHBOARD_PORT", "0")

    result = invoke(*command)

    assert result.exit_code == exits.BAD_INPUT
    lines = result.stderr.splitlines()
    assert [line.split(":")[:2] for line in lines] == [
        ["error", " TASKYARD_NAMESPACE"],
        ["error", " TASKYARD_DASHBOARD_PORT"],
    ]


@pytest.mark.usefixtures("no_servers")
@pytest.mark.parametrize("command", ["status", "migrate"])
def test_database_url_that_makes_no_sense_is_not_shown(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKYARD_DATABASE_URL", "postgresql://someone:s3cret@host:port/db")

    result = invoke(command)

    assert result.exit_code == exits.BAD_INPUT
    assert result.stderr.startswith("error: TASKYARD_DATABASE_URL: ")
    assert "s3cret" not in result.stderr


def test_agents_alone_need_redis() -> None:
    result = invoke("agent")

    assert result.exit_code == exits.BAD_INPUT
    assert result.stderr.startswith("error: TASKYARD_REDIS_URL: ")
    assert "`taskyard run`" in result.stderr, "where all runs on one host"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError(["a", "b"]), 2),
        (SubmissionError("input", 1, "2"), 2),
        (UnknownTaskType("x", []), 2),
        (TaskNotFound(ID), 3),
        (IllegalTransition(ID, "failed", "only unfinished tasks can be cancelled"), 4),
        (Unavailable("away"), 5),
        (LeadershipLost("lost"), 1),
    ],
)
def test_exit_code_of_each_error(error: TaskyardError, code: int) -> None:
    assert exits.exit_code(error) == code
    assert code in exits.EXIT_CODES


def test_errors_of_commands_become_lines() -> None:
    small = typer.Typer(cls=Commands)

    @small.command()
    def fine() -> None:
        pass

    @small.command()
    def lost() -> None:
        raise TaskNotFound("\x1b[2J\nsecond line")

    @small.command()
    def interrupted() -> None:
        raise KeyboardInterrupt

    result = CliRunner().invoke(small, ["lost"])
    assert (result.exit_code, result.stderr) == (3, "error: task \\x1b[2J\\nsecond line does not exist\n")
    result = CliRunner().invoke(small, ["interrupted"])
    assert (result.exit_code, result.stderr) == (130, "interrupted\n")
    assert CliRunner().invoke(small, ["fine"]).exit_code == 0


def test_types_are_listed_and_their_schemas_printed() -> None:
    listed = invoke("types")
    assert listed.exit_code == 0
    assert ["diagnostic.sleep_async", "async", "5m", "3"] in [line.split()[:4] for line in listed.stdout.splitlines()]

    shown = invoke("types", "diagnostic.echo")
    assert shown.exit_code == 0
    assert shown.stdout.startswith("input\n{\n")
    assert "\noutput\n{\n" in shown.stdout

    unknown = invoke("types", "nope")
    assert unknown.exit_code == exits.BAD_INPUT
    assert unknown.stderr.startswith("error: type: 'nope' is not accepted, expected ")


def test_start_is_light() -> None:
    """Quick answers depend on what is not imported."""
    heavy = ("pandas", "streamlit", "sqlalchemy", "alembic", "redis", "psycopg2", "taskyard.worker.app")
    code = f"import sys, taskyard.worker.cli.app; print([name for name in {heavy!r} if name in sys.modules])"

    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)

    assert answer.stdout == "[]\n", answer.stderr


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0.000s"),
        (0.0123, "0.012s"),
        (4.21, "4.2s"),
        (60, "1m"),
        (200, "3m 20s"),
        (3600, "1h"),
        (18_600, "5h 10m"),
        (187_300, "2d 4h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert compact_duration(seconds) == text


def test_what_is_not_printable_is_made_visible() -> None:
    assert visible("plain ä 漢 [red]") == "plain ä 漢 [red]"
    assert visible("\x1b[31m\x9b\t\r\n\u202e\u2028") == "\\x1b[31m\\x9b\\t\\r\\n\\u202e\\u2028"
    assert visible_lines("a\nb\x07") == "a\nb\\x07"
    assert pretty_json({"a": "\x1b\u202eä"}) == '{\n  "a": "\\u001b\\u202eä"\n}'


def test_task_ids() -> None:
    assert task_id(ID.upper()) == ID
    with pytest.raises(SubmissionError, match="a task id"):
        task_id("0199")


@pytest.mark.parametrize("columns", [80, 160])
def test_tables_fit_and_show_text_as_it_is(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    text = "[bold]x[/bold] :smile: " + "word " * 40

    print_table([Column("id", fixed=True), Column("text")], [(ID, text), (ID, "\x1b[2J")])

    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= columns
    assert out.count(ID) == 2
    assert "[bold]x[/bold] :smile: " in out
    assert "\\x1b[2J" in out
    assert "\x1b" not in out


def test_tables_in_pipes_are_as_wide_as_their_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)

    print_table([Column("a"), Column("b")], [("x" * 300, "y")])
    print_fields([("name", "value"), ("empty", ""), ("none", None)])

    assert capsys.readouterr().out.splitlines() == ["a" + " " * 301 + "b", "x" * 300 + "  y", "name  value"]


def test_lines_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "tasks.jsonl"
    file.write_text('{"type": "a"}\n{"type": "b", "queue": "own"}\n\n')
    lines = JsonLines(file, {"queue": "nightly"}, 1 << 20)

    assert list(lines) == [{"type": "a", "queue": "nightly"}, {"type": "b", "queue": "own"}]
    assert lines.count() == 2


def test_lines_are_read_as_the_dashboard_reads_them(tmp_path: Path) -> None:
    content = (
        b'\xef\xbb\xbf{"type": "diagnostic.echo", "input.value": 1, "title": null}\n'
        b'\n  \n{"type": "diagnostic.noop", "requires": "gpu, linux", "after": []}\r\n'
    )
    file = tmp_path / "tasks.jsonl"
    file.write_bytes(content)

    lines = JsonLines(file, {}, 1 << 20)
    given = list(lines)

    assert given == [
        {"type": "diagnostic.echo", "input": {"value": 1}},
        {"type": "diagnostic.noop", "requires": ["gpu", "linux"], "after": []},
    ]
    assert [lines.line_of(position) for position in (0, 1, 2)] == [1, 4, 5]
    uploaded = check_rows(read_file(content, file.name), registry.load(), Limits(1 << 20, 1 << 20), datetime.now(UTC))
    assert [row.row for row in uploaded.submittable] == [1, 4]
    assert [{**row.arguments, "idempotency_key": ""} for row in uploaded.submittable] == [
        {**one, "idempotency_key": ""} for one in given
    ]


@pytest.mark.parametrize(
    ("content", "field", "expected"),
    [
        (b'{"type": "a"}\n\n{"type": "b", "priorty": "low"}', "line 3: priorty", "one of the fields"),
        (b'{"type": "a"}\n{"type"', "line 2", "JSON"),
        (b"[1]", "line 1", "an object"),
        (b'{"input": 1}', "line 1", "an object"),
        (b'{"type": "a", "priorty": "low"}', "line 1: priorty", "one of the fields"),
        (b'{"type": "\xff"}', "line 1", "UTF-8"),
        (b'{"type": "a", "input": {"b": 1, "b": 2}}', "line 1.b", "each key only once"),
        (b'{"type": "a"}\n{"type": "a", "title": "' + b"x" * (8 << 20), "line 2", "at most 7,340,032 bytes"),
    ],
)
def test_lines_that_are_no_tasks(tmp_path: Path, content: bytes, field: str, expected: str) -> None:
    file = tmp_path / "tasks.jsonl"
    file.write_bytes(content)

    with pytest.raises(SubmissionError) as raised:
        list(JsonLines(file, {}, 1 << 20))

    assert raised.value.field == field
    assert expected in raised.value.expected


def test_positions_become_lines() -> None:
    assert [one.field for one in by_line(SubmissionError("submissions.6.input.x", 1, "2"), None, list)] == [
        "line 7: input.x"
    ]
    assert [one.field for one in by_line(SubmissionError("submissions.6", 1, "2"), None, list)] == ["line 7"]
    assert [one.field for one in by_line(SubmissionError("line 3", 1, "2"), None, list)] == ["line 3"]


def test_all_that_is_wrong_with_a_line_is_told_if_it_is_the_one_that_was_refused() -> None:
    refused, others = SubmissionError("submissions.1.priority", 1, "2"), SubmissionError("input.x", 3, "4")
    same = SubmissionError("priority", 1, "2")
    assert [one.field for one in by_line(refused, {}, lambda task: [same, others])] == [
        "line 2: priority",
        "line 2: input.x",
    ]
    assert [one.field for one in by_line(refused, {}, lambda task: [others])] == ["line 2: priority"]


def test_instants() -> None:
    at = datetime(2026, 1, 1, 12, tzinfo=UTC)

    assert instant(at) == at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    assert instant(None) == ""
