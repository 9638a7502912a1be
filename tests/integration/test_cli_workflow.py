"""`workflow` on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len
from typer.testing import CliRunner, Result

from taskyard.core.config import Settings
from taskyard.core.postgres.database import Database
from taskyard.worker.cli import exits
from taskyard.worker.cli.app import app

Cli = Callable[..., Result]
GOOD = """\
name: nightly
title: Tonight
tasks:
  first:
    type: diagnostic.echo
    input: {value: 2030-01-31}
  second:
    type: diagnostic.echo
    input:
      value: {$ref: first, at: /value}
  many:
    - {type: diagnostic.noop, after: [second]}
    - {type: diagnostic.noop, after: [second]}
"""


@pytest.fixture
def cli(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs a command on this test's servers."""
    for name in ("database_url", "redis_url", "namespace", "data_dir"):
        monkeypatch.setenv(f"TASKYARD_{name.upper()}", str(getattr(settings, name)))
    monkeypatch.setenv("COLUMNS", "80")
    return lambda *arguments, **given: CliRunner().invoke(app, ["workflow", *arguments], prog_name="taskyard", **given)


def count(database: Database) -> int:
    with database.transaction() as tx:
        return int(tx.rows("SELECT (SELECT count(*) FROM workflows) + (SELECT count(*) FROM tasks)", {})[0][0])


def test_a_file_is_checked_and_drawn_and_submitted(cli: Cli, database: Database, tmp_path: Path) -> None:
    file = tmp_path / "nightly.yaml"
    file.write_text(GOOD, encoding="utf-8")
    drawn = cli("submit", str(file), "--dry-run")
    assert drawn.exit_code == exits.OK, drawn.output
    assert drawn.stdout.splitlines() == [
        "nightly: 4 tasks, 3 edges; nothing stored",
        "1 ┬ first    diagnostic.echo",
        "2 ┬ second   diagnostic.echo  ← first",
        "3 ┬ many ×2  diagnostic.noop  ← second",
    ]
    assert count(database) == 0
    id_ = cli("submit", str(file)).stdout.strip()
    shown = json.loads(cli("show", id_, "--json").stdout)
    assert [node["key"] for node in shown["nodes"]] == ["first", "second", "many/0", "many/1"]
    picture = cli("show", id_).stdout.splitlines()
    assert picture[0].startswith("nightly (Tonight): running, 0% done")
    assert picture[1:] == [
        "3 blocked, 1 pending",
        "",
        "1 ┬ first    diagnostic.echo  pending",
        "2 ┬ second   diagnostic.echo  blocked  ← first",
        "3 ┬ many ×2  diagnostic.noop  2 blocked  ← second",
    ]
    [listed] = json.loads(cli("list", "--json").stdout)
    assert (listed["id"], listed["name"], listed["tasks"]) == (id_, "nightly", 4)
    assert id_ in cli("list", "--state", "running").stdout
    assert cli("list", "--state", "stuck").stdout == "no workflows\n"
    cancelled = cli("cancel", id_, "--reason", "wrong data")
    assert (cancelled.exit_code, cancelled.stdout) == (exits.OK, f"{id_} cancelled: 4 tasks\n")


def test_json_and_standard_input_are_read(cli: Cli, tmp_path: Path) -> None:
    given = {"name": "n", "tasks": [{"type": "diagnostic.noop"}, {"type": "diagnostic.noop"}]}
    file = tmp_path / "group.json"
    file.write_text(json.dumps(given), encoding="utf-8")
    first = json.loads(cli("submit", str(file), "--key", "k", "--json").stdout)
    assert len(first["tasks"]["tasks"]) == 2
    again = cli("submit", "-", "--key", "k", input=json.dumps(given))
    assert again.stdout.strip() == first["id"]
    assert cli("submit", "-", "--key", "k", "--name", "other", input=json.dumps(given)).exit_code == exits.BAD_INPUT


