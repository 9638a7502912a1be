"""How often a sender may ask the API."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from taskyard.api.rates import BURST_SECONDS, MAX_SENDERS, Rates


def test_a_burst_passes_and_what_follows_waits_for_its_turn() -> None:
    rates = Rates(2.0)
    assert [rates.wait_seconds(b"ann", 100.0) for _ in range(20)] == [0.0] * 20
    assert rates.wait_seconds(b"ann", 100.0) == 0.5
    assert rates.wait_seconds(b"ben", 100.0) == 0.0
    assert rates.wait_seconds(b"ann", 100.5) == 0.0


def test_without_a_rate_nobody_waits() -> None:
    rates = Rates(0.0)
    assert not any(rates.wait_seconds(b"ann", 1.0) for _ in range(1000))


@given(st.lists(st.floats(0, 5), max_size=200), st.floats(0.1, 50))
def test_nobody_passes_more_often_than_the_rate_and_one_burst(pauses: list[float], per_second: float) -> None:
    rates, now, passed = Rates(per_second), 0.0, 0
    for pause in pauses:
        now += pause
        passed += rates.wait_seconds(b"ann", now) == 0.0
    assert passed <= max(1.0, per_second * BURST_SECONDS) + now * per_second + 1e-6


def test_it_remembers_a_bounded_number_of_senders() -> None:
    rates = Rates(1.0)
    for number in range(MAX_SENDERS + 500):
        assert rates.wait_seconds(str(number).encode(), 1.0) == 0.0
    assert len(rates._left) <= MAX_SENDERS
