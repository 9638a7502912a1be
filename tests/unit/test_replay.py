"""Replays of what was recorded: the workload that is made of it, what it says of the record, and what it leaves out."""

from __future__ import annotations

import math
import random
import uuid
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.simulation.record import Attempt, Boot, Change, EarlierRun, Record, pauses_of, workload_of
from taskyard.core.simulation.replay import RECORDED, REPLAYED, Replay, replay
from taskyard.core.simulation.simulate import Simulation, everywhere
from taskyard.core.simulation.workload import Pause, Workload
from tests.unit.simulation_support import cluster_log, many_types, with_unequal_agents

EPOCH = 1_700_000_000.0


def attempt(ready: float, started: float, seconds: float, **values: object) -> Attempt:
    one = Attempt(
        EPOCH + started + seconds, str(uuid.uuid4()), 1, "completed", "default", "a.b", EPOCH + started, EPOCH + ready,
        seconds, "agent-1:x", 1, [], "ada", "3", None,
    )  # fmt: skip
    return one._replace(**values)


def boot(name: str = "agent-1", **values: object) -> Boot:
    return Boot(f"{name}:x", name, ["*"], [], 1, None, EPOCH - 1e6, None)._replace(**values)


def recorded(workload: Workload, policy: str = "least_loaded") -> Record:
    """The record of a workload that ran under a policy."""
    outcome = Simulation(workload, everywhere(policy)).run()
    record = Record(EPOCH - 1, EPOCH + max(workload.ready) * 10)
    for task, start in enumerate(outcome.starts):
        lane, keys = workload.lane_names[workload.lanes[task]], workload.key_names[workload.keys[task]]
        record.attempts.append(
            attempt(
                workload.ready[task],
                start,
                outcome.run_seconds[task],
                queue=lane.queue,
                type=lane.type,
                requires=list(lane.requires),
                agent_id=f"{workload.agents[outcome.agents[task]].name}:x",
                priority=workload.priorities[task],
                created_by=keys[2].split("\n")[1],
                size=keys[3].split("\n")[2],
            )
        )
    for one in workload.agents:
        record.boots.append(boot(one.name, max_concurrency=one.slots.max_concurrency))
    return record


def found_in(record: Record, policy: str = "learned", queue: str | None = None, acting: str = "least_loaded") -> Replay:
    return replay(workload_of(record), everywhere(acting), policy, queue)


def test_the_acting_policy_replayed_is_the_record() -> None:
    found = found_in(recorded(cluster_log(0.85, seed=4, count=4_000)))
    [row] = found.rows
    assert (found.tasks, found.never_started, found.agents) == (4_000, 0, 10)
    for name in ("mean", "p50", "p99", "longest"):
        assert getattr(row.waits[REPLAYED], name) == pytest.approx(getattr(row.waits[RECORDED], name), abs=0.01)
    assert found.distrusted(row) == []
    assert row.totals["learned"].mean < 0.9 * row.totals[RECORDED].mean
    assert found.has_waited


def test_a_record_of_another_policy_is_not_to_be_trusted() -> None:
    found = found_in(recorded(cluster_log(0.85, seed=4, count=4_000), "learned"))
    assert {"mean", "p50"} <= set(found.distrusted(found.rows[0]))
    assert found.as_json()["rows"][0]["not_to_be_trusted"] == found.distrusted(found.rows[0])


def test_agents_that_differ_keep_their_speeds() -> None:
    """What each ran takes as long on it as it did; under `learned` each gets what it is best at."""
    workload = many_types(0.85)
    with_unequal_agents(workload, 1)
    record = recorded(workload)
    made = workload_of(record)
    found = replay(made, everywhere("least_loaded"), "learned")
    [row] = found.rows
    assert row.totals[REPLAYED].mean == pytest.approx(row.totals[RECORDED].mean, rel=1e-6)
    assert made.run_factors
    outcome = Simulation(made, everywhere("least_loaded")).run()
    assert sorted(outcome.run_seconds) == pytest.approx(sorted(one.run_seconds for one in record.attempts))
    assert row.totals["learned"].mean < 0.8 * row.totals[REPLAYED].mean