MALFORMED = {
    "a cycle": ("{a: {type: diagnostic.noop, after: [b]}, b: {type: diagnostic.noop, after: [a]}}",
                ["line 2: tasks.a.after: 'b' is not accepted, expected tasks that do not wait for each other in a "
                 "circle: a → b → a"]),
    "cycles by reference": (
        "{a: {type: diagnostic.echo, input: {value: [{$ref: a}]}}, "
        "b: {type: diagnostic.noop, after: [c]}, c: {type: diagnostic.noop, after: [b]}}",
        ["line 2: tasks.a.input.value.0: 'a' is not accepted, expected tasks that do not wait for each other in a "
         "circle: a → a",
         "line 2: tasks.b.after: 'c' is not accepted, expected tasks that do not wait for each other in a circle: b"]),
    "unknown keys": ("{a: {type: diagnostic.noop, after: [x, y]}}",
                     ["line 2: tasks.a.after.0: 'x' is not accepted, expected a key of this workflow: a",
                      "line 2: tasks.a.after.1: 'y' is not accepted, expected a key of this workflow: a"]),
    "an unknown type": ("{a: {type: nope}}", ["line 2: tasks.a.type: 'nope' is not accepted, expected one of"]),
    "no type": ("{a: {input: {}}}", ["line 2: tasks.a.type is required: the name of a task type"]),
    "no tasks": ("{}", ["line 2: tasks: {} is not accepted, expected an object of tasks, or lists of tasks, by key"]),
    "no task": ("{a: []}", ["line 2: tasks: {'a': []} is not accepted, expected at least one task"]),
    "an alarm for nobody": (
        "{g: [], a: {type: diagnostic.echo, input: {value: 1}, after: [g], when: failed}}",
        ["line 2: tasks.a.when: 'failed' is not accepted, expected tasks to wait for: these groups are empty"],
    ),
    "a bad key": ("{a/b: {type: diagnostic.noop}}", ["line 2: tasks: 'a/b' is not accepted, expected a key of"]),
    "a field that there is not": (
        "{a: {type: diagnostic.echo}, b: {type: diagnostic.echo, input: {value: {$ref: a, at: /rows}}}}",
        ["line 2: tasks.b.input.value: 'ref(a/rows)' is not accepted, expected a part that the output of "
         "diagnostic.echo has: it has value"]),
    "a type that can't fit": (
        "{a: {type: diagnostic.sleep, input: {seconds: 0}}, "
        "b: {type: diagnostic.sleep, input: {seconds: {$ref: a}}}}",
        ["line 2: tasks.b.input.seconds: 'ref(a)' is not accepted, expected number: the output of diagnostic.sleep "
         "is object there"]),
    "a group for a task": ("{g: [{type: diagnostic.noop}], b: {type: diagnostic.echo, input: {value: {$ref: g}}}}",
                           ["line 2: tasks.b.input.value: 'g' is not accepted, expected a single task: use ref_all"]),
    "a malformed reference": ("{a: {type: diagnostic.echo, input: {value: {$ref: 1}}}}",
                              ["line 2: tasks.a.input.value: {'$ref': 1} is not accepted, expected {"]),
    "a wrong input beside a reference": (
        "{a: {type: diagnostic.noop}, b: {type: diagnostic.sleep, input: {seconds: x, more: {$ref: a}}}}",
        ["line 2: tasks.b.input.seconds: 'x' is not accepted, expected a number"]),
    "options": ("{a: {type: diagnostic.noop, queue: Q!, foo: 1, priority: top, when: failed}}",
                ["line 2: tasks.a.when: 'failed' is not accepted, expected none without",
                 "line 2: tasks.a.foo: 1 is not accepted, expected one of type",
                 "line 2: tasks.a.queue: 'Q!' is not accepted",
                 "line 2: tasks.a.priority: 'top' is not accepted"]),
    "a condition against a reference": (
        "{a: {type: diagnostic.echo}, b: {type: diagnostic.echo, after: [a], when: failed, "
        "input: {value: {$ref: a}}}}",
        ["line 2: tasks.b.input.value: 'a' is not accepted, expected no reference to a task that `when` lets end"]),
    "YAML": ("{a: [}", ["line 2: 'tasks: {a: [}' is not accepted, expected YAML ("]),
    "a key twice": ("{a: {type: diagnostic.noop}, a: {type: diagnostic.noop}}",
                    ["line 2: 'a' is not accepted, expected each key only once"]),
    "a tag": ("{a: !!python/object:os.system {}}", ["line 2: 'tag:yaml.org,2002:python/object:os.system' is"]),
    "another field": ("{a: {type: diagnostic.noop}}\nretries: 3", ["line 3: retries: 3 is not accepted, expected"]),
    "an alias of itself": ("&x {a: *x}", ["line 2: '' is not accepted, expected at most 64 levels of nesting"]),
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_every_problem_is_a_line_and_nothing_is_stored(cli: Cli, database: Database, name: str) -> None:
    tasks, expected = MALFORMED[name]
    refused = cli("submit", "-", input=f"name: malformed\ntasks: {tasks}\n")
    lines = refused.stderr.splitlines()
    assert refused.exit_code in (exits.BAD_INPUT, exits.NOT_FOUND), refused.output
    assert len(lines) == len(expected), lines
    for line, beginning in zip(lines, expected, strict=True):
        assert line.startswith(f"error: {beginning}"), line
    assert count(database) == 0


def test_a_retry_is_listed_by_keys_first(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "nightly.yaml"
    file.write_text(GOOD, encoding="utf-8")
    monkeypatch.setenv("COLUMNS", "120")
    id_ = cli("submit", str(file)).stdout.strip()
    nothing = cli("retry", id_, "--dry-run")
    assert (nothing.exit_code, nothing.stdout.splitlines()[0]) == (exits.OK, f"{id_}: 0 tasks would run again")
    cli("cancel", id_)
    lines = cli("retry", id_, "--dry-run").stdout.splitlines()
    assert lines[0] == f"{id_}: 4 tasks would run again"
    assert lines[1].split() == ["id", "state", "then", "key", "task"]
    assert [line.split()[1:] for line in lines[2:]] == [
        ["cancelled", "pending", "first", "diagnostic.echo"],
        ["cancelled", "blocked", "second", "diagnostic.echo"],
        ["cancelled", "blocked", "many/0", "diagnostic.noop"],
        ["cancelled", "blocked", "many/1", "diagnostic.noop"],
    ]
    found = json.loads(cli("retry", id_, "--dry-run", "--json").stdout)["would_retry"]
    assert [one["key"] for one in found["tasks"]] == ["first", "second", "many/0", "many/1"]
    assert json.loads(cli("list", "--json").stdout)[0]["counts"] == {"cancelled": 4}  # nothing was changed


def test_workflows_that_its_tasks_submitted_are_listed(cli: Cli, database: Database, tmp_path: Path) -> None:
    file = tmp_path / "nightly.yaml"
    file.write_text(GOOD, encoding="utf-8")
    outer, inner = (cli("submit", str(file)).stdout.strip() for _ in range(2))
    graph = json.loads(cli("show", outer, "--json").stdout)
    assert graph["submitted"] == []
    assert "submitted" not in cli("show", outer).stdout
    task = graph["nodes"][0]["id"]
    with database.transaction() as tx:
        statement = "UPDATE workflows SET parent_task_id = %(task)s::uuid WHERE id = %(id)s::uuid RETURNING 1"
        tx.rows(statement, {"id": inner, "task": task})
    [found] = json.loads(cli("show", outer, "--json").stdout)["submitted"]
    assert found == {"id": inner, "name": "nightly", "title": "Tonight", "state": None, "submitted_by": task}
    shown = cli("show", outer).stdout.splitlines()
    assert shown[-2:] == ["1 workflow submitted by its tasks:", f"first → nightly: open, {inner}"]


def test_long_names_are_cut_in_lists_and_whole_in_json(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS")  # no terminal: as wide as the text
    title = "夜" * 200
    file = tmp_path / "nightly.yaml"
    file.write_text(GOOD.replace("Tonight", title), encoding="utf-8")
    id_ = cli("submit", str(file)).stdout.strip()
    heading, row = cli("list").stdout.splitlines()
    assert f"{'夜' * 29}…" in row
    assert "夜" * 30 not in row
    assert cell_len(row) < 200
    # what follows stays in its column
    assert cell_len(row[: row.index("…") + 1]) <= heading.index("created")
    assert json.loads(cli("list", "--json").stdout)[0]["title"] == title
    assert title in cli("show", id_).stdout
