"""Cycles, orders and layers of graphs of tasks, and how they are drawn."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.edges import Condition
from taskyard.core.workflows.drawing import DrawnTask, drawn
from taskyard.core.workflows.graph import cycle_text, cycles_in, layers, ordered

KEYS = st.integers(0, 11)
GRAPHS = st.dictionaries(KEYS, st.lists(KEYS, max_size=4), max_size=12).map(
    lambda found: {str(key): [str(one) for one in before if one in found] for key, before in found.items()}
)


def reaches(parents: dict[str, list[str]], key: str) -> set[str]:
    """The oracle: all that a task waits for, step by step."""
    seen: set[str] = set()
    left = list(parents[key])
    while left:
        one = left.pop()
        if one not in seen:
            seen.add(one)
            left += parents[one]
    return seen


@given(GRAPHS)
def test_a_cycle_is_found_exactly_if_there_is_one(parents: dict[str, list[str]]) -> None:
    cycles = list(cycles_in(parents))
    assert (not cycles) == all(key not in reaches(parents, key) for key in parents)
    assert len({key for cycle in cycles for key in cycle}) == sum(len(cycle) - 1 for cycle in cycles)
    rest = set(parents).difference(*cycles)
    assert not list(cycles_in({key: [one for one in parents[key] if one in rest] for key in rest}))
    for cycle in cycles:
        assert cycle[0] == cycle[-1]
        assert len(set(cycle)) == len(cycle) - 1
        assert all(later in parents[earlier] for earlier, later in pairwise(cycle))


@given(GRAPHS)
def test_tasks_come_after_their_parents(parents: dict[str, list[str]]) -> None:
    order = ordered(parents)
    place = {key: at for at, key in enumerate(order)}
    assert all(place[one] < place[key] for key in order for one in parents[key])
    in_cycles = {key for key in parents if any(one in reaches(parents, one) for one in {key, *reaches(parents, key)})}
    assert set(order) == set(parents) - in_cycles
    found = layers(parents)
    depth = {key: at for at, keys in enumerate(found) for key in keys}
    assert set(depth) == set(order)
    for key in depth:
        assert depth[key] == max((depth[one] + 1 for one in parents[key]), default=0)


def test_long_cycles_are_shortened() -> None:
    keys = [str(n) for n in range(30)]
    assert cycle_text(["a", "b", "a"]) == "a → b → a"
    assert cycle_text([*keys, "0"]) == "0 → 1 → 2 → 3 → 4 → 5 → 6 → 7 → … → 0"


@given(GRAPHS, st.integers(30, 100))
def test_no_line_is_wider_than_it_may_be(parents: dict[str, list[str]], width: int) -> None:
    if not list(cycles_in(parents)):
        tasks = [DrawnTask(key, "a.type" * 5, dict.fromkeys(before, Condition.COMPLETED), "pending")
                 for key, before in parents.items()]  # fmt: skip
        lines = drawn(tasks, width)
        assert len(lines) == len(tasks)
        assert all(len(line) <= width for line in lines)


@pytest.mark.parametrize("count", [1, 2, 5_000])
def test_a_group_is_one_line(count: int) -> None:
    done = Condition.COMPLETED
    tasks = [DrawnTask("extract", "acme.extract", {}, "completed")]
    tasks += [DrawnTask(f"pages/{at}", "acme.page", {"extract": done}, "failed" if at else "completed")
              for at in range(count)]  # fmt: skip
    tasks += [DrawnTask("alarm", "acme.alarm", dict.fromkeys((t.key for t in tasks[1:]), Condition.FAILED), "blocked")]
    _, pages, alarm = drawn(tasks)
    if count == 1:
        assert pages.split() == ["2", "┬", "pages/0", "acme.page", "completed", "←", "extract"]
    else:
        assert f"pages ×{count:,}" in pages
        assert f"{count - 1:,} failed" in pages
        assert "1 completed" in pages
    assert alarm.endswith("blocked  ← pages (failed)")
