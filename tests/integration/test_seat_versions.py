"""Nodes that have another version of a type than their agent, or lack it: they run what they have as it has it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from taskyard.worker.engines.known import make_engine
from tests.integration.seat_bench import SeatBench
from tests.servers import wait_until
from tests.site_hosts import Hosts

MODULE = """
from pydantic import BaseModel
from taskyard import TaskContext, task_type

class Sale(BaseModel):
    number: int
    {field}

class Note(BaseModel):
    number: int

@task_type("shop.note")
def note(given: Note, context: TaskContext) -> Note:
    return given
"""
SALE = """
@task_type("shop.sell")
def sell(given: Sale, context: TaskContext) -> Note:
    return Note(number=given.number)
"""


@pytest.fixture
def versions() -> dict[str, str]:
    return {}


@pytest.fixture
def bench(hosts: Hosts, versions: dict[str, str]) -> Iterator[SeatBench]:
    """An agent of the module `shop`, whose types' versions are those of `versions`."""
    made = SeatBench(("shop",), hosts.settings, make_engine, versions=versions)
    yield made
    made.runners.close(kill=True)


def folder(tmp_path: Path, name: str, text: str) -> Path:
    made = tmp_path / name
    made.mkdir()
    (made / "shop.py").write_text(text, "utf-8")
    return made


def start_two(hosts: Hosts, bench: SeatBench, versions: dict[str, str], tmp_path: Path, other: str) -> tuple[str, str]:
    """Has a host with the agent's types come, and one with others; returns the ids of their seats."""
    hosts.start(modules_in=folder(tmp_path, "ours", MODULE.format(field="") + SALE))
    [first] = wait_until(lambda: bench.runners.links)
    versions.update(first.types)
    hosts.start(modules_in=folder(tmp_path, "theirs", other))
    wait_until(lambda: len(bench.runners.links) == 2)
    [second] = [link for link in bench.runners.links if link.id != first.id]
    return first.id, second.id


@pytest.mark.parametrize(
    ("other", "lack"),
    [
        (MODULE.format(field="shop: str") + SALE, "has version"),
        (MODULE.format(field=""), "does not know type shop.sell"),
    ],
    ids=["another version", "lacking"],
)
def test_a_type_runs_only_where_it_is_as_its_agent_has_it(
    hosts: Hosts, bench: SeatBench, versions: dict[str, str], tmp_path: Path, other: str, lack: str
) -> None:
    ours, theirs = start_two(hosts, bench, versions, tmp_path, other)
    for _ in range(3):
        assert bench.value("shop.sell", {"number": 1}) == {"number": 1}
        bench.runners.release(0)
    assert bench.value("shop.sell", {"number": 2}, slot=0) == {"number": 2}  # the slot keeps the good seat …
    assert bench.value("shop.note", {"number": 3}, slot=1) == {"number": 3}  # … and this one runs in the other
    assert {link.id: link.runs for link in bench.runners.links} == {ours: 4, theirs: 1}
    assert f"seat {theirs} on " in (problem := str(bench.runners.report().problem))
    assert lack in problem


def test_what_waits_is_told_why_and_runs_once_a_fit_seat_comes(
    hosts: Hosts, bench: SeatBench, versions: dict[str, str], tmp_path: Path
) -> None:
    _ours, theirs = start_two(hosts, bench, versions, tmp_path, MODULE.format(field="shop: str") + SALE)
    hosts.started[0].kill()
    wait_until(lambda: [link.id for link in bench.runners.links] == [theirs])
    started = bench.begin("shop.sell", {"number": 1})
    wait_until(lambda: bench.runners.report().waiting == 1)
    expected = f"its agent {versions['shop.sell']}"
    wait_until(lambda: str(bench.runners.report().problem).endswith(expected))
    hosts.start(modules_in=tmp_path / "ours")
    done = started.end(60)
    assert done is not None
    assert done.failure is None
