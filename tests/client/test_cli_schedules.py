"""Commands on schedules say and do the same on this host's servers and over HTTP."""

from __future__ import annotations

from pathlib import Path

from taskyard.worker.cli import exits
from tests.client.doors import Doors
from tests.client.test_cli_managing import told_alike

ECHO = ("--type", "diagnostic.echo", "--input", '{"value": 1}')
FILE = """
[[schedule]]
name = "hourly"
type = "diagnostic.echo"
input = {value = 1}
cron = "@hourly"
queue = "nightly"

[[schedule]]
name = "often"
type = "diagnostic.echo"
input = {value = 2}
interval_seconds = 3600
"""

ODD = """
[[schedule]]
name = "chronic"
type = "diagnostic.echo"
chron = "@daily"

[[schedule]]
cron = "*/90 * * * *"
name = "stepping"
type = "diagnostic.echo"
[[schedule]]
type = "nosuch"
cron = "@daily"
name = "nosuch"
[[schedule]]
type = "diagnostic.echo"
cron = "@daily"
[schedule.input]
value = 1
[[schedule]]
name = "begins"
type = "diagnostic.echo"
cron = "@daily"
starts_at = 2030-07-01T01:00:00
"""


def test_the_life_of_a_schedule(doors: Doors) -> None:
    rule = ("--cron", "30 7 * * mon-fri", "--zone", "Europe/Berlin")
    told = told_alike(
        doors,
        [
            ("schedule", "list"),
            ("schedule", "add", "nightly", *ECHO, *rule, "--queue", "reports", "--jitter", "5m", "--overlap", "skip"),
            ("schedule", "add", "nightly", *ECHO, *rule),
            ("schedule", "list"),
            ("schedule", "list", "--json"),
            ("schedule", "show", "nightly"),
            ("schedule", "next", "nightly", "--count", "3", "--json"),
            ("schedule", "edit", "nightly", "--priority", "high", "--catch-up", "all"),
            ("schedule", "edit", "nightly", "--catch-up", "all"),
            ("schedule", "edit", "nightly", "--every", "6h"),
            ("schedule", "show", "nightly", "--json"),
            ("schedule", "pause", "nightly", "--reason", "[b]off[/b]"),
            ("schedule", "pause", "nightly", "--json"),
            ("schedule", "list"),
            ("schedule", "resume", "nightly"),
            ("schedule", "run", "nightly"),
            ("schedule", "show", "nightly"),
            ("schedule", "backfill", "nightly", "--from", "12h", "--dry-run"),
            ("schedule", "backfill", "nightly", "--from", "2020-01-01T00:00Z", "--to", "2020-01-02T00:00Z", "--yes"),
            ("schedule", "remove", "nightly"),
            ("schedule", "show", "nightly"),
        ],
    )
    assert "every weekday at 07:30 Berlin time" in told[1][1]
    assert told[8][1] == "nightly is changed already\n"
    assert told[15][1] == "ID\n"
    assert "manual" in told[16][1]
    assert told[20][0] == exits.BAD_INPUT


def test_bad_rules_are_refused_in_one_line(doors: Doors) -> None:
    steps: list[tuple[str, ...]] = [
        ("schedule", "add", "a", *ECHO),
        ("schedule", "add", "a", *ECHO, "--cron", "61 * * * *"),
        ("schedule", "add", "a", *ECHO, "--cron", "@daily", "--every", "5m"),
        ("schedule", "add", "a", *ECHO, "--cron", "@daily", "--zone", "Berlin"),
        ("schedule", "add", "A b", *ECHO, "--cron", "@daily"),
        ("schedule", "add", "a", *ECHO, "--every", "soon"),
        ("schedule", "add", "a", "--type", "nosuch", "--cron", "@daily"),
        ("schedule", "add", "a", *ECHO, "--cron", "@daily", "--overlap", "maybe"),
        ("schedule", "add", "a", *ECHO, "--cron", "@daily", "--starts", "tomorrow"),
        ("schedule", "add", "a", *ECHO, "--cron", "@daily", "--priority", "higher"),
        ("schedule", "run", "nosuch"),
        ("schedule", "edit", "nosuch", "--cron", "@daily"),
        ("schedule", "remove", "nosuch"),
    ]
    for step, (code, out, error) in zip(steps, told_alike(doors, steps), strict=True):
        assert (code, out) == (exits.BAD_INPUT, ""), step
        assert error.count("\n") == 1, error
        assert error.startswith("error: "), error


