"""How a replay is shown: its lines, changes, and what is not to be trusted."""

from __future__ import annotations

from dataclasses import replace

from taskyard.core.simulation.figures import Figures, Row
from taskyard.core.simulation.replay import RECORDED, REPLAYED, Replay
from taskyard.dashboard.pages.learning.replay_result import DOUBTFUL, FIGURES, shown_of


def figures(mean: float) -> Figures:
    return Figures(500, mean, mean / 2, 3 * mean, 5 * mean, 8 * mean)


def row(queue: str | None = None, priority: int | None = None, replayed: float = 60.0) -> Row:
    waits = {RECORDED: figures(60.0), REPLAYED: figures(replayed), "learned": figures(45.0)}
    return Row(queue, priority, waits, waits)


REPLAY = Replay([row()], 500, 0, 3, REPLAYED, "learned")


def test_each_row_has_a_line_for_the_record_what_acts_and_the_other_policy() -> None:
    lines = shown_of(REPLAY, [row(), row("nightly", 2)])
    assert [line.policy for line in lines] == 2 * ["recorded", "what acts, replayed", "learned, replayed"]
    assert [(line.queue, line.priority) for line in lines] == 3 * [("", "")] + 3 * [("nightly", "high")]
    assert {line.tasks for line in lines} == {500}
    assert lines[2].seconds == {"mean": 45.0, "p50": 22.5, "p95": 135.0, "p99": 225.0, "longest": 360.0}
    assert set(FIGURES) == set(lines[0].words)


def test_changes_are_those_from_what_acts() -> None:
    recorded, acting, other = shown_of(REPLAY, [row(replayed=50.0)])
    assert other.words["mean"] == f"{DOUBTFUL} 45 s (−10%)"
    assert "(" not in recorded.words["mean"] + acting.words["mean"]
    nothing = row()
    zero = figures(0.0)
    nothing.waits.update({REPLAYED: zero, "learned": zero})
    assert "(" not in shown_of(REPLAY, [nothing])[2].words["p99"]


def test_what_is_off_the_record_is_marked_where_it_is_replayed() -> None:
    recorded, acting, other = shown_of(REPLAY, [row(replayed=600.0)])
    assert DOUBTFUL not in "".join(recorded.words.values())
    assert all(text.startswith(DOUBTFUL) for text in (*acting.words.values(), *other.words.values()))
    alike = shown_of(REPLAY, [row(replayed=60.5)])
    assert DOUBTFUL not in "".join(text for line in alike for text in line.words.values())


def test_a_policy_that_acts_has_no_line_of_its_own() -> None:
    only = row()
    del only.waits["learned"]
    lines = shown_of(replace(REPLAY, compared=REPLAYED), [only])
    assert [line.policy for line in lines] == ["recorded", "what acts, replayed"]
    assert "(" not in lines[1].words["mean"]
