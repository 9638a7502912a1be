"""Computes a task's way from marked boundaries."""

from __future__ import annotations

import pytest

from taskyard.worker.devtools.bench.trace.recorder import Recorder, around
from taskyard.worker.devtools.bench.trace.way import CALLED, times_of, way_of

BOUNDARIES = {"stored": "store", "started": "start"}


def marks(task_id: str, called: float, stored: float, started: float) -> list[tuple[str, str, float]]:
    return [(CALLED, task_id, called), ("stored", task_id, stored), ("started", task_id, started)]


def test_parts_and_the_whole_are_in_microseconds() -> None:
    way = way_of(times_of([*marks("a", 1.0, 1.001, 1.003), *marks("b", 2.0, 2.001, 2.003)]), BOUNDARIES, [])
    assert (way.tasks, way.slow_tasks) == (2, 1)
    assert [(part.name, round(part.p50)) for part in way.parts] == [("store", 1000), ("start", 2000)]
    assert round(way.p50) == 3000


def test_a_boundary_passed_before_the_one_ahead_counts_as_passed_with_it() -> None:
    way = way_of(times_of(marks("a", 1.0, 1.002, 1.001)), BOUNDARIES, [])
    assert [round(part.p50) for part in way.parts] == [2000, 0]


def test_tasks_without_all_boundaries_do_not_count() -> None:
    found = times_of([*marks("a", 1.0, 1.001, 1.002), (CALLED, "b", 2.0)])
    assert way_of(found, BOUNDARIES, []).tasks == 1
    with pytest.raises(AssertionError, match="no task"):
        way_of(times_of([(CALLED, "b", 2.0)]), BOUNDARIES, [])


def test_the_first_of_several_times_counts() -> None:
    assert times_of([("stored", "a", 1.0), ("stored", "a", 2.0)]) == {"a": {"stored": 1.0}}


def test_the_slowest_are_blamed_on_the_part_that_made_them_slow_and_what_went_on_then() -> None:
    usual = [mark for n in range(99) for mark in marks(str(n), n, n + 0.001, n + 0.002)]
    late = marks("late", 500.0, 500.001, 500.101)
    spans = [("collection", 500.05, 500.06), ("elsewhere", 500.0, 500.0005), ("early", 3.0, 3.1)]
    way = way_of(times_of([*usual, *late]), BOUNDARIES, spans)
    assert [part.slowest for part in way.parts] == [0, 1]
    assert [(met.what, met.slowest, round(met.share_of_all, 2)) for met in way.met] == [("collection", 1, 0.01)]


def test_boundaries_are_put_around_a_function_and_taken_away() -> None:
    class Owner:
        def double(self, value: int) -> int:
            return 2 * value

    recorder = Recorder("test")
    original = Owner.double
    take_away = around(
        Owner,
        "double",
        lambda self, value: f"begin-{value}",
        lambda found, answer, self, value: recorder.mark("done", [found, str(answer)]),
    )
    assert Owner().double(4) == 8
    assert [(boundary, task_id) for boundary, task_id, _ in recorder.marks] == [("done", "begin-4"), ("done", "8")]
    take_away()
    assert Owner.double is original
