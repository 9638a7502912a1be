"""What a hold keeps from happening."""

from __future__ import annotations

from datetime import UTC, datetime

from taskyard.core.models import Lane
from taskyard.core.scheduling.holds import Hold, HoldKind, HoldMode, Holds
from taskyard.worker.dispatch.durations import Durations
from taskyard.worker.dispatch.leader_state import LeaderState
from tests.unit.leader_state_support import info

SINCE = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
LANE = Lane("reports", "demo.work")


def hold(kind: HoldKind, name: str, mode: HoldMode) -> Hold:
    return Hold(kind, name, mode, "me", "the disk is full", SINCE)


def test_a_pause_keeps_tasks_from_starting_and_not_from_being_accepted() -> None:
    for kind, name in ((HoldKind.QUEUE, "reports"), (HoldKind.TYPE, "demo.work")):
        holds = Holds.of([hold(kind, name, HoldMode.PAUSED)])
        assert holds.of_lane(LANE) is not None
        assert holds.of_lane(Lane("other", "demo.other")) is None
        assert holds.against("reports", "demo.work") is None


def test_a_drain_keeps_tasks_from_being_accepted_and_not_from_starting() -> None:
    for kind, name in ((HoldKind.QUEUE, "reports"), (HoldKind.TYPE, "demo.work")):
        holds = Holds.of([hold(kind, name, HoldMode.DRAINING)])
        assert holds.of_lane(LANE) is None
        assert holds.against("reports", "demo.work") is not None
        assert holds.against("other", "demo.other") is None


def test_a_name_means_its_own_kind_only() -> None:
    holds = Holds.of([hold(HoldKind.AGENT, "reports", HoldMode.PAUSED)])
    assert holds.of_lane(LANE) is None
    assert holds.of_agent("reports") is not None
    assert holds.of_agent("demo.work") is None


def test_a_hold_says_who_why_and_since_when() -> None:
    text = str(hold(HoldKind.QUEUE, "reports", HoldMode.PAUSED))
    assert text == "queue reports is paused by me since 2026-03-01 12:30:00 UTC: the disk is full"


def test_a_paused_lane_is_not_looked_at() -> None:
    leader_state = LeaderState(Durations())
    leader_state.add_agent(info())
    leader_state.hot_lanes.add(LANE)
    assert leader_state.wanted(0.01, 10, 1 << 20) == {LANE: 3}
    leader_state.hold(Holds.of([hold(HoldKind.QUEUE, "reports", HoldMode.PAUSED)]))
    assert leader_state.wanted(0.01, 10, 1 << 20) == {}
    assert LANE in leader_state.hot_lanes, "it is looked at again once it is resumed"
