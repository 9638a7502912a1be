"""Which lanes a tick looks at: all that it can serve, of all queues in turn."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.models import Lane
from taskyard.core.scheduling.holds import Hold, HoldKind, HoldMode, Holds
from taskyard.worker.dispatch.hot_lanes import LEAST_OF_LANE, MAX_LANES, SPARE_QUEUES, HotLanes

QUEUES = [f"queue-{number}" for number in range(6)]
TYPES = ["code.run", "csv.read", "image.scale"]
lanes = st.builds(Lane, st.sampled_from(QUEUES), st.sampled_from(TYPES), st.sampled_from([(), ("gpu",)]))
ROOMS = {"code.run": 5, "csv.read": 2, "image.scale": 0}
SINCE = datetime(2026, 3, 1, tzinfo=UTC)


def room_for(lane: Lane) -> int:
    return ROOMS[lane.type]


def holds(*names: str) -> Holds:
    return Holds.of(Hold(HoldKind.QUEUE, name, HoldMode.PAUSED, "me", "", SINCE) for name in names)


@given(st.lists(st.tuples(st.integers(0, 9), lanes, st.sets(st.sampled_from(QUEUES)))))
def test_few_lanes_are_all_looked_at_unless_they_are_held(events: list[tuple[int, Lane, set[str]]]) -> None:
    hot, plain, held = HotLanes(), set[Lane](), set[str]()
    for number, lane, names in events:
        if number < 5:
            hot.add(lane)
            plain.add(lane)
        elif number < 7:
            hot.discard(lane)
            plain.discard(lane)
        elif number < 9:
            hot.note_served([lane])
        else:
            held = names
            hot.hold(holds(*names))
        assert set(hot) == plain
        assert len(hot) == len(plain)
        assert (lane in hot) is (lane in plain)
        wanted = {one: ROOMS[one.type] for one in plain if one.queue not in held and ROOMS[one.type]}
        assert hot.wanted(room_for) == wanted
        assert hot.has_room(room_for) is bool(wanted)


def test_the_lanes_of_a_queue_are_looked_at_together() -> None:
    """Because the lowest score of a queue goes first, whatever its type."""
    hot = HotLanes()
    hot.update(Lane(queue, name) for queue in (f"queue-{number}" for number in range(100)) for name in TYPES)
    looked_at = Counter(lane.queue for lane in hot.wanted(room_for))
    assert len(looked_at) == 5 + SPARE_QUEUES
    assert set(looked_at.values()) == {2}


def test_one_queue_may_give_all_and_many_give_their_share() -> None:
    hot = HotLanes()
    hot.add(Lane("only", "code.run"))
    assert hot.wanted(lambda lane: 2_000) == {Lane("only", "code.run"): 2_000}
    hot.update(Lane(f"queue-{number}", "code.run") for number in range(39))
    assert set(hot.wanted(lambda lane: 2_000).values()) == {100}
    hot.update(Lane(f"other-{number}", "code.run") for number in range(5_000))
    wanted = hot.wanted(lambda lane: 2_000)
    assert len(wanted) == MAX_LANES
    assert set(wanted.values()) == {LEAST_OF_LANE}


def test_no_lane_is_beyond_the_limit_for_ever() -> None:
    hot = HotLanes()
    everything = {Lane(f"queue-{number}", f"type-{number % 3_000}") for number in range(6_000)}
    hot.update(everything)
    seen = set[Lane]()
    for _ in range(3 * len(everything) // MAX_LANES):
        wanted = hot.wanted(lambda lane: 1)
        assert len(wanted) <= MAX_LANES
        seen |= wanted.keys()
        hot.note_served(wanted)
    assert seen == everything
