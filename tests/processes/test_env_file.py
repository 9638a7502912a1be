"""`.env` files and settings of any content: taken, or refused in one line each, in every command."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskyard.core.config import Settings, load_settings
from taskyard.core.env_file import LIMIT_BYTES, env_file_problems
from taskyard.core.errors import ConfigurationError
from taskyard.worker.cli.app import COMMANDS
from tests.effort import FUZZ_CASES

REPOSITORY = Path(__file__).resolve().parents[2]
SECRET = "hunter2"
BAD = {
    "encoding": (b"A=1\nTASKYARD_NAMESPACE=\xff\xfehunter2\n", "line 2"),
    "no =": (b"# x\nTASKYARD_NAMESPACE\n", "line 2: has no ="),
    "words": (b"TASKYARD_NAMESPACE hunter2\n", "line 1"),
    "open quote": (b"A=1\n\nTASKYARD_DATABASE_URL=\"hunter2\nB=1\n", "line 3: is not of the form"),
    "open single quote": (b"TASKYARD_DATABASE_URL='hunter2\n", "line 1: is not of the form"),
    "NUL": (b"A=1\nB=\0hunter2\n", "holds a NUL character (line 2)"),
    "UTF-16": ("A=1\nTASKYARD_NAMESPACE=main\n".encode("utf-16"), "is not UTF-8"),
    "misspelled": (b"TASKYARD_DATABSE_URL=hunter2\n", "did you mean TASKYARD_DATABASE_URL?"),
    "unknown": (b"TASKYARD_QQQQ=hunter2\n", "TASKYARD_QQQQ is not a setting"),
    "bad value": (b"TASKYARD_METRICS_PORT=x\n", "TASKYARD_METRICS_PORT"),
    "bad table": (b"TASKYARD_PLACEMENT_BY_QUEUE={\n", "TASKYARD_PLACEMENT_BY_QUEUE"),
    "large": (b"#" * (LIMIT_BYTES + 1), "expected at most 1,048,576"),
    "odd name": (b"A\xc3\xa4=1\n", "line 1"),
}  # fmt: skip


@pytest.fixture
def env_file(tmp_path, monkeypatch):
    path = tmp_path / ".env"
    monkeypatch.setitem(Settings.model_config, "env_file", str(path))
    return path


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_refused_in_one_line(env_file, kind):
    content, told = BAD[kind]
    env_file.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    (problem,) = caught.value.problems
    assert told in problem
    assert "\n" not in problem
    assert SECRET not in problem


def test_all_lines_that_are_wrong_are_told_together(env_file):
    env_file.write_text("A\nTASKYARD_NAMESPACES=x\nB=1\nTASKYARD_LOGLEVEL=info\n")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert [problem.partition("line ")[2][0] for problem in caught.value.problems] == ["1", "2", "4"]


@pytest.mark.parametrize("kind", ["folder", "pipe", "link to itself", "unreadable"])
def test_what_is_no_readable_file_is_refused(env_file, kind):
    if kind == "folder":
        env_file.mkdir()
    elif kind == "pipe":
        os.mkfifo(env_file)
    elif kind == "link to itself":
        env_file.symlink_to(env_file)
    else:
        env_file.write_text("A=1")
        env_file.chmod(0)
        if os.access(env_file, os.R_OK):
            pytest.skip("this user may read everything")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(
    "content",
    [b"", b"\xef\xbb\xbfTASKYARD_NAMESPACE=main\n", b"TASKYARD_NAMESPACE=main\r\n",
     b"export TASKYARD_NAMESPACE='main'",
     b"# TASKYARD_NAMESPACE\n\n  TASKYARD_NAMESPACE = main # why\n",
     b"OTHER=\nTASKYARD_NAMESPACE=\"main\"\nX=\"a\nb\"\n"],
)  # fmt: skip
def test_good_files_are_taken(env_file, content):
    env_file.write_bytes(content.replace(b"main", b"other"))
    assert load_settings().namespace == ("other" if b"main" in content else "main")


@pytest.mark.parametrize("command", [name for name, *_ in COMMANDS if name in ("status", "types", "rules")])
def test_commands_tell_a_bad_file_without_a_trace(tmp_path, command):
    (tmp_path / ".env").write_bytes(b"TASKYARD_NAMESPACE=\xff\n")
    environment = {"PATH": os.defpath, "PYTHONPATH": str(REPOSITORY), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "worker", command],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert ".env: is not UTF-8 (line 1)" in done.stderr


def problems_now():
    """What is wrong with the settings; at least one line if they are refused."""
    try:
        load_settings()
    except ConfigurationError as error:
        return error.problems or ["\n"]
    return []


PIECES = (
    "TASKYARD_",
    "NAMESPACE",
    "DATABASE_URL",
    "=",
    '"',
    "'",
    "\n",
    "\r\n",
    "#",
    "export ",
    "\\",
    "\0",
    " ",
    "{",
    "}",
    "[",
    "é",
    "\ufeff",
    "$",
    "${A}",
    "a",
    "1",
    ":",
    "//",
    "\t",
    "=\n",
    '="',
    "\x1b",
    "PLACEMENT_BY_QUEUE",
)


def test_files_of_any_content_are_taken_or_refused_in_one_line(tmp_path, monkeypatch):
    path = tmp_path / ".env"
    monkeypatch.setitem(Settings.model_config, "env_file", str(path))
    chance = random.Random(20)
    for _ in range(min(FUZZ_CASES, 5000)):
        content = "".join(chance.choices(PIECES, k=chance.randrange(30))).encode()
        if chance.random() < 0.2:
            at = chance.randrange(len(content) + 1)
            content = content[:at] + chance.randbytes(3) + content[at:]
        path.write_bytes(content)
        problems = problems_now()
        assert all(problem.isprintable() for problem in problems), (content, problems)


@settings(max_examples=min(FUZZ_CASES, 3000), deadline=None)
@given(
    st.sampled_from(sorted(Settings.model_fields)),
    st.one_of(
        st.text(st.characters(exclude_characters="\0", exclude_categories=()), max_size=40),
        st.sampled_from(
            ["{", "[]", "{}", "null", "NaN", "1e999", "-1", "9" * 400, "[" * 5000, '{"a":' * 2000, "\udcff"]
        ),
    ),
)
def test_variables_of_any_content_are_taken_or_refused_in_one_line(name, value):
    variable = f"TASKYARD_{name.upper()}"
    value = value.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
    before = os.environ.get(variable)
    os.environ[variable] = value
    try:
        assert all(problem.isprintable() for problem in problems_now())
    finally:
        del os.environ[variable]
        if before is not None:
            os.environ[variable] = before


def test_a_file_that_is_not_there_is_no_problem(tmp_path):
    assert env_file_problems(tmp_path / "none", "TASKYARD_", ["x"]) == []
