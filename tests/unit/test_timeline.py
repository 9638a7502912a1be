"""What agents ran when, put onto rows."""

from __future__ import annotations

from dataclasses import replace as replace_dataclass
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from taskyard.core.telemetry.live_snapshot import AgentLive, RunningTask
from taskyard.core.telemetry.timeline import RUNNING, AttemptEnd, Span, shared_names, spans

NOW = 1_000.0
times = st.integers(0, 1_000).map(float)


def agent(name: str, *tasks: RunningTask) -> AgentLive:
    return AgentLive(
        f"{name}:boot",
        name,
        "k",
        "here",
        1,
        [],
        [],
        3,
        "online",
        len(tasks),
        0,
        None,
        0.0,
        0,
        NOW,
        NOW,
        list(tasks),
        [],
    )


@st.composite
def ends(draw: st.DrawFn) -> list[AttemptEnd]:
    keys = draw(st.lists(st.tuples(st.sampled_from("tuv"), st.integers(1, 30)), unique=True, max_size=40))
    return [
        AttemptEnd(draw(st.sampled_from("ab")), task, attempt, "x.y", *sorted((draw(times), draw(times))), "completed")
        for task, attempt in keys
    ]


running = st.lists(
    st.builds(RunningTask, st.sampled_from("tuvwxyz"), st.integers(1, 30), st.just("x.y"), times),
    unique_by=lambda task: (task.task_id, task.attempt),
    max_size=10,
)


@given(ends(), running)
def test_no_two_spans_of_a_row_overlap(ended: list[AttemptEnd], tasks: list[RunningTask]) -> None:
    found = spans(ended, [agent("a", *tasks)], NOW)
    by_row: dict[tuple[str, int], list[Span]] = {}
    for span in found:
        by_row.setdefault((span.agent, span.row), []).append(span)
    for row in by_row.values():
        assert all(earlier.end <= later.start for earlier, later in pairwise(row))


@given(ends(), running)
def test_every_attempt_is_there_once_and_an_end_counts_more(ended: list[AttemptEnd], tasks: list[RunningTask]) -> None:
    found = {(span.task_id, span.attempt): span for span in spans(ended, [agent("a", *tasks)], NOW)}
    expected = {(end.task_id, end.attempt): (end.agent, end.outcome, end.start, end.end) for end in ended}
    for task in tasks:
        expected.setdefault((task.task_id, task.attempt), ("a", RUNNING, task.started_at, NOW))
    assert {key: (span.agent, span.outcome, span.start, span.end) for key, span in found.items()} == expected


@given(ends())
def test_no_more_rows_than_run_at_once(ended: list[AttemptEnd]) -> None:
    for name in "ab":
        own = [end for end in ended if end.agent == name]
        at_once = max((sum(o.start <= end.start < o.end or o is end for o in own) for end in own), default=0)
        rows = {span.row for span in spans(own, [], NOW)}
        assert rows == set(range(len(rows)))
        assert len(rows) <= at_once


def test_rows_of_two_boots_and_a_clock_that_is_ahead() -> None:
    task, ahead = RunningTask("t", 1, "x.y", 900.0), RunningTask("u", 2, "x.y", NOW + 5)
    found = spans([], [agent("a", task), agent("a", ahead)], NOW)
    assert [(span.row, span.start, span.end) for span in found] == [(0, 900.0, NOW), (0, NOW + 5, NOW + 5)]


def test_a_name_of_two_hosts_has_rows_for_each_and_others_name_no_host() -> None:
    there = replace(agent("a", RunningTask("t", 1, "x.y", 900.0)), id="a:b2", host="there")
    others = [AttemptEnd(name, "u", 1, "x.y", 910.0, 920.0, "completed", "here") for name in "ab"]
    agents = [agent("a"), there, agent("b"), replace(agent("b"), id="b:b2")]

    found = spans([others[0], replace_dataclass(others[1], task_id="v")], agents, NOW)

    assert shared_names(agents) == {"a": ["here", "there"]}
    assert [(span.agent, span.host, span.row) for span in found] == [("a", "here", 0), ("a", "there", 0), ("b", "", 0)]
