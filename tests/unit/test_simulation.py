"""The simulation of policies: against a plain one, by what must hold for every run, and by what is known of queues."""

from __future__ import annotations

import math
import random
import statistics
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskyard.core.learning.keys import keys_of
from taskyard.core.models import Lane
from taskyard.core.simulation.coverage import PARTS, coverage
from taskyard.core.simulation.figures import Figures, compare
from taskyard.core.simulation.simulate import POLICIES, Outcome, Simulation, everywhere
from taskyard.core.simulation.workload import Agent, Pause, Workload, at_load, equal_agents
from taskyard.core.states import HEAD_START_SECONDS, Priority
from tests.unit.simulation_support import (
    Made,
    agent,
    cluster_log,
    many_types,
    with_many_types,
    with_unequal_agents,
    workload_of,
)

TYPES = ("a.b", "a.c", "d.e")
SEEDS = st.integers(0, 10**9)


def random_agents(draw: random.Random) -> list[Agent]:
    found = []
    for number in range(draw.randrange(1, 5)):
        types = draw.sample([*TYPES, "a.*"], draw.randrange(1, 3))
        tags = draw.sample(["gpu", "eu"], draw.randrange(3))
        one = agent(f"agent-{number}", *types, slots=draw.randrange(1, 4), tags=tags)
        if draw.random() < 0.5:
            times = sorted(draw.uniform(-10, 120) for _ in range(4))
            one = one._replace(present=((times[0], times[1]), (times[2], math.inf)))
        found.append(one)
    return found


def random_tasks(draw: random.Random, queues: tuple[str, ...] = ("default",)) -> list[Made]:
    return [
        Made(
            draw.uniform(0, 100),
            draw.lognormvariate(1, 1),
            Lane(draw.choice(queues), draw.choice(TYPES), draw.choice(((), (), ("gpu",), ("eu", "gpu")))),
            draw.randrange(4),
            keys_of("a.b", draw.choice("xyz"), "1"),
        )
        for _ in range(draw.randrange(1, 60))
    ]


def plainly_simulated(workload: Workload) -> list[float]:
    """The starts under `least_loaded` in one queue without pauses, by looking at everything after every event."""
    starts, ends = [math.nan] * len(workload), [math.inf] * len(workload)
    ran_on = [-1] * len(workload)
    moments = sorted({*workload.enters, *(time for one in workload.agents for span in one.present for time in span)})
    while moments:
        now = moments.pop(0)
        busy = Counter(ran_on[i] for i in range(len(workload)) if starts[i] <= now < ends[i])
        waiting = [i for i in range(len(workload)) if workload.enters[i] <= now and math.isnan(starts[i])]
        waiting.sort(key=lambda i: (workload.ready[i] - HEAD_START_SECONDS[Priority(workload.priorities[i])], i))
        for task in waiting:
            lane = workload.lane_names[workload.lanes[task]]
            able = [
                place
                for place, one in enumerate(workload.agents)
                if one.slots.can_take(lane)
                and busy[place] < one.slots.max_concurrency
                and any(since <= now < until for since, until in one.present)
            ]
            if able:
                chosen = min(
                    able, key=lambda place: (busy[place] / workload.agents[place].slots.max_concurrency, place)
                )
                busy[chosen] += 1
                starts[task], ran_on[task], ends[task] = now, chosen, now + workload.run_seconds[task]
                moments = sorted({*moments, ends[task]})
    return starts


@given(SEEDS)
def test_it_does_what_a_plain_simulation_does(seed: int) -> None:
    draw = random.Random(seed)
    workload = workload_of(random_tasks(draw), random_agents(draw))
    found = Simulation(workload, everywhere("least_loaded")).run().starts
    assert found == pytest.approx(plainly_simulated(workload), nan_ok=True)