def test_a_file_owns_its_schedules(doors: Doors, tmp_path: Path) -> None:
    file = tmp_path / "nightly.toml"
    file.write_text(FILE, encoding="utf-8")
    less = tmp_path / "less.toml"
    less.write_text(FILE.partition('[[schedule]]\nname = "often"')[0], encoding="utf-8")
    empty = tmp_path / "empty.toml"
    empty.write_text("", encoding="utf-8")
    odd = tmp_path / "odd.toml"
    odd.write_text(FILE + ODD, encoding="utf-8")
    single = tmp_path / "single.toml"
    single.write_text(FILE.replace("[[", "[", 1).partition("[[schedule]]")[0].replace("]]", "]"), encoding="utf-8")
    told = told_alike(
        doors,
        [
            ("schedule", "apply", str(file), "--dry-run"),
            ("schedule", "apply", str(file)),
            ("schedule", "apply", str(file)),
            ("schedule", "edit", "hourly", "--cron", "@daily"),
            ("schedule", "pause", "hourly"),
            ("schedule", "apply", str(less), "--owner", "nightly", "--yes", "--json"),
            ("schedule", "apply", str(odd), "--owner", "nightly"),
            ("schedule", "apply", str(less)),
            ("schedule", "apply", str(single)),
            ("schedule", "apply", str(empty), "--owner", "nightly", "--dry-run"),
            ("schedule", "apply", str(empty), "--owner", "nightly"),
            ("schedule", "apply", str(empty), "--owner", "nightly", "--yes"),
        ],
    )
    assert told[0][1] == "would be added: hourly, often\n"
    assert told[1][1] == "added: hourly, often\n"
    assert told[2][1] == "nothing has changed\n"
    assert "file:nightly declares it" in told[3][2]
    assert [line.split(": ")[1:3] for line in told[6][2].splitlines()] == [
        ["line 18", "schedule.2.chron"],
        ["line 21", "schedule.3.cron"],
        ["line 25", "schedule.4.type"],
        ["line 28", "schedule.5.name is required"],
        ["line 37", "schedule.6.starts_at"],
    ]
    assert "file:nightly declares this one" in told[7][2]
    assert "[[schedule]], in double brackets" in told[8][2]
    assert told[9][1] == "would be removed: hourly\n"
    assert (told[10][0], told[10][1]) == (exits.BAD_INPUT, ""), "it would have asked"
    assert "--yes" in told[10][2]
    assert told[11][1] == "removed: hourly\n"


DAILY = """
name: daily
tasks:
  first: {type: diagnostic.echo, input: {value: 1}}
  second:
    type: diagnostic.echo
    input: {value: {$ref: first, at: /value}}
"""


def test_a_schedule_of_workflows(doors: Doors, tmp_path: Path) -> None:
    file, wrong, toml, empty = (tmp_path / name for name in ("daily.yaml", "wrong.yaml", "all.toml", "empty.toml"))
    empty.write_text("", encoding="utf-8")
    file.write_text(DAILY, encoding="utf-8")
    wrong.write_text(DAILY.replace("$ref: first", "$ref: third").replace("diagnostic.echo", "nosuch", 1), "utf-8")
    toml.write_text("[[schedule]]\nname = 'of-a-file'\nworkflow = 'daily.yaml'\ncron = '@daily'\n", encoding="utf-8")
    told = told_alike(
        doors,
        [
            ("schedule", "add", "daily", "--workflow", str(wrong), "--cron", "@daily"),
            ("schedule", "add", "daily", "--workflow", str(file), "--cron", "@daily", "--queue", "x"),
            ("schedule", "add", "daily", "--workflow", str(file), "--cron", "@daily", "--overlap", "replace"),
            ("schedule", "list"),
            ("schedule", "show", "daily", "--json"),
            ("schedule", "edit", "daily", "--workflow", str(file)),
            ("schedule", "edit", "daily", "--expect", "2h"),
            ("schedule", "run", "daily"),
            ("schedule", "show", "daily"),
            ("schedule", "apply", str(toml)),
            ("schedule", "apply", str(empty), "--owner", "all", "--yes"),
            ("schedule", "remove", "daily"),
        ],
    )
    assert told[0][0] == exits.BAD_INPUT
    assert [line.split(": ")[1] for line in told[0][2].splitlines()] == ["line 4", "line 7"]
    assert told[1][:2] == (exits.BAD_INPUT, "")
    assert "--queue" in told[1][2]
    assert "workflow daily" in told[3][1]
    assert '"$ref": "first"' in told[4][1]
    assert "already" in told[5][1]
    assert told[7][1] == "ID\n"
    assert "manual" in told[8][1]
    assert told[9][1] == "added: of-a-file\n"
