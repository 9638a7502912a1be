"""What an agent remembers of the orders that it has read."""

from __future__ import annotations

from taskyard.worker.agents.held_orders import FORGOTTEN_COUNT, MAX_SEEN, SeenOrders


def test_the_latest_orders_are_known_and_the_oldest_forgotten() -> None:
    seen = SeenOrders()
    count = 3 * MAX_SEEN
    for start in range(0, count, 100):
        seen.add((f"task {number}", 2) for number in range(start, start + 100))
        assert not seen.is_new(f"task {max(0, start + 99 - MAX_SEEN + 1)}", 2)
        assert seen.is_new(f"task {start}", 3)
    assert seen.is_new(f"task {count - MAX_SEEN - FORGOTTEN_COUNT - 1}", 2)


def test_what_was_not_started_may_come_again() -> None:
    seen = SeenOrders()
    seen.add([("task 1", 2), ("task 2", 2)])
    seen.forget([("task 1", 2), ("task 3", 1)])
    assert (seen.is_new("task 1", 2), seen.is_new("task 2", 2)) == (True, False)
