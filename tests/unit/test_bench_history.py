"""The history of the bench: ratios of main figures to their limits, and their table."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from taskyard.core.config import load_settings
from taskyard.core.errors import ConfigurationError
from taskyard.worker.devtools.bench import checkout, ratios, run_bench
from taskyard.worker.devtools.bench.results import Result

RESULTS = [
    Result("drain", 15_000.0, "tasks/s"),
    Result("limit_drain", 20_000.0, "tasks/s"),
    Result("roundtrip_p50", 4.0, "ms"),
    Result("limit_roundtrip_p50", 0.5, "ms"),
    Result("submit_1", 1_000.0, "tasks/s"),
]


def test_figures_are_divided_by_their_limits_of_the_same_run() -> None:
    assert ratios.ratios_of(RESULTS) == {"drain": 0.75, "roundtrip_p50": 8.0}


def test_each_run_is_a_line(tmp_path: Path) -> None:
    file = tmp_path / ratios.FILE
    assert ratios.append(file, RESULTS, date(2026, 11, 28))
    assert ratios.append(file, RESULTS[:2], date(2026, 11, 29))
    assert not ratios.append(file, RESULTS[4:], date(2026, 11, 30)), "nothing of it has a limit"
    first, second = map(json.loads, file.read_text().splitlines())
    assert (first["date"], first["ratios"]) == ("2026-11-28", {"drain": 0.75, "roundtrip_p50": 8.0})
    assert len(first["commit"].removesuffix("+")) == 8
    assert first["cores"] >= 1
    assert ratios.runs_in(file) == [first, second]


def test_the_table_has_the_newest_first() -> None:
    runs = [
        {"date": f"2026-11-{day}", "commit": "0123abcd+", "python": "3.11.7", "cores": 2, "ratios": {"drain": 0.755}}
        for day in range(1, 29)
    ]
    header, _, newest, *others = ratios.table_of(runs)
    assert "| `drain` |" in header
    assert newest.startswith("| 2026-11-28 | `0123abcd+` | 3.11.7 | 2 | – | – | – | 0.76 | – |")
    assert len(others) == ratios.SHOWN - 1


@pytest.mark.parametrize("option", ["--history", "--accept"])
def test_an_installed_package_keeps_nothing(option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkout, "FILES", tmp_path)
    settings = load_settings(data_dir=tmp_path)
    is_accepted, keeps_history = option == "--accept", option == "--history"
    with pytest.raises(ConfigurationError, match=f"{option}: works in a git checkout"):
        run_bench(settings, ("costs",), None, is_accepted=is_accepted, keeps_history=keeps_history)


def test_only_counted_costs_are_accepted(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="costs is not among"):
        run_bench(load_settings(data_dir=tmp_path), ("drain",), None, is_accepted=True)
