"""`prove`'s own parts: an oracle that misses nothing, plans that repeat, records that survive."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from taskyard.core.redis.broker import Broker
from taskyard.worker import failpoints
from taskyard.worker.devtools.prove import api_server, oracle, plan, records, report
from taskyard.worker.devtools.prove.load import Probing
from taskyard.worker.devtools.prove.oracle import Outcome
from taskyard.worker.devtools.prove.run import Death, Findings
from taskyard.worker.devtools.prove.workflows import plan as workflow_plan
from taskyard.worker.devtools.prove.world import World
from tests.servers import wait_until

GOOD = {"a": Outcome("completed", 1, 1), "b": Outcome("failed", 1, 1), "c": Outcome("completed", 3, 1)}
ACCEPTED: dict[str, dict[str, Any]] = {"a": {}, "b": {"hopeless": True}, "c": {"failures": 1}}
LEDGER = [["a", 1, 10], ["b", 1, 10], ["c", 1, 11], ["c", 3, 11]]


def verdict(
    outcomes: dict[str, Outcome] = GOOD, leader_state: list[list[Any]] = LEDGER, kills: int = 1
) -> oracle.Verdict:
    return oracle.judge(ACCEPTED, outcomes, leader_state, kills=kills, slots=2)


def test_a_kept_promise() -> None:
    found = verdict()
    assert found.is_kept
    assert (found.accepted, found.completed, found.failed, found.expected_failures) == (3, 2, 1, 1)
    assert (found.executions, found.extra_executions, found.extra_bound) == (4, 0, 2)


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"a": None}, "lost"),
        ({"a": Outcome("in_progress", 1, 0)}, "stuck"),
        ({"a": Outcome("completed", 1, 2)}, "double_accepted"),
        ({"a": Outcome("completed", 1, 0)}, "double_accepted"),
        ({"a": Outcome("failed", 1, 1)}, "wrongly_ended"),
        ({"b": Outcome("completed", 1, 1)}, "wrongly_ended"),
        ({"a": Outcome("completed", 2, 1)}, "never_run"),
    ],
)
def test_the_oracle_sees_what_is_wrong_in_the_database(changed: dict[str, Outcome | None], complaint: str) -> None:
    outcomes = {id_: outcome for id_, outcome in {**GOOD, **changed}.items() if outcome is not None}
    found = verdict(outcomes)
    assert not found.is_kept
    assert getattr(found, complaint) == list(changed)


def test_the_oracle_sees_an_attempt_that_ran_twice() -> None:
    found = verdict(leader_state=[*LEDGER, ["a", 1, 99]])
    assert not found.is_kept
    assert found.run_twice == ["a"]


def test_the_oracle_counts_executions_beyond_what_the_kills_explain() -> None:
    more = [["a", attempt, 10] for attempt in range(2, 5)]
    found = verdict(leader_state=[*LEDGER, *more], kills=1)
    assert (found.extra_executions, found.extra_bound, found.is_kept) == (3, 2, False)
    assert verdict(leader_state=[*LEDGER, *more], kills=2).is_kept


def test_a_seed_repeats_the_decisions() -> None:
    for decide in (plan.kills, plan.tasks):
        first, again, other = (list(itertools.islice(decide(seed), 50)) for seed in (7, 7, 8))  # type: ignore[operator]
        assert first == again != other


def test_a_seed_repeats_the_workflows_and_all_manners_have_their_turn(tmp_path: Path) -> None:
    rounds = len(workflow_plan.ANSWERING)  # enough for each manner of answering
    first, again, other = (
        list(itertools.islice(workflow_plan.workflows(seed, tmp_path), rounds * len(workflow_plan.ROUND)))
        for seed in (7, 7, 8)
    )
    assert first == again != other
    assert {one.manner for one in first} == set(workflow_plan.MANNERS)
    asked = {one.tasks["ask"]["input"]["manner"] for one in first if one.manner == workflow_plan.ASKING}
    assert asked == set(workflow_plan.ANSWERING)
    assert len({one.title for one in first}) == len(first)


def test_every_kind_and_way_has_its_turn() -> None:
    planned = list(itertools.islice(plan.kills(3), len(plan.KINDS) * 4))
    assert {(kill.kind, kill.way) for kill in planned} == {
        (kind, way) for kind in plan.KINDS for way in plan.WAYS[kind]
    }
    assert {kind: sum(kill.kind == kind for kill in planned) for kind in plan.KINDS} == dict.fromkeys(plan.KINDS, 4)


def test_with_an_engine_its_seats_and_nodes_have_their_turn_too() -> None:
    planned = list(itertools.islice(plan.kills(3, tuple(plan.WAYS_OF_ALL)), len(plan.WAYS_OF_ALL) * 2))
    assert {(kill.kind, kill.way) for kill in planned if kill.kind in plan.ENGINE_WAYS} == {
        (plan.SEAT, "SIGKILL"),
        (plan.SEAT, "the engine's process"),
        (plan.NODE, "SIGKILL"),
    }
    findings = Findings(3, deaths=[Death(kill, "", 0.0, 0.0, 1.0) for kill in planned])
    assert report.as_json(findings)["kills"] == dict.fromkeys(plan.WAYS_OF_ALL, 2)
    assert report.as_json(Findings(3))["kills"] == dict.fromkeys(plan.KINDS, 0)


def test_only_the_chosen_kinds_are_planned() -> None:
    planned = list(itertools.islice(plan.kills(3, (plan.API, plan.REDIS)), 6))
    assert [kill.kind for kill in planned].count(plan.API) == 3
    assert {(kill.kind, kill.way) for kill in planned} == {
        (plan.API, "SIGKILL"),
        (plan.REDIS, "SIGKILL"),
        (plan.REDIS, "FLUSHALL"),
    }


TITLED = [("a", "first"), ("b", "second")]


def titles(stored: dict[str, str]) -> oracle.Verdict:
    found = verdict()
    oracle.judge_titles(found, TITLED, stored)
    return found


def test_the_oracle_sees_a_submission_that_a_client_doubled() -> None:
    kept = titles({"a": "first", "b": "second", "given up": "third"})
    assert (kept.is_kept, kept.doubled, kept.mixed_up) == (True, [], [])
    accepted_twice = titles({"a": "first", "b": "second", "other": "second"})
    assert (accepted_twice.is_kept, accepted_twice.doubled) == (False, ["second"])
    given_up_but_stored_twice = titles({"a": "first", "b": "second", "c": "third", "d": "third"})
    assert (given_up_but_stored_twice.is_kept, given_up_but_stored_twice.doubled) == (False, ["third"])


@pytest.mark.parametrize("stored", [{"a": "second", "b": "first"}, {"a": "first"}])
def test_the_oracle_sees_an_id_that_is_not_of_its_submission(stored: dict[str, str]) -> None:
    found = titles(stored)
    assert not found.is_kept
    assert found.mixed_up == [task_id for task_id, title in TITLED if stored.get(task_id) != title]


def test_a_line_that_was_cut_off_is_no_record(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    assert records.read(path) == []
    records.append(path, ["a", 1])
    records.append(path, ["b", 2])
    with path.open("ab") as file:
        file.write(b'["c"')
    assert records.read(path) == [["a", 1], ["b", 2]]


def test_a_failpoint_kills_once_and_only_where_it_is_armed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[int] = []
    monkeypatch.setattr(failpoints.os, "kill", lambda pid, number: killed.append(number))
    failpoints.failpoint(failpoints.COMMITTED)  # not asked for at all
    monkeypatch.setattr(failpoints, "_folder", tmp_path)
    failpoints.arm(tmp_path, failpoints.COMMITTED)
    for place in failpoints.PLACES * 2:
        failpoints.failpoint(place)
    assert killed == [failpoints.signal.SIGKILL]
    failpoints.arm(tmp_path, failpoints.PUBLISHED)
    failpoints.disarm(tmp_path)
    failpoints.failpoint(failpoints.PUBLISHED)
    assert len(killed) == 1


def test_a_failed_probe_is_explained_by_a_server_that_was_down_and_by_nothing_else() -> None:
    kill = plan.Kill(plan.POSTGRES, "fast", 0.0, 0.0)
    findings = Findings(1, deaths=[Death(kill, "", at=10.0, ready=12.0, recovery_seconds=1.0)])
    during, after = Probing(11.0, 5.0, False, False, "away"), Probing(20.0, 5.0, False, False, "?")
    findings.probings = [during, after, Probing(21.0, 0.1, True, True)]
    assert findings.unexplained == [after]


def test_a_death_of_the_api_explains_what_its_clients_gave_up_and_no_failed_probe() -> None:
    death = Death(plan.Kill(plan.API, "SIGKILL", 0.0, 0.0), "", at=10.0, ready=10.0, recovery_seconds=3.0)
    findings = Findings(1, deaths=[death])
    during, after = Probing(11.0, 30.0, False, False, "away"), Probing(50.0, 30.0, False, False, "?")
    findings.clients.given_up = [during, after]
    assert findings.unexplained == [after]
    findings.probings = [during]
    assert findings.unexplained == [during, after]


def test_the_api_dies_while_a_client_waits_for_its_answer() -> None:
    started: list[str] = []

    def start(variables: dict[str, str]) -> subprocess.Popen[bytes]:
        started.append(variables["TASKYARD_API_PORT"])
        code = f"import signal, socket; s = socket.create_server(({api_server.HOST!r}, {started[-1]})); signal.pause()"
        return subprocess.Popen([sys.executable, "-c", code])

    server = api_server.ApiServer(start)
    try:
        server.tend()
        server.tend()
        wait_until(server.is_up, 30)
        with server.sending():
            assert server.kill(0.0).startswith("api ")
        assert server.cut_off == 1
        assert not server.is_up()
        server.tend()
        assert started == [str(server.port)] * 2
    finally:
        server.stop()


def test_an_availability_that_nobody_asked_for_is_not_given() -> None:
    assert report.as_json(Findings(1))["availability"] == {"patient": None, "first_try": None}


def test_what_is_left_has_time_to_go(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = [2, 1, 0]
    left = SimpleNamespace(leftovers=lambda: {"inbox entries": counts.pop(0) if counts else 0})
    monkeypatch.setattr(World, "tend", lambda world: None)
    world = World.__new__(World)
    world.broker = cast(Broker, left)
    assert world.leftovers() == {"inbox entries": 0}
    assert counts == []


FIRES = {"a": [(1.0, "t1"), (2.0, "t2"), (3.0, "t3")], "b": [(1.5, "t4")]}


def fires(
    times: dict[str, list[tuple[float, str]]], tasks: list[str], *, has_steady_clock: bool = True
) -> oracle.Verdict:
    found = oracle.Verdict(0, 0, 0, 0, 0, 0, 0)
    oracle.judge_fires(found, times, tasks, 1.0, has_steady_clock=has_steady_clock)
    return found


def test_each_fire_time_has_one_task() -> None:
    assert fires(FIRES, ["t1", "t2", "t3", "t4"]).is_kept
    assert fires(FIRES, ["t1", "t2", "t3", "t4", "t5"]).fired_twice == ["t5 has 0 fire times"]
    assert fires({**FIRES, "b": [(1.5, "t1")]}, ["t1", "t2", "t3"]).fired_twice == ["t1 has 2 fire times"]
    assert fires(FIRES, ["t1", "t2", "t4"]).not_fired == ["t3 of a fire time is missing"]
    gap = {"a": [(1.0, "t1"), (3.0, "t3")]}
    assert fires(gap, ["t1", "t3"]).not_fired == ["a: nothing from 1.000 to 3.000"]
    assert fires(gap, ["t1", "t3"], has_steady_clock=False).is_kept