@given(SEEDS, st.sampled_from(POLICIES))
def test_what_holds_for_every_run(seed: int, policy: str) -> None:
    draw = random.Random(seed)
    workload = workload_of(random_tasks(draw, ("default", "nightly")), random_agents(draw))
    for kind, name in (("queue", "nightly"), ("type", "a.c"), ("agent", "agent-0"), ("type", "none.such")):
        since = draw.uniform(-5, 80)
        workload.pauses.append(Pause(kind, name, since, draw.choice((since + 20, math.inf))))  # type: ignore[arg-type]
    outcome = Simulation(workload, everywhere(policy)).run()
    for task, start in enumerate(outcome.starts):
        if not math.isnan(start):
            assert_may_start(workload, task, start, outcome.agents[task])
    assert_within_slots(workload, outcome)
    assert_no_slot_idles(workload, outcome)


def is_paused(workload: Workload, kind: str, name: str, at: float) -> bool:
    return any(p.kind == kind and p.name == name and p.since <= at < p.until for p in workload.pauses)


def is_there(workload: Workload, place: int, at: float) -> bool:
    one = workload.agents[place]
    return any(since <= at < until for since, until in one.present) and not is_paused(workload, "agent", one.name, at)


def assert_may_start(workload: Workload, task: int, start: float, place: int) -> None:
    lane = workload.lane_names[workload.lanes[task]]
    assert start >= workload.enters[task]
    assert workload.agents[place].slots.can_take(lane)
    assert is_there(workload, place, start)
    assert not is_paused(workload, "queue", lane.queue, start)
    assert not is_paused(workload, "type", lane.type, start)


def assert_within_slots(workload: Workload, outcome: Outcome) -> None:
    for place, one in enumerate(workload.agents):
        tasks = [task for task, ran_on in enumerate(outcome.agents) if ran_on == place]
        for task in tasks:
            at = outcome.starts[task]
            running = [o for o in tasks if outcome.starts[o] <= at < outcome.starts[o] + workload.run_seconds[o]]
            assert len(running) <= one.slots.max_concurrency


def assert_no_slot_idles(workload: Workload, outcome: Outcome) -> None:
    """Halfway between two events, nothing waits that an agent with a free slot could take."""
    times = {*workload.enters, *(p.since for p in workload.pauses), *(p.until for p in workload.pauses)}
    times |= {time for one in workload.agents for span in one.present for time in span}
    times |= {start + ran for start, ran in zip(outcome.starts, workload.run_seconds, strict=True)}
    ordered = sorted(time for time in times if math.isfinite(time))
    for before, after in zip(ordered, [*ordered[1:], ordered[-1] + 1], strict=True):
        at = (before + after) / 2
        busy = Counter(
            outcome.agents[task]
            for task, start in enumerate(outcome.starts)
            if start <= at < start + workload.run_seconds[task]
        )
        for task, start in enumerate(outcome.starts):
            lane = workload.lane_names[workload.lanes[task]]
            if workload.enters[task] > at or start <= at:
                continue
            if is_paused(workload, "queue", lane.queue, at) or is_paused(workload, "type", lane.type, at):
                continue
            for place, one in enumerate(workload.agents):
                is_full = busy[place] >= one.slots.max_concurrency
                assert is_full or not is_there(workload, place, at) or not one.slots.can_take(lane)


def test_the_mean_wait_is_that_of_the_formula() -> None:
    """M/M/1: the mean wait is load / (1 − load) run times."""
    draw, at, tasks = random.Random(3), 0.0, []
    for _ in range(60_000):
        at += draw.expovariate(0.7)
        tasks.append(Made(at, draw.expovariate(1.0)))
    workload = workload_of(tasks, equal_agents(1))
    starts = Simulation(workload, everywhere("least_loaded")).run().starts
    waits = [start - ready for start, ready in zip(starts, workload.ready, strict=True)]
    assert statistics.fmean(waits) == pytest.approx(0.7 / 0.3, rel=0.1)


def test_queues_take_turns() -> None:
    lanes = [Lane(queue, "a.b") for queue in ("long", "short")]
    tasks = [Made(0.0 + i / 1e3, 1.0, lanes[0]) for i in range(40)] + [
        Made(1.5 + i / 1e3, 1.0, lanes[1]) for i in range(5)
    ]
    workload = workload_of(tasks, equal_agents(1))
    starts = Simulation(workload, everywhere("least_loaded")).run().starts
    of_short = [s for s, lane in zip(starts, workload.lanes, strict=True) if workload.lane_names[lane].queue == "short"]
    assert sorted(of_short)[-1] < 13.0  # every second turn is theirs


