"""Traces in files: what is read, what is refused and how, and the command that simulates them."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from taskyard.core.errors import SubmissionError
from taskyard.core.learning.keys import keys_of
from taskyard.core.models import Lane
from taskyard.core.simulation.simulate import POLICIES
from taskyard.core.simulation.trace import read_trace
from taskyard.core.simulation.workload import equal_agents
from taskyard.worker.cli import exits
from taskyard.worker.cli.app import app
from taskyard.worker.cli.simulate import PolicyName
from tests.unit.simulation_support import cluster_log

HEADER = "arrival_s,type,creator,program,images,duration_s\n"
AGENTS = equal_agents(2)


def read(path: Path, text: str, *predict_by: str, is_gzip: bool = False) -> Any:
    path.write_bytes(gzip.compress(text.encode()) if is_gzip else text.encode())
    return read_trace(path, AGENTS, predict_by)


@pytest.mark.parametrize("is_gzip", [False, True])
def test_a_trace_is_read(tmp_path: Path, is_gzip: bool) -> None:
    text = HEADER + "5,a.b,ada,p1,8,2.5\n1,a.c,bob,p2,3,1\n\n7,a.b,ada,p1,9,1e3\n"
    found = read(tmp_path / "trace", "\ufeff" + text, is_gzip=is_gzip)
    assert found.ready == found.enters == [0.0, 4.0, 6.0]  # from the first arrival on
    assert found.run_seconds == [1.0, 2.5, 1000.0]
    assert [found.lane_names[lane] for lane in found.lanes] == [Lane("default", n) for n in ("a.c", "a.b", "a.b")]
    assert found.key_names[found.keys[1]] == keys_of("a.b", "ada", "2^3") == found.key_names[found.keys[2]]
    assert found.priorities == [1, 1, 1]


def test_columns_may_name_queue_priority_and_size(tmp_path: Path) -> None:
    text = "queue,priority,program,arrival_s,type,creator,duration_s\n"
    text += "fast,urgent,p7,0,a,x,1\n,0,p7,1,a,x,1\n,,p8,2,a,x,1\n"
    found = read(tmp_path / "trace", text, "program")
    assert [found.lane_names[lane].queue for lane in found.lanes] == ["fast", "default", "default"]
    assert found.priorities == [3, 0, 1]
    assert [found.key_names[key] for key in found.keys] == [keys_of("a", "x", p) for p in ("p7", "p7", "p8")]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "trace: '' is not accepted, expected a first line with the columns arrival_s, type, creator, duration_s"),
        ("arrival_s,type\n", "columns arrival_s, type, creator, duration_s"),
        (HEADER, "is not accepted, expected a file with at least one task"),
        (HEADER + "1,a,b\n", "line 2: '1,a,b' is not accepted, expected 6 cells"),
        (HEADER + "1,a,b,p,1,5\nx,a,b,p,1,5\n", "line 3: arrival_s: 'x' is not accepted, expected seconds from any"),
        (
            HEADER + "inf,a,b,p,1,5\n",
            "line 2: arrival_s: 'inf' is not accepted, expected seconds from any moment, a",
        ),
        (HEADER + "1_0,a,b,p,1,5\n", "line 2: arrival_s: '1_0' is not accepted, expected seconds from any moment"),
        (HEADER + "1,a,b,p,1,1_0\n", "line 2: duration_s: '1_0' is not accepted, expected seconds from 0"),
        (HEADER + "1,a,b,p,1,１\n", "line 2: duration_s: '１' is not accepted, expected seconds from 0"),
        (
            HEADER + "1764379001,a,b,p,1,5\n\n0,a,b,p,1,5\n5,a,b,p,1,5\n",
            "line 2: arrival_s: '1764379001' is not accepted, expected at most 1,000,000,000 seconds after the first"
            " arrival, which is '0' in line 4",
        ),
        (
            HEADER + "1e308,a,b,p,1,5\n-1e308,a,b,p,1,5\n",
            "line 2: arrival_s: '1e308' is not accepted, expected at",
        ),
        ("images," + HEADER, "line 1: 'images' is not accepted, expected each column only once"),
        ("arrival_s,type,creator,duration_s, type\n", "line 1: 'type' is not accepted, expected each column only once"),
        (HEADER + "1,a,b,p,1,5\n2,a,b,p,nan,5\n", "line 3: images: 'nan' is not accepted, expected a finite number"),
        (HEADER + "1,a,b,p,-1e400,5\n", "line 2: images: '-1e400' is not accepted, expected a finite number"),
        (HEADER + "1,a,b,p,1,-5\n", "line 2: duration_s: '-5' is not accepted"),
        (HEADER + "1,a,b,p,1,nan\n", "line 2: duration_s: 'nan' is not accepted"),
        (HEADER + "1,a,b,p,1,1e300\n", "line 2: duration_s: '1e300' is not accepted"),
        ("priority," + HEADER + "soon,1,a,b,p,1,1\n", "line 2: priority: 'soon' is not accepted, expected one of low"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(SubmissionError) as error:
        read(tmp_path / "trace", text)
    assert problem in str(error.value)


def test_files_that_are_no_traces_are_refused(tmp_path: Path) -> None:
    for content in (b"\xff\xfe\x00broken", gzip.compress(HEADER.encode())[:-9], b"\x1f\x8bnot gzip"):
        (tmp_path / "trace").write_bytes(content)
        with pytest.raises(SubmissionError, match="CSV in UTF-8, plain or by gzip"):
            read_trace(tmp_path / "trace", AGENTS)
    with pytest.raises(SubmissionError, match="No such file"):
        read_trace(tmp_path / "none", AGENTS)
    known = "expected one of type, creator, program, images$"
    for name in ("pages", "arrival_s", "duration_s", ""):
        with pytest.raises(SubmissionError, match=f"predict_by: '{name}' is not accepted, {known}"):
            read(tmp_path / "trace", HEADER, name)


@pytest.mark.parametrize("first", [1_764_379_001.25, -3.5, -1e300, 0.0])
def test_arrivals_count_from_the_first_one(tmp_path: Path, first: float) -> None:
    later = [first, first + 4.5, first + 60.0]
    text = HEADER + "".join(f"{at!r},a,b,p,1,5\n" for at in reversed(later))
    assert read(tmp_path / "trace", text).ready == [at - first for at in later]


def test_only_columns_of_numbers_alone_are_sizes_unless_they_are_named(tmp_path: Path) -> None:
    """What is text stays text, also where it looks like a number that is none; columns without a name are no sizes."""
    text = ",arrival_s,type,creator,mixed,odd,images,duration_s,\n"
    text += "1,0,a,x,nan,1_0,8,1,\n2,1,a,x,many,1_0,8,1,\n3,2,a,x,7,16,9,1,\n"
    found = read(tmp_path / "trace", text)
    assert [found.key_names[key] for key in found.keys] == 3 * [keys_of("a", "x", "2^3")]
    found = read(tmp_path / "trace", text, "mixed", "odd", "mixed")
    sizes = ("nan,1_0", "many,1_0", "2^3,2^4")
    assert [found.key_names[key] for key in found.keys] == [keys_of("a", "x", size) for size in sizes]
    with pytest.raises(SubmissionError, match="line 2: images: 'Infinity' is not accepted, expected a finite number"):
        read(tmp_path / "trace", HEADER + "1,a,b,p,Infinity,5\n", "images")
    assert len(read(tmp_path / "trace", HEADER + "1,a,b,p,Infinity,5\n", "program")) == 1


@settings(max_examples=200)
@given(st.binary(max_size=200), st.booleans())
def test_any_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, has_header: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "any-trace"
    path.write_bytes(HEADER.encode() * has_header + content)
    try:
        found = len(read_trace(path, AGENTS))
    except SubmissionError as error:
        found = len(str(error).splitlines())
    assert found >= 1


# the command


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made trace of a cluster in a file."""
    workload = cluster_log(0.9, count=4_000, seed=4)
    path = tmp_path_factory.mktemp("trace") / "cluster.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["arrival_s", "type", "creator", "processors", "duration_s"])
        for at, seconds, key in zip(workload.ready, workload.run_seconds, workload.keys, strict=True):
            type_, creator, size = workload.key_names[key][3].split("\n")
            writer.writerow([at, type_, creator, 2 ** int(size.removeprefix("2^")), seconds])
    return path


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["simulate", *arguments], prog_name="taskyard")


