"""What counts as growth in a soak."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.worker.devtools.slopes import slope
from taskyard.worker.devtools.soak import MAX_GROWTH_MIB_PER_HOUR, Sample, Watched

TIMES = [2.0 * n for n in range(200)]


@given(per_hour=st.floats(-1e4, 1e4), start=st.floats(0, 1e4))
def test_the_slope_of_a_line_is_exact(per_hour: float, start: float) -> None:
    found = slope(TIMES, [start + per_hour * at / 3600 for at in TIMES])
    assert found.per_hour == pytest.approx(per_hour, abs=1e-3)
    assert found.margin < 0.1


def test_the_interval_holds_the_true_slope_as_often_as_it_says() -> None:
    """Least squares under normal noise: 95 of 100 intervals, here of 400 with a fixed seed."""
    random_ = random.Random(4)
    hits = 0
    for _ in range(400):
        found = slope(TIMES, [100 + 20 * at / 3600 + random_.gauss(0, 2) for at in TIMES])
        hits += abs(found.per_hour - 20) <= found.margin
    assert 0.92 <= hits / 400 <= 0.98


def test_too_few_samples_prove_nothing() -> None:
    assert slope([1.0, 2.0], [1.0, 100.0]).margin == math.inf


def watched(per_hour: float, files: list[int] | None = None) -> Watched:
    random_ = random.Random(1)
    counts = files or [10] * len(TIMES)
    return Watched(
        "agents",
        [
            Sample(at, 50 + per_hour * at / 3600 + random_.gauss(0, 0.05), count, 5)
            for at, count in zip(TIMES, counts, strict=False)
        ],
    )


def test_growth_is_seen_and_noise_is_not_growth() -> None:
    assert watched(0.0).is_flat
    assert not watched(3 * MAX_GROWTH_MIB_PER_HOUR).is_flat


def test_files_that_are_never_closed_are_seen() -> None:
    assert watched(0.0, [10 + n % 2 for n in range(200)]).grew == []
    assert watched(0.0, [10 + n // 20 for n in range(200)]).grew == ["files"]
    of_postgres = watched(0.0, [10 + n // 20 for n in range(200)])
    of_postgres.kind = "postgres"
    assert of_postgres.grew == [], "it keeps every file open that it touched"