def test_an_agent_gets_its_turn_or_the_one_with_fewest_tasks() -> None:
    pair = [agent("agent-0", slots=2), agent("agent-1", slots=4)]
    workload = workload_of([Made(float(i), 100.0) for i in range(6)], pair)
    assert Simulation(workload, everywhere("least_loaded")).run().agents == [0, 1, 1, 0, 1, 1]
    assert Simulation(workload, everywhere("round_robin")).run().agents == [1, 0, 1, 0, 1, 1]


def test_a_strict_queue_keeps_priorities_apart() -> None:
    """Behind a long task: a low one, a high one, and an urgent one that comes much later."""
    tasks = [Made(0.0, 5_000.0), Made(1.0, 1.0, priority=0), Made(2.0, 1.0, priority=2), Made(4_900.0, 1.0, priority=3)]
    workload = workload_of(tasks, equal_agents(1))
    assert order_of(workload, "priority") == [0, 3, 2, 1]
    assert order_of(workload, "least_loaded") == [0, 2, 1, 3]


def order_of(workload: Workload, policy: str) -> list[int]:
    starts = Simulation(workload, everywhere(policy)).run().starts
    return sorted(range(len(starts)), key=lambda task: starts[task])


# the policy learned, on a workload of the shape of a cluster's log


def changed(workload: Workload, policy: str = "learned", **options: object) -> dict[str, float]:
    outcomes = {
        "fifo": Simulation(workload, everywhere("least_loaded")).run(),
        "other": Simulation(workload, everywhere(policy), **options).run(),  # type: ignore[arg-type]
    }
    [row] = compare(workload, outcomes)
    return {name: share or 0.0 for name, share in row.totals["other"].changes(row.totals["fifo"]).items()}


@pytest.mark.parametrize("load", [0.7, 0.85, 0.95])
def test_a_head_start_for_short_tasks_gains_much_and_costs_the_others_little(load: float) -> None:
    found = changed(cluster_log(load, seed=4))
    assert found["mean"] < -0.2
    assert found["p99"] < 0.03
    assert found["longest"] < 0.05


@pytest.mark.parametrize(("seed", "load"), [(4, 0.7), (4, 0.95), (2, 0.95), (10, 0.7)])
def test_wrong_predictions_cost_nothing(seed: int, load: float) -> None:
    workload, draw = cluster_log(load, seed=seed), random.Random(seed)
    for distorted in (lambda seconds: 1e6 / seconds, lambda _: math.exp(draw.gauss(5, 2))):
        found = changed(workload, distorted=distorted)
        assert abs(found["p99"]) < 0.01
        assert abs(found["longest"]) < 0.01


def test_without_waits_nothing_changes() -> None:
    workload = cluster_log(0.05, agents=100, count=1_000)
    assert changed(workload) == {"mean": 0, "p50": 0, "p95": 0, "p99": 0, "longest": 0}


def test_intervals_cover_what_they_say() -> None:
    workload = cluster_log(0.85, seed=4)
    found = coverage(workload, Simulation(workload, everywhere("learned")).run())
    assert found.overall.count + found.without == len(workload)
    assert 0.76 <= (found.overall.share or 0) <= 0.83
    assert sum(part.count for part in found.parts) == sum(one.count for one in found.by_type.values())
    assert len(found.parts) == PARTS
    assert all(0.7 < (part.share or 0) < 0.9 for part in found.parts)


@pytest.mark.parametrize("policy", POLICIES)
def test_urgent_tasks_go_first_under_every_policy(policy: str) -> None:
    draw = random.Random(8)
    tasks = [Made(i / 10, draw.lognormvariate(0, 1), priority=3 if i % 20 == 0 else 1) for i in range(2_000)]
    workload = workload_of(tasks, equal_agents(8))
    outcome = Simulation(workload, everywhere(policy)).run()
    rows = {row.priority: row.waits["it"].mean for row in compare(workload, {"it": outcome})}
    assert rows[3] < rows[1] / 10


