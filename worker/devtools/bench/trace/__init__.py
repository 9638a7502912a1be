"""Measures where the time of one task goes: `taskyard bench trace` prints its way boundary by boundary."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from taskyard.worker.devtools.bench.environment import AGENTS, Environment
from taskyard.worker.devtools.bench.latencies import warm_up
from taskyard.worker.devtools.bench.results import Result
from taskyard.worker.devtools.bench.trace import points
from taskyard.worker.devtools.bench.trace.recorder import FOLDER, Recorder
from taskyard.worker.devtools.bench.trace.types import TRACED
from taskyard.worker.devtools.bench.trace.way import CALLED, TO_RESULT, TO_START, Way, times_of, way_of

MODULE = "taskyard.worker.devtools.bench.trace.types"
RATES = (100, 1_000)
SECONDS = 8.0
ROUNDTRIPS = 500


def measure_trace(environment: Environment) -> list[Result]:
    """Prints the way of a task at two rates from one submitting thread, and of one that is waited for."""
    results = []
    for rate in RATES:
        way = _traced(environment, partial(_steady, environment, rate), TO_START)
        results += _shown(way, f"at {rate:,}/s", f"trace_{rate}")
    way = _traced(environment, partial(_round_trips, environment), TO_START | TO_RESULT)
    return results + _shown(way, "one at a time, waited for", "trace_roundtrip")


def _steady(environment: Environment, rate: int, recorder: Recorder) -> None:
    start = time.monotonic() + 0.1
    for number in range(int(rate * SECONDS)):
        wait = start + number / rate - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        called = time.monotonic()
        recorder.mark(CALLED, [environment.submitter.submit(TRACED)], called)
    environment.wait(lambda: not environment.open_tasks(), "the end of the tasks")


def _round_trips(environment: Environment, recorder: Recorder) -> None:
    for _ in range(ROUNDTRIPS):
        called = time.monotonic()
        task_id = environment.submitter.submit(TRACED)
        environment.submitter.result(task_id, timeout_seconds=10)
        recorder.mark("returned", [task_id])
        recorder.mark(CALLED, [task_id], called)


def _traced(environment: Environment, submit: Callable[[Recorder], None], boundaries: Mapping[str, str]) -> Way:
    """Runs a worker and agents with boundaries in them, submits, and returns the way of what was submitted."""
    folder = environment.folder / f"trace-{time.monotonic_ns()}"
    folder.mkdir()
    recorder = Recorder("submitter")
    recorder.watch_collections()
    told = {FOLDER: str(folder)}
    with environment.worker(MODULE, **told), environment.agents(AGENTS, MODULE, **told):
        warm_up(environment)
        take_away = points.of_submitter(recorder)
        try:
            submit(recorder)
        finally:
            take_away()
    marks, spans = list(recorder.marks), list(recorder.spans)
    for file in Path(folder).glob("*.json"):
        found = json.loads(file.read_text(encoding="utf-8"))
        marks += [tuple(mark) for mark in found["marks"]]
        spans += [tuple(span) for span in found["spans"]]
    return way_of(times_of(marks), boundaries, spans)


def _shown(way: Way, title: str, name: str) -> list[Result]:
    """Prints the way, and what the slowest tasks met; returns its whole."""
    console = Console()
    console.print(_parts_table(way, title))
    console.print(_met_table(way))
    return [
        Result(f"{name}_p50", way.p50, "µs", f"one task's whole way {title}"),
        Result(f"{name}_p99", way.p99, "µs", f"one task's whole way {title}"),
    ]


def _parts_table(way: Way, title: str) -> Table:
    table = Table(title=f"One task's way {title}: {way.tasks:,} tasks, µs", title_justify="left")
    table.add_column("part")
    for column in ("p50", "p99", f"made {way.slow_tasks} slowest slow"):
        table.add_column(column, justify="right")
    for part in way.parts:
        table.add_row(part.name, f"{part.p50:,.0f}", f"{part.p99:,.0f}", str(part.slowest or "–"))
    table.add_row("all of it", f"{way.p50:,.0f}", f"{way.p99:,.0f}", str(way.slow_tasks))
    return table


def _met_table(way: Way) -> Table:
    table = Table(title=f"What went on while the {way.slow_tasks} slowest were late", title_justify="left")
    for column in ("what", "slowest tasks", "share of all tasks"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for met in way.met:
        table.add_row(met.what, str(met.slowest), f"{100 * met.share_of_all:.0f} %")
    return table
