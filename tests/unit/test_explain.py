"""The answer to "why is this task waiting?", by what is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from taskyard.core.explain import Situation, explain
from taskyard.core.models import Task
from taskyard.core.postgres.store.tasks import Parent
from taskyard.core.protocol import SeatComing, SeatHere, SeatsReport
from taskyard.core.redis.pools import AbsentAgent
from taskyard.core.scheduling.holds import Hold, HoldKind, HoldMode, Holds
from taskyard.core.scheduling.pool_sizes import PoolSize
from taskyard.core.states import Priority, TaskState
from taskyard.core.telemetry.live_snapshot import (
    VERSION,
    AgentLive,
    DispatcherLive,
    LiveSnapshot,
    OpenBreaker,
    PoolLive,
    RecentType,
)
from tests.unit.leader_state_support import task_id

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
AT = NOW.timestamp()


def agent(name: str = "coder-1", **fields: Any) -> AgentLive:
    given = {
        "id": f"{name}:a", "name": name, "kind": "coder", "host": "here", "pid": 1, "types": ["code.*"], "tags": [],
        "max_concurrency": 2, "state": "online", "running": 0, "held": 0, "mean_seconds": None, "cpu_percent": 0.0,
        "memory_bytes": 1, "heartbeat_at": AT - 1, "read_at": AT - 1, "tasks": [], "breakers": [],
    }  # fmt: skip
    return AgentLive(**{**given, **fields})


def live(*agents: AgentLive, ended: int = 0) -> LiveSnapshot:
    dispatcher = DispatcherLive("w", 1, AT, 1.0, 0.0, 0.0, 0.0, 0.0, 0)
    recent = [RecentType("code.run", ended, 0, 0, {}, None, None, None, None)] if ended else []
    return LiveSnapshot(VERSION, AT, dispatcher, AT, [], [], AT, [], recent, list(agents), [], [])


def task(**fields: Any) -> Task:
    given = {
        "id": task_id(1), "queue": "default", "type": "code.run", "title": None, "state": TaskState.PENDING,
        "priority": Priority.MEDIUM, "input": {}, "output": None, "error": None, "requires": (), "attempt": 0,
        "refunded": 0, "max_attempts": 3, "timeout_seconds": 60.0, "run_at": None, "ready_at": NOW,
        "idempotency_key": None, "workflow_id": None, "workflow_key": None, "waiting_on": 0, "creator_agent_id": None,
        "created_by": "me", "assigned_agent_id": None, "progress": None, "progress_message": None, "checkpoint": None,
        "suspension": None, "created_at": NOW, "assigned_at": None, "started_at": None, "finished_at": None,
    }  # fmt: skip
    return Task(**{**given, **fields})


def situation(seen: LiveSnapshot | None, **fields: Any) -> Situation:
    return replace(Situation(seen, Holds(), (), 0, 1, NOW), **fields)


FULL = agent(held=2)


def test_an_assigned_task_may_wait_for_a_seat_of_its_agent_s_engine() -> None:
    coming = SeatComing("a", 3.0, "no node has 1 GPU free")
    given = task(state=TaskState.ASSIGNED, assigned_agent_id="coder-1:a", assigned_at=NOW)
    for seats, words in [
        (SeatsReport("ray", [], [coming], 1), "waits for a seat: no node has 1 GPU free"),
        (SeatsReport("ray", [], [coming], 1, "no room"), "waits for a seat: no room"),
        (SeatsReport("ray", [], [], 1), "waits for a seat: ray has not started one yet"),
        (SeatsReport("ray", [SeatHere("b", "node-1")], []), "starts as soon as a slot is free"),
    ]:
        assert words in explain(given, situation(live(agent(seats=seats)))).summary


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (agent(), (True, True, "has 2 free slots")),
        (FULL, (False, True, "full: 2 tasks for 2 slots")),
        (agent(types=["analysis.*"]), (False, False, "does not take type code.run, only analysis.*")),
        (agent(known_types={"code.other": "1"}), (False, False, "does not know type code.run")),
        (agent(known_types={"code.run": "1"}), (True, True, "has 2 free slots")),
        (agent(refused={"code.run": "no"}), (False, False, "can't run type code.run: no")),
        (agent(state="paused"), (False, False, "is paused")),
        (agent(state="draining"), (False, False, "is draining")),
        (agent(heartbeat_at=AT - 60), (False, False, "has sent no heartbeat for 1 min")),
        (
            agent(breakers=[OpenBreaker("code.run", "open", "it failed", AT, AT + 20)]),
            (False, False, "circuit breaker open for this type, probe in 20 s: it failed"),
        ),
        (
            agent(breakers=[OpenBreaker("code.run", "probing", "it failed", AT, AT)]),
            (False, False, "circuit breaker open for this type, a probe is running: it failed"),
        ),
        (agent(breakers=[OpenBreaker("code.other", "open", "x", AT, AT)]), (True, True, "has 2 free slots")),
    ],
)
def test_verdicts(seen: AgentLive, verdict: tuple[bool, bool, str]) -> None:
    [found] = explain(task(), situation(live(seen))).agents
    assert (found.takes, found.can, found.reason) == verdict


def test_missing_tags() -> None:
    found = explain(task(requires=("gpu", "linux")), situation(live(agent(tags=["linux"]))))
    assert found.agents[0].reason == "missing tag: gpu"
    assert found.summary == "no agent can take it now: coder-1: missing tag: gpu"
    assert found.starts_in_seconds is None


def test_place_and_estimate() -> None:
    found = explain(task(), situation(live(FULL, ended=30), before=9, lane_depth=40))
    assert (found.before, found.lane_depth, found.starts_in_seconds) == (9, 40, 20.0)
    assert found.summary == "9 tasks of its lane go first; it may start in about 20 s"


def test_next_of_its_lane() -> None:
    assert explain(task(), situation(live(agent()))).starts_in_seconds == 0.0
    assert "the next tick assigns it" in explain(task(), situation(live(agent(), FULL))).summary
    assert "all agents that can take it are full" in explain(task(), situation(live(FULL))).summary
    assert "not in its lane yet" in explain(task(), situation(live(agent()), before=None, lane_depth=0)).summary


def test_agents_that_take_it_come_first() -> None:
    found = explain(task(), situation(live(agent("c", types=["x"]), agent("b", held=2), agent("a"))))
    assert [verdict.agent for verdict in found.agents] == ["a", "b", "c"]


def test_what_holds_it() -> None:
    parent = Parent(task_id(2), "code.build", "pending")
    blocked = explain(task(state=TaskState.BLOCKED, waiting_on=1), situation(live(agent()), parents=[parent]))
    assert blocked.summary == f"waits for code.build {task_id(2)}, which is pending"
    due = NOW + timedelta(seconds=30)
    delayed = explain(task(state=TaskState.SCHEDULED, run_at=due), situation(live(agent()), before=None, lane_depth=0))
    assert delayed.summary == "it is due in 30 s, at 2026-05-04T12:00:30+00:00"
    assert delayed.starts_in_seconds == 30.0
    retried = explain(task(state=TaskState.SCHEDULED, run_at=due, attempt=2), situation(live(agent())))
    assert retried.summary.startswith("attempt 2 failed and the next one is due in 30 s")
    hold = Hold(HoldKind.QUEUE, "default", HoldMode.PAUSED, "ann", "full disk", NOW)
    paused = explain(task(), situation(live(agent()), holds=Holds.of([hold])))
    assert paused.summary == str(hold)
    assert paused.starts_in_seconds is None


def test_nobody_leads_and_nobody_is_there() -> None:
    assert explain(task(), situation(None)).summary == "no worker leads: nothing is scheduled until one does"
    assert explain(task(), situation(live())).summary == "no agent is registered"
    scaled = live()
    scaled.pools = [
        PoolLive("coder", ["here"], ["*"], [], 3, 2, 0, 0, 1, False, 1),
        PoolLive("gpu", ["here"], ["train.*"], ["gpu"], 1, 1, 1, 1, 0, False, 0),
    ]
    summary = explain(task(), situation(scaled)).summary
    assert summary == "no agent is registered; pool coder: 0 of 0 wanted agents run"
    size = PoolSize("coder", 0, "ann", "maintenance", NOW)
    summary = explain(task(), situation(scaled, sizes={"coder": size})).summary
    assert summary.endswith(f"wanted agents run; ann wants 0 since {NOW:%Y-%m-%d %H:%M:%S %Z}: maintenance")


def test_why_names_agents_first_that_would_take_it_and_says_what_its_pool_lacks() -> None:
    others = [agent(f"a{n}", types=["lab.*"]) for n in range(4)]
    unknown = agent("b", known_types={})
    paused = agent("z", state="paused")
    found = explain(task(), situation(live(*others, unknown, paused)))
    assert [one.agent for one in found.agents] == ["z", "b", "a0", "a1", "a2", "a3"]
    expected = "no agent can take it now: z: is paused; b: does not know type code.run; a0: does not take type code.run"
    assert found.summary.startswith(expected)
    scaled = live()
    absent = [AbsentAgent("coder-1", 90.0, 12, "no key"), AbsentAgent("coder-2", 40.0, 0, "")]
    scaled.pools = [PoolLive("coder", ["here"], ["*"], [], 3, 3, 3, 1, 0, False, 1, 1, 1, absent)]
    summary = explain(task(), situation(scaled)).summary
    assert summary == (
        "no agent is registered; pool coder: 1 of 3 wanted agents run; coder-1 failed 12 times in a row, last: no key; "
        "coder-2 has been starting for 40 s"
    )


@pytest.mark.parametrize("state", ["completed", "failed", "cancelled"])
def test_it_does_not_wait_any_more(state: str) -> None:
    assert explain(task(state=TaskState(state)), situation(None)).summary == f"not waiting: the task is {state}"


def test_with_its_agent() -> None:
    given = {"assigned_agent_id": "coder-1:a", "assigned_at": NOW - timedelta(seconds=2)}
    running = explain(task(state=TaskState.IN_PROGRESS, **given), situation(live(agent())))
    assert running.summary == "not waiting: agent coder-1 runs it"
    assigned = explain(task(state=TaskState.ASSIGNED, **given), situation(live(agent())))
    assert assigned.summary == "assigned to agent coder-1 2 s ago; starts as soon as a slot is free"