# matching


@pytest.mark.parametrize("load", [0.85, 0.95])
def test_agents_that_differ_get_what_they_are_best_at(load: float) -> None:
    workload = many_types(load)
    for seed in (1, 2):
        with_unequal_agents(workload, seed)
        found = changed(workload, has_head_starts=False)
        assert found["mean"] < -0.3
        assert found["p99"] < -0.1


@pytest.mark.parametrize("has_many_types", [False, True])
def test_equal_agents_keep_the_order(has_many_types: bool) -> None:
    workload = cluster_log(0.85, seed=4)
    if has_many_types:
        with_many_types(workload)
    with_unequal_agents(workload, 1, 0.0, 0.0)
    found = changed(workload, has_head_starts=False)
    assert abs(found["mean"]) < 0.01
    assert abs(found["p99"]) < 0.02


def test_matching_looks_at_the_first_of_all_lines_that_an_agent_may_take() -> None:
    """Two agents, two types that go twice as fast on one of them, in lines of their own for their tags."""
    pair = [agent("agent-0", tags=("gpu",)), agent("agent-1", tags=("gpu",)), agent("agent-2", "none.such")]
    lanes = [Lane("default", "a.b"), Lane("default", "a.c", ("gpu",))]
    draw = random.Random(4)
    tasks = [Made(i * 0.62, draw.lognormvariate(0.2, 0.4), draw.choice(lanes)) for i in range(3_000)]
    workload = workload_of(tasks, pair)
    workload.run_factors = [
        [2.0 if (lane.type == "a.b") == (place == 0) else 1.0 for lane in workload.lane_names] for place in range(3)
    ]
    outcome = Simulation(workload, everywhere("learned")).run()
    fast = sum(
        workload.run_factors[place][lane] == 1.0 for place, lane in zip(outcome.agents, workload.lanes, strict=True)
    )
    assert fast > 0.8 * len(workload)


# figures


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200))
def test_figures_are_in_order(seconds: list[float]) -> None:
    found = Figures.of(seconds)
    assert min(seconds) <= found.p50 <= found.p95 <= found.p99 <= found.longest == max(seconds)
    assert min(seconds) * (1 - 1e-9) <= found.mean <= max(seconds) * (1 + 1e-9)
    assert found.changes(found) == {name: None if not getattr(found, name) else 0.0 for name in found.changes(found)}
    assert found.distrusted(found) == []


def test_a_replay_is_distrusted_beyond_a_tenth_and_a_second() -> None:
    recorded = Figures(10, 5.0, 5.0, 50.0, 50.0, 100.0)
    assert Figures(10, 5.9, 3.9, 54.0, 56.0, 91.0).distrusted(recorded) == ["p50", "p99"]
    assert Figures.of([]).count == 0


def test_only_counted_and_started_tasks_are_in_figures() -> None:
    workload = workload_of([Made(float(i), 1.0, priority=i % 2) for i in range(4)], equal_agents(1))
    workload.counted = [False, True, True, True]
    starts = {"x": [0.0, 2.0, math.nan, 4.0], "y": [0.0, 1.0, 2.0, 3.5]}
    rows = compare(workload, {name: Outcome(some, [0] * 4, workload.run_seconds) for name, some in starts.items()})
    assert [(row.queue, row.priority, row.waits["x"].count) for row in rows] == [(None, None, 2)]
    assert rows[0].waits["x"].mean == 1.0
    assert rows[0].totals["y"].longest == 1.5


@settings(max_examples=20)
@given(SEEDS, st.floats(0.1, 2.0))
def test_arrivals_are_spread_to_the_load(seed: int, load: float) -> None:
    draw = random.Random(seed)
    workload = workload_of(
        [Made(draw.uniform(5, 50), draw.uniform(0.1, 9)) for _ in range(30)], equal_agents(3, slots=2)
    )
    at_load(workload, load)
    assert sum(workload.run_seconds) / (workload.ready[-1] * 6) == pytest.approx(load)
    with pytest.raises(ValueError, match="no span"):
        at_load(workload_of([Made(1.0, 1.0)], equal_agents(1)), load)
