"""How many agents the backlog calls for: backlog × run time ÷ slots, and never fewer than run something."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.models import Lane
from taskyard.core.scheduling.agent_demand import AIM_SECONDS, UNKNOWN_SECONDS, KindDemand, agents_needed

CODER = KindDemand("coder", ("code.*",), frozenset({"python"}), 3)


def lane(task_type: str, *requires: str, queue: str = "default") -> Lane:
    return Lane(queue, task_type, requires)


@pytest.mark.parametrize(
    ("tasks", "seconds", "wanted"),
    [
        (0, 10.0, 0),
        (1, 0.001, 1),
        (18, AIM_SECONDS / 6, 1),  # 3 slots do 18 of these within the time aimed at
        (19, AIM_SECONDS / 6, 2),
        (100, 12.0, 7),  # 100 × 12 ÷ 60 = 20 slots of 3
    ],
)
def test_the_backlog_is_divided_by_the_slots(tasks: int, seconds: float, wanted: int) -> None:
    assert agents_needed([CODER], {lane("code.run"): tasks}, {"code.run": seconds}) == {"coder": wanted}


def test_what_runs_keeps_its_agents() -> None:
    spread = KindDemand("coder", ("code.*",), frozenset(), 3, running_tasks=4, busy_agents=4)
    assert agents_needed([spread], {}, {}) == {"coder": 4}
    full = KindDemand("coder", ("code.*",), frozenset(), 3, running_tasks=6, busy_agents=2)
    assert agents_needed([full], {lane("code.run"): 60}, {"code.run": 3.0}) == {"coder": 3}


def test_a_lane_counts_for_the_kinds_that_take_it() -> None:
    gpu = KindDemand("gpu", ("*",), frozenset({"gpu", "python"}), 1)
    backlog = {lane("code.run"): 12, lane("code.train", "gpu"): 3, lane("mail.send"): 6, lane("other", "tpu"): 99}
    seconds = {"code.run": 30.0, "code.train": 60.0, "mail.send": 10.0}
    # half of 12 × 30 s for each, and the rest for the one that takes it
    assert agents_needed([CODER, gpu], backlog, seconds) == {"coder": 1, "gpu": 3 + 3 + 1}


def test_queues_add_up_and_unknown_types_have_a_run_time() -> None:
    backlog = {lane("code.run", queue="a"): 9, lane("code.run", queue="b"): 9}
    assert agents_needed([CODER], backlog, {}) == {"coder": 1}
    assert agents_needed([CODER], {lane("code.run"): 18 * 2}, {}) == {"coder": 36 * UNKNOWN_SECONDS / AIM_SECONDS / 3}


@given(
    st.dictionaries(st.sampled_from(["code.run", "code.train", "mail.send"]), st.integers(0, 1_000_000)),
    st.integers(0, 50),
    st.integers(1, 64),
    st.floats(0, 1e6),
)
def test_more_work_never_calls_for_fewer_agents(tasks: dict[str, int], busy: int, slots: int, seconds: float) -> None:
    kind = KindDemand("coder", ("code.*",), frozenset(), slots, running_tasks=busy, busy_agents=busy)
    backlog = {lane(name): count for name, count in tasks.items()}
    known = dict.fromkeys(tasks, seconds)
    wanted = agents_needed([kind], backlog, known)["coder"]
    more = agents_needed([kind], {one: count + 1 for one, count in backlog.items()}, known)["coder"]
    assert busy <= wanted <= more