def test_only_the_named_queue_gets_the_other_policy_and_is_shown() -> None:
    workload = cluster_log(0.9, seed=4, count=4_000)
    workload.lane_names = [lane._replace(queue=f"q-{lane.type}") for lane in workload.lane_names]
    record = recorded(workload)
    found = found_in(record, queue="q-g1")
    other = [one for one in record.attempts if one.queue == "q-g2"]
    assert found.tasks == 4_000 - len(other)
    assert found.never_started == 0
    assert [row.queue for row in found.rows] == [None]
    both = found_in(record)
    assert [row.queue for row in both.rows] == [None, "q-g1", "q-g2"]


def test_the_same_policy_is_replayed_once() -> None:
    found = found_in(recorded(cluster_log(0.5, count=500)), "least_loaded")
    assert found.base == found.compared == REPLAYED
    assert set(found.rows[0].waits) == {RECORDED, REPLAYED}


def test_it_says_that_nothing_waited() -> None:
    record = Record(EPOCH, EPOCH + 100, [attempt(float(i), i + 0.01, 0.5) for i in range(50)], [boot()])
    found = found_in(record)
    assert not found.has_waited
    assert found.tasks == 50


def test_progress_goes_from_nothing_to_all() -> None:
    shares: list[float] = []
    replay(
        workload_of(recorded(cluster_log(0.8, count=1_000))), everywhere("least_loaded"), "learned", None, shares.append
    )
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len(shares) > 100


# the workload


def test_what_ran_or_waited_when_the_span_began() -> None:
    record = Record(EPOCH, EPOCH + 100, boots=[boot()])
    record.attempts = [attempt(-50, -40, 60), attempt(-30, 20, 5), attempt(30, 30, 5)]
    found = workload_of(record)
    assert found.enters == [EPOCH - 40, EPOCH, EPOCH + 30]
    assert found.ready == [EPOCH - 40, EPOCH - 30, EPOCH + 30]
    assert found.counted == [False, True, True]
    outcome = Simulation(found, everywhere("least_loaded")).run()
    assert outcome.starts == [EPOCH - 40, EPOCH + 20, EPOCH + 30]
    assert found_in(record).tasks == 2


def test_boots_come_and_go() -> None:
    record = Record(EPOCH, EPOCH + 100)
    record.boots = [boot(registered=EPOCH + 10, left=EPOCH + 30), boot("agent-2", registered=EPOCH + 50)]
    record.attempts = [attempt(0, 10, 5), attempt(0, 15, 20), attempt(40, 50, 1, agent_id="agent-2:x")]
    found = Simulation(workload_of(record), everywhere("least_loaded")).run()
    assert [start - EPOCH for start in found.starts] == [10, 15, 50]


def test_forgotten_boots_are_what_their_attempts_show() -> None:
    record = Record(EPOCH, EPOCH + 100)
    record.attempts = [
        attempt(0, 5, 20, agent_id="gone:1", requires=["gpu"]),
        attempt(0, 6, 20, agent_id="gone:2", type="d.e"),
        attempt(40, 41, 5, agent_id="here:1"),
    ]
    record.boots = [boot("here", id="here:2", types=["a.b"], tags=["eu"], max_concurrency=3)]
    record.changes = [Change(EPOCH + 40, "agent_joined", "here:1", None, None, None)]
    record.changes.append(Change(EPOCH + 60, "agent_left", "here:1", None, None, None))
    agents = {agent.slots.id: agent for agent in workload_of(record).agents}
    assert set(agents) == {"gone:", "here:", "here:2"}
    gone, here = agents["gone:"], agents["here:"]
    assert (gone.slots.types, gone.slots.tags, gone.slots.max_concurrency) == (("a.b", "d.e"), {"gpu"}, 2)
    assert [span[0] - EPOCH for span in gone.present] == [5]
    assert (here.slots.tags, here.slots.max_concurrency) == ({"eu"}, 3)
    assert [(since - EPOCH, until - EPOCH) for since, until in here.present] == [(40, 60)]
    assert found_in(record).never_started == 0


def test_retried_attempts_are_arrivals_of_their_own_and_only_successes_are_learned_from() -> None:
    record = Record(EPOCH, EPOCH + 100, boots=[boot()])
    first = attempt(0, 1, 5, event="attempt_failed")
    record.attempts = [first, attempt(16, 17, 5, task_id=first.task_id, attempt=2)]
    found = workload_of(record)
    assert len(found) == 2
    assert found.learned == [False, True]


