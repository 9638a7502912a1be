"""What counts as a rise of a counted cost, and how the accepted figures are kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from taskyard.worker.devtools.bench.costs.accepted import changes, python_here, settle
from taskyard.worker.devtools.bench.results import Result

COSTS = {
    "claim_1_statements": (3.0, "statements"),
    "claim_1_wal_bytes": (1000.0, "bytes/task"),
    "claim_1_redis_bytes_sent": (1000.0, "bytes/task"),
    "claim_1_allocations": (1000.0, "allocations/task"),
    "submit_many_redis_bytes_received": (0.005, "bytes/task"),
}


def results(**other: float) -> list[Result]:
    """The accepted figures, but for some."""
    return [Result(name, other.get(name, value), unit) for name, (value, unit) in COSTS.items()]


def accepted(python: str | None = None) -> dict[str, object]:
    return {"python": python or python_here(), "costs": [result.as_json() for result in results()]}


@pytest.mark.parametrize(
    ("name", "within", "beyond"),
    [
        ("claim_1_statements", 3.0, 4.0),
        ("claim_1_wal_bytes", 1030.0, 1031.0),
        ("claim_1_redis_bytes_sent", 1020.0, 1021.0),
        ("claim_1_allocations", 1050.0, 1051.0),
        ("submit_many_redis_bytes_received", 1.0, 1.1),
    ],
)
def test_a_rise_is_beyond_its_tolerance(name: str, within: float, beyond: float) -> None:
    assert changes(accepted(), results(**{name: within})) == []
    assert [(change.name, change.is_rise) for change in changes(accepted(), results(**{name: beyond}))] == [
        (name, True)
    ]


def test_a_fall_is_none() -> None:
    [change] = changes(accepted(), results(claim_1_statements=2.0))
    assert not change.is_rise
    assert str(change) == "claim_1_statements: 3 before, 2 statements now (-33.3 %)"


def test_a_figure_that_is_new_or_gone_differs_from_0() -> None:
    new = Result("claim_1_postgres_round_trips", 1.0, "round trips")
    assert [str(change) for change in changes(accepted(), [*results(), new])] == [
        "claim_1_postgres_round_trips: 0 before, 1 round trips now (new)"
    ]
    gone = [result for result in results() if result.name != "claim_1_statements"]
    assert [str(change) for change in changes(accepted(), gone)] == [
        "claim_1_statements: 3 before, 0 statements now (-100.0 %)"
    ]


def test_allocations_are_compared_for_one_version_of_python_and_if_they_were_counted() -> None:
    assert changes(accepted("2.7"), results(claim_1_allocations=9000.0)) == []
    assert changes(accepted(), [result for result in results() if result.name != "claim_1_allocations"]) == []


def test_a_rise_fails_with_the_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "costs.json"
    assert settle(file, results(), is_accepted=False) == 1, "nothing was accepted yet"
    capsys.readouterr()
    assert settle(file, results(), is_accepted=True) == 0
    assert settle(file, results(), is_accepted=False) == 0
    assert capsys.readouterr().out == ""

    assert settle(file, results(claim_1_statements=4.0, claim_1_wal_bytes=900.0), is_accepted=False) == 1
    assert capsys.readouterr().out.splitlines() == [
        "rise of claim_1_statements: 3 before, 4 statements now (+33.3 %)",
        "fall of claim_1_wal_bytes: 1,000 before, 900 bytes/task now (-10.0 %)",
        "If that is meant, `taskyard bench costs --accept` writes the new figures.",
    ]
    assert settle(file, results(claim_1_wal_bytes=900.0), is_accepted=False) == 0
    assert "--accept" in capsys.readouterr().out


def test_accepted_figures_are_lines_by_name_without_those_that_are_0(tmp_path: Path) -> None:
    file = tmp_path / "costs.json"
    settle(file, results(claim_1_allocations=0.0), is_accepted=True)
    names = [one["name"] for one in json.loads(file.read_text())["costs"]]
    assert names == sorted(COSTS.keys() - {"claim_1_allocations"})
    assert sum(name in line for line in file.read_text().splitlines() for name in names) == len(names)