def test_the_command_compares_a_policy_with_first_come_first_served(trace: Path) -> None:
    done = invoke(str(trace), "--agents", "10", "--load", "0.85", "--calibration", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["tasks"], found["agents"], found["slots"], found["load"]) == (4_000, 10, 1, 0.85)
    [row] = found["rows"]
    assert row["total"]["learned"]["mean"] < 0.9 * row["total"]["least_loaded"]["mean"]
    assert row["wait"]["learned"]["count"] == 4_000
    assert 0.7 < found["calibration"]["overall"]["share"] < 0.9
    assert len(found["calibration"]["parts"]) == 6


def test_the_command_prints_tables(trace: Path) -> None:
    done = invoke(str(trace), "--agents", "10", "--load", "0.85", "--calibration")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0] == "4,000 tasks, 10 agents of 1 slot, load 0.85"
    assert [line.split()[0] for line in lines[2:6]] == ["Wait", "least_loaded", "learned", "change"]
    assert lines[5].split()[1].startswith("−")
    assert any(line.startswith("part 6 of 6") for line in lines)
    same = invoke(str(trace), "--policy", "least_loaded")
    assert "change" not in same.stdout


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("none.csv",), "error: trace: 'none.csv' is not accepted, expected a file that can be read"),
        (("FILE", "--predict-by", "pages"), "error: predict_by: 'pages' is not accepted, expected one of type"),
        (("FILE", "--predict-by", "processors,duration_s"), "error: predict_by: 'duration_s' is not accepted"),
        (("FILE", "--agents", "0"), "Invalid value for '--agents'"),
        (("FILE", "--load", "nan"), "--load"),
        (("FILE", "--policy", "best"), "Invalid value for '--policy'"),
    ],
)
def test_bad_arguments_are_named(trace: Path, arguments: tuple[str, ...], problem: str) -> None:
    done = invoke(*(str(trace) if one == "FILE" else one for one in arguments))
    assert done.exit_code == exits.BAD_INPUT, done.output
    assert problem in done.stderr
    assert "Traceback" not in done.output


def test_tasks_that_all_arrive_at_once_have_no_load(tmp_path: Path) -> None:
    (tmp_path / "trace").write_text(HEADER + "1,a,b,p,1,5\n1,a,b,p,1,5\n", "utf-8")
    done = invoke(str(tmp_path / "trace"), "--load", "0.5")
    assert done.exit_code == exits.BAD_INPUT
    assert done.stderr.startswith("error: load: 0.5 is not accepted")


def test_every_policy_has_its_name() -> None:
    assert {name.value for name in PolicyName} == set(POLICIES)


def test_unix_times_make_the_same_figures_as_others(tmp_path: Path) -> None:
    figures = []
    for first in (0, 1_764_379_001, -50):
        lines = [f"{first + place},a,b,p,{place % 9},{3 + place % 5}\n" for place in range(200)]
        (tmp_path / "trace").write_text(HEADER + "".join(lines), "utf-8")
        done = invoke(str(tmp_path / "trace"), "--agents", "2", "--json")
        assert done.exit_code == 0, done.output
        figures.append(json.loads(done.stdout)["rows"])
    assert figures[0] == figures[1] == figures[2]