def test_what_makes_no_sense_is_left_out() -> None:
    record = Record(EPOCH, EPOCH + 100, boots=[boot()])
    record.attempts = [attempt(0, 1, seconds) for seconds in (-1.0, math.nan, math.inf, 1e12, 2.0)]
    record.attempts.append(attempt(math.nan, 1, 1.0))
    record.attempts.append(attempt(9, 8, 1.0))  # clocks of two hosts
    found = workload_of(record)
    assert found.run_seconds == [2.0, 1.0]
    assert found.ready == [EPOCH, EPOCH + 8]


def test_earlier_runs_are_known_when_the_span_begins() -> None:
    workload = cluster_log(0.9, seed=4, count=3_000)
    record = recorded(workload)
    half = EPOCH + workload.ready[1_500]
    early = [one for one in record.attempts if one.started < half]
    late = replace(record, since=half, attempts=[one for one in record.attempts if one.ready >= half])
    cold = found_in(late).rows[0].totals["learned"].mean
    late.earlier = [EarlierRun(one.type, one.created_by, one.size, None, one.run_seconds) for one in early]
    assert found_in(late).rows[0].totals["learned"].mean != cold
    assert len(workload_of(late).earlier) == len(early)


@given(st.integers(0, 10**9))
def test_any_record_is_replayed(seed: int) -> None:
    """Attempts whose times fit nothing: those that start have waited at least nothing, and none is lost."""
    draw = random.Random(seed)
    record = Record(EPOCH, EPOCH + 100)
    for _ in range(draw.randrange(1, 40)):
        ready = draw.uniform(-50, 100)
        record.attempts.append(
            attempt(
                ready,
                ready + draw.uniform(-5, 30),
                draw.uniform(0, 40),
                agent_id=f"agent-{draw.randrange(4)}:x",
                type=draw.choice(("a.b", "c.d")),
                queue=draw.choice("pq"),
                priority=draw.randrange(4),
                requires=draw.choice(([], ["gpu"])),
                event=draw.choice(("completed", "failed", "running")),
            )
        )
    record.boots = [boot(left=EPOCH + draw.uniform(-10, 100)), boot("agent-2", tags=["gpu"])]
    record.held = [("queue", "p", draw.choice(("paused", "draining")))]
    found = found_in(record, draw.choice(("learned", "priority", "round_robin")))
    counted = sum(one.started >= EPOCH for one in record.attempts)
    assert found.tasks + found.never_started == counted
    assert all(figures.mean >= 0 for row in found.rows for figures in row.waits.values())


# holds


def change(at: float, event: str, kind: str, name: str, was: str | None = None) -> Change:
    return Change(EPOCH + at, event, None, kind, name, was)


def test_holds_are_read_from_their_events_and_what_is_held_now() -> None:
    record = Record(EPOCH, EPOCH + 100)
    record.changes = [
        change(5, "paused", "queue", "p"),
        change(9, "draining", "queue", "p"),  # its tasks go on
        change(12, "paused", "queue", "p"),
        change(20, "resumed", "queue", "p", "paused"),
        change(30, "resumed", "type", "a.b", "paused"),  # since before
        change(40, "draining", "agent", "agent-1"),
        change(50, "resumed", "agent", "agent-2", "draining"),
        Change(EPOCH + 60, "agent_joined", "agent-1:x", None, None, None),
    ]
    record.held = [("agent", "agent-1", "draining"), ("type", "c.d", "paused"), ("type", "d.e", "draining")]
    found = {(p.kind, p.name, p.since - EPOCH, p.until - EPOCH) for p in pauses_of(record)}
    assert found == {
        ("queue", "p", 5, 9),
        ("queue", "p", 12, 20),
        ("type", "a.b", -math.inf, 30),
        ("agent", "agent-1", 40, math.inf),
        ("agent", "agent-2", -math.inf, 50),
        ("type", "c.d", -math.inf, math.inf),
    }


def test_a_hold_keeps_its_tasks_back_in_a_replay() -> None:
    record = Record(EPOCH, EPOCH + 100, boots=[boot()])
    record.changes = [change(10, "paused", "queue", "default"), change(40, "resumed", "queue", "default", "paused")]
    record.attempts = [attempt(5, 5, 1), attempt(15, 40, 1), attempt(20, 41, 1)]
    made = workload_of(record)
    assert made.pauses == [Pause("queue", "default", EPOCH + 10, EPOCH + 40)]
    assert [start - EPOCH for start in Simulation(made, everywhere("least_loaded")).run().starts] == [5, 40, 41]
    assert found_in(record).distrusted(found_in(record).rows[0]) == []
