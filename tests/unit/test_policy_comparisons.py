"""What the page Learning says of hourly comparisons."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.learning.comparison import Waits
from taskyard.core.views.policy_comparisons import Compared, change, compared
from taskyard.dashboard.pages.learning.comparisons import (
    caption_of,
    comparisons_spec,
    lines_of,
    note_of,
    signed_percent,
)
from tests import made_comparisons

seconds = st.one_of(st.just(0.0), st.floats(1e-6, 1e6))  # figures have microseconds


def p99(waits: Waits) -> float:
    return waits.p99


def one(**changes: Any) -> Compared:
    return compared(made_comparisons.compared("q", **changes))


def test_figures_are_those_of_the_record_the_acting_policy_and_the_other_one() -> None:
    found = one(mean=60.0)
    assert (found.recorded, found.replayed, found.other) == (Waits(60, 300), Waits(60, 300), Waits(30, 150))
    without = one(tasks=0, figures={})
    assert (without.recorded, without.replayed, without.other) == (None, None, None)
    assert one(policy="newer").other is None


@given(base=seconds, other=seconds)
def test_a_change_is_a_share_of_what_acts(base: float, other: float) -> None:
    found = change(base, other)
    if base == 0:
        assert found is None
    else:
        assert found is not None
        assert base * (1 + found) == pytest.approx(other, abs=1e-6 * max(base, 1.0))


@pytest.mark.parametrize(
    ("share", "text"), [(0.341, "+34%"), (-0.341, "−34%"), (0.0, "0%"), (-0.001, "0%"), (2.0, "+200%")]
)
def test_changes_have_a_sign(share: float, text: str) -> None:
    assert signed_percent(share) == text


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({}, ""),
        ({"is_trusted": False}, "not to be trusted"),
        ({"is_trusted": False, "has_waited": False}, "nothing waited for a second"),
        ({"tasks": 0, "figures": {}}, "no task ended"),
    ],
)
def test_notes_say_what_not_to_believe(changes: dict[str, Any], note: str) -> None:
    assert note_of(one(**changes)) == note


def test_lines_go_by_policy_and_doubtful_ones_are_crossed_out() -> None:
    made = [
        one(hours_ago=3),
        one(hours_ago=2, is_trusted=False),
        one(hours_ago=1, acting="learned", policy="least_loaded", figures={
            "recorded": {"mean": 1.0, "p99": 2.0}, "replayed": {"mean": 3.0, "p99": 4.0},
            "least_loaded": {"mean": 5.0, "p99": 6.0},
        }),
        one(hours_ago=0, tasks=0, figures={}),
    ]  # fmt: skip
    lines = {line.name: list(line.values) for line in lines_of(made, p99)}
    assert lines == {
        "recorded": [300, 300, 2, None],
        "least loaded, replayed (acts)": [300, 300, None, None],
        "learned, replayed (acts)": [None, None, 4, None],
        "learned, replayed": [150, 150, None, None],
        "least loaded, replayed": [None, None, 6, None],
    }
    figure = go.Figure(comparisons_spec(made, p99))
    assert figure.data[-1].name == "not to be trusted"
    assert list(figure.data[-1].y) == [None, 150, None, None]
    assert len(go.Figure(comparisons_spec(made[:1], p99)).data) == 3


def test_the_caption_counts_what_says_nothing() -> None:
    made = [one(), one(is_trusted=False), one(has_waited=False), one(has_waited=False, is_trusted=False)]
    told = caption_of(made)
    assert "4 comparisons" in told
    assert "in 2 of them: no policy can gain anything" in told
    assert "1 is not to be trusted" in told
    assert caption_of(made[:1]) == "1 comparison"
