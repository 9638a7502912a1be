"""The benchmark of engines, without any: its table, its task type, and whom a death of each kind meets."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import psutil
import pytest
from rich.console import Console

from taskyard.worker.attempts.context import TaskContext
from taskyard.worker.devtools.bench import engine_deaths, engines
from taskyard.worker.devtools.clusters.tasks import Hold, attempts_in, hold
from taskyard.worker.engines.seat_main import SEAT_MODULE
from tests.servers import wait_until

# Each process starts the one of the next word, and the last one sleeps.
CHAIN = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", sys.argv[1], *sys.argv[1:2], *sys.argv[3:]]) if len(sys.argv) > 3 else None
time.sleep(600)
"""


@pytest.fixture
def chain() -> Iterator[list[psutil.Process]]:
    """A process of an engine, a keeper, its seat, what starts handlers, and a handler."""
    words = ["engine", SEAT_MODULE, SEAT_MODULE, "forks", "handler"]
    first = subprocess.Popen([sys.executable, "-c", CHAIN, CHAIN, *words])
    root = psutil.Process(first.pid)
    started = [root]
    try:
        wait_until(lambda: len(root.children(recursive=True)) == len(words) - 1)
        started = [root, *root.children(recursive=True)]
        yield list(started)
    finally:
        for process in started:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        first.wait()


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(
    ("kind", "place"), [(engine_deaths.HANDLER, 4), (engine_deaths.SEAT, 2), (engine_deaths.PROCESS, 0)]
)
def test_a_death_meets_whom_it_should(chain: list[psutil.Process], kind: str, place: int) -> None:
    engine_deaths._kill(Mock(), chain[4].pid, kind)
    wait_until(lambda: is_gone(chain[place]))
    assert [is_gone(process) for process in chain].count(True) == 1


def test_an_attempt_says_that_it_runs_and_ends_when_it_is_let_go(tmp_path: Path) -> None:
    ledger, until_file = tmp_path / "ledger", tmp_path / "end"
    assert attempts_in(ledger) == []
    until_file.touch()
    context = Mock(spec=TaskContext, attempt=2)
    assert hold(Hold(ledger=str(ledger), until_file=str(until_file)), context).attempt == 2
    [(attempt, _, at)] = attempts_in(ledger)
    assert (attempt, at > 0) == (2, True)
    engine_deaths._check(ledger)
    hold(Hold(ledger=str(ledger), until_file=str(until_file)), context)
    with pytest.raises(AssertionError, match=r"attempts that ran: \[2, 2\]"):
        engine_deaths._check(ledger)


def test_the_table_has_a_line_for_each_engine_and_says_what_was_not_measured() -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(engines._table({"none": {"cold": 0.1, "p50": 4.0, "p99": 30.0}, "ray": {"node": 3.0}}))
    text = console.export_text()
    assert "4/30" in text
    assert "3.00" in text
    assert "–" in text
