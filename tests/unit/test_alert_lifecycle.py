"""When a condition fires and resolves, whatever its values do."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.alerts.reading import Reading
from taskyard.core.alerts.rules import Rule
from taskyard.worker.alerts.lifecycle import Change, Lifecycle

RULE = Rule(name="r", kind="disk", threshold=10.0, clear=5.0, for_seconds=20.0)
KEY = ("r", "s")


def step(lifecycle: Lifecycle, now: float, value: float | None, rule: Rule = RULE) -> list[Change]:
    readings = {} if value is None else {"s": Reading(value, f"{value}")}
    return [change for change, _, _ in lifecycle.step(rule, readings, now)]


def test_fires_after_its_time_and_resolves_below_clear() -> None:
    lifecycle = Lifecycle()
    told = [(now, step(lifecycle, now, value)) for now, value in
            [(0, 9), (10, 12), (20, 11), (29, 15), (30, 15), (40, 7), (50, 5), (60, 4.9), (70, 8)]]  # fmt: skip
    assert [(now, changes) for now, changes in told if changes] == [
        (30, [Change.FIRED]),
        (40, [Change.UPDATED]),
        (50, [Change.UPDATED]),
        (60, [Change.RESOLVED]),
    ]


def test_a_dip_while_pending_begins_anew() -> None:
    lifecycle = Lifecycle()
    assert [step(lifecycle, now, value) for now, value in [(0, 12), (15, 9), (20, 12), (39, 12)]] == [[]] * 4
    assert step(lifecycle, 40, 12) == [Change.FIRED]


def test_not_knowing_changes_nothing_and_vanishing_resolves() -> None:
    lifecycle = Lifecycle()
    step(lifecycle, 0, 12)
    step(lifecycle, 20, 12)
    assert lifecycle.step(RULE, None, 1000) == []
    assert step(lifecycle, 1010, None) == [Change.RESOLVED]
    assert lifecycle.conditions == {}


def test_rules_that_are_gone() -> None:
    lifecycle = Lifecycle()
    for now in (0, 20):
        step(lifecycle, now, 12)
    lifecycle.step(RULE, {"s": Reading(12, ""), "t": Reading(12, "")}, 30)
    assert lifecycle.forget(lambda key: False) == [KEY]
    assert lifecycle.conditions == {}


values = st.lists(st.tuples(st.floats(0.1, 30), st.none() | st.floats(0, 20)), max_size=60)


@given(values)
def test_fires_and_resolves_in_turns(steps: list[tuple[float, float | None]]) -> None:
    """Never twice the same, never before the value was high for the whole time, never resolved while it is high."""
    lifecycle, now, high_since, is_firing = Lifecycle(), 0.0, None, False
    for seconds, value in steps:
        now += seconds
        is_high = value is not None and value >= RULE.threshold
        high_since = (high_since if high_since is not None else now) if is_high else None
        for change in step(lifecycle, now, value):
            if change is Change.FIRED:
                assert not is_firing
                assert high_since is not None
                assert now - high_since >= RULE.for_seconds
                is_firing = True
            elif change is Change.RESOLVED:
                assert is_firing
                assert value is None or value < RULE.clear
                is_firing = False
        if value is None or value < RULE.clear:
            assert not is_firing
