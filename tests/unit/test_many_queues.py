"""Many queues beside many agents: what suits which agent is asked once for a type, not once for each queue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from taskyard.core.alerts.placement_reasons import lanes_without_agent
from taskyard.core.models import AgentRecord, Lane
from taskyard.core.reasons import Reasons as TaskReasons
from taskyard.core.scheduling.agent_slots import AgentSlots
from taskyard.core.scheduling.holds import Hold, HoldKind, HoldMode, Holds
from taskyard.core.scheduling.placement import Candidate, Rotation, place
from taskyard.core.telemetry.live_snapshot import LaneDepth
from taskyard.core.views.queues import Reasons
from taskyard.worker.dispatch.durations import Durations
from taskyard.worker.dispatch.hot_lanes import SPARE_QUEUES
from taskyard.worker.dispatch.leader_state import LeaderState
from tests.dashboard.snapshots import agent, snapshot
from tests.unit.leader_state_support import info

COUNT = 100
TYPE = "diagnostic.noop"
LANES = [Lane(f"customer-{number}", TYPE) for number in range(COUNT)]
STUCK = [Lane(f"customer-{number}", TYPE, ("gpu",)) for number in range(COUNT)]
SINCE = datetime(2026, 3, 1, tzinfo=UTC)
RECORDS = [
    AgentRecord(f"a{n}:b", f"a{n}", "b", "coder", "here", 1, ("*",), (), 3, "online", SINCE, None) for n in range(COUNT)
]
LIMIT_BYTES = 1 << 20
MOST_QUESTIONS = 4 * COUNT  # for each of two kinds of lanes: who takes it, and who would without its tags


def holds(*names: tuple[HoldKind, str]) -> Holds:
    return Holds.of([Hold(kind, name, HoldMode.PAUSED, "me", "the disk is full", SINCE) for kind, name in names])


@pytest.fixture
def questions(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The types that agents were asked about; few in the end."""
    asked: list[str] = []
    can_run = AgentSlots.can_run

    def ask(slots: AgentSlots, task_type: str) -> bool:
        asked.append(task_type)
        return can_run(slots, task_type)

    monkeypatch.setattr(AgentSlots, "can_run", ask)
    yield asked
    assert 0 < len(asked) <= MOST_QUESTIONS


def test_a_tick(questions: list[str]) -> None:
    leader_state = LeaderState(Durations())
    for number in range(COUNT):
        leader_state.add_agent(info(f"coder-{number}:a"))
    leader_state.hold(holds((HoldKind.QUEUE, "customer-7")))
    leader_state.hot_lanes.update([*LANES, *STUCK])

    open_lanes = [lane for lane in LANES if lane.queue != "customer-7"]
    assert leader_state.wanted(0.05, 10, LIMIT_BYTES) == dict.fromkeys(open_lanes[: 10 + SPARE_QUEUES], 7)
    assert leader_state.wanted(0.05, 200, LIMIT_BYTES) == dict.fromkeys(open_lanes, 5)


def test_all_queues_take_turns_though_a_tick_looks_at_few() -> None:
    leader_state = LeaderState(Durations())
    leader_state.add_agent(info("coder-1:a"))
    leader_state.hot_lanes.update(LANES)
    served: Counter[Lane] = Counter()
    rotation = Rotation()
    for _ in range(3 * COUNT):
        wanted = leader_state.wanted(0.01, 10, LIMIT_BYTES)
        assert len(wanted) == 3 + SPARE_QUEUES
        candidates = [Candidate(lane.queue, lane, 0.0, 3600.0) for lane in wanted]
        placed = place(candidates, leader_state.crews, lambda queue: "least_loaded", rotation, 0.01)
        leader_state.hot_lanes.note_served([candidate.lane for candidate, _ in placed])
        served.update(candidate.lane for candidate, _ in placed)
        for candidate, slots in placed:
            slots.take_back(candidate.expected_seconds)
    assert served.total() == 9 * COUNT
    assert all(6 <= served[lane] <= 12 for lane in LANES)


def test_the_alert_of_no_agent(questions: list[str]) -> None:
    depths = [LaneDepth(lane.queue, TYPE, list(lane.requires), 1, None, {}) for lane in (*LANES, *STUCK)]
    live = replace(snapshot(agents=[agent(f"a{number}") for number in range(COUNT)]), lanes=depths)

    found = list(lanes_without_agent(live))

    assert [lane.queue for lane, _reason in found] == [lane.queue for lane in STUCK]
    assert all("has tag gpu" in reason for _lane, reason in found)


def test_the_queues_page(questions: list[str]) -> None:
    reasons = Reasons(RECORDS, holds((HoldKind.QUEUE, "customer-7")))

    by_queue = {lane.queue: reasons.of(lane) for lane in LANES}
    assert "the disk is full" in by_queue.pop("customer-7")[0]
    assert set(by_queue.values()) == {("", False)}
    assert all(is_stuck and "has tag gpu" in reason for reason, is_stuck in map(reasons.of, STUCK))


def test_a_list_of_tasks(questions: list[str]) -> None:
    reasons = TaskReasons(RECORDS, holds((HoldKind.QUEUE, "customer-7")))

    held = {lane.queue for lane in LANES if reasons.of_lane(lane)}
    assert held == {"customer-7"}
    assert all("has tag gpu" in str(reasons.of_lane(lane)) for lane in STUCK if lane.queue != "customer-7")


def test_agents_that_are_all_held() -> None:
    held = holds(*((HoldKind.AGENT, record.name) for record in RECORDS))
    assert "the disk is full" in str(TaskReasons(RECORDS, held).of_lane(LANES[0]))
    assert "the disk is full" in Reasons(RECORDS, held).of(LANES[0])[0]
