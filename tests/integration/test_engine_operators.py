"""What operators do to tasks, and in which order and where tasks run."""

from __future__ import annotations

import threading

import msgspec
import pytest
from msgspec import Raw

from taskyard.core.config import Settings
from taskyard.core.errors import IllegalTransition, PermanentError, TaskNotFound
from taskyard.core.protocol import Done, Run, encode
from taskyard.core.redis.broker import PAYLOAD
from taskyard.worker.attempts.channel import AgentChannel
from taskyard.worker.attempts.context import TaskContext
from tests.engine import Engine, InlineAgent, Payload, RunningAgent
from tests.gates import Gate
from tests.servers import wait_until


@pytest.fixture
def engine(engine: Engine) -> Engine:
    """With a worker."""
    engine.worker()
    return engine


def test_cancelled_waiting_task_never_runs(engine: Engine, gate: Gate) -> None:
    waiting = engine.submit("demo.gate", {"n": 1})
    delayed = engine.submit("demo.gate", {"n": 2}, delay_seconds=0.3)
    for task_id in (waiting, delayed):
        engine.submitter.cancel(task_id, actor="me", reason="not needed")
    gate.open.set()
    engine.agent()
    last = engine.submit("demo.gate", {"n": 3}, delay_seconds=0.5)
    engine.wait_for(last, "completed")
    assert gate.order == [3]
    task = engine.task(waiting)
    assert (task.state, task.attempt, task.error) == ("cancelled", 0, {"class": "cancelled", "message": "not needed"})
    (event,) = [e for e in engine.history(waiting) if e.event == "cancelled"]
    assert (event.actor, event.from_state, event.detail) == ("me", "pending", {"reason": "not needed"})


def test_cancelled_running_task_stops_and_stays_cancelled(engine: Engine, gate: Gate) -> None:
    engine.agent(max_concurrency=1)
    task_id = engine.submit("demo.gate", {"n": 1})
    engine.wait_for(task_id, "in_progress")
    engine.submitter.cancel(task_id, actor="me")
    assert engine.task(task_id).state == "cancelled"
    assert gate.saw_cancel.wait(2)
    wait_until(lambda: "stale_result" in engine.events(task_id))
    assert engine.task(task_id).state == "cancelled"
    assert engine.events(task_id) == ["submitted", "assigned", "started", "cancelled", "stale_result"]
    gate.open.set()  # its slot is free again
    assert engine.wait_for(engine.submit("demo.gate", {"n": 2})).state == "completed"


def test_cancel_reaches_the_agent_without_the_hint(engine: Engine, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.broker, "send_cancel", lambda *given: None)
    engine.agent()
    task_id = engine.submit("demo.gate")
    engine.wait_for(task_id, "in_progress")
    engine.submitter.cancel(task_id, actor="me")
    assert gate.saw_cancel.wait(5)
    assert engine.task(task_id).state == "cancelled"


def test_cancel_of_a_parent_cancels_what_waits_for_it(engine: Engine) -> None:
    parent = engine.submit("demo.gate")
    child = engine.submit("demo.gate", after=[parent])
    grandchild = engine.submit("demo.gate", after=[child])
    engine.submitter.cancel(parent, actor="me")
    assert [engine.task(task_id).state for task_id in (parent, child, grandchild)] == ["cancelled"] * 3
    assert engine.events(grandchild) == ["submitted", "cancelled"]


def test_failed_parent_cancels_what_waits_for_it(engine: Engine) -> None:
    def fail(given: Payload, context: TaskContext) -> Payload:
        raise PermanentError("no use")

    engine.define("demo.fail", fail)
    parent = engine.submit("demo.fail")
    child = engine.submit("demo.gate", after=[parent])
    grandchild = engine.submit("demo.gate", after=[child])
    engine.agent()
    assert engine.wait_for(parent).state == "failed"
    assert [engine.task(task_id).state for task_id in (child, grandchild)] == ["cancelled"] * 2


def test_retry_by_an_operator_gives_a_new_budget(engine: Engine, gate: Gate) -> None:
    def fail(given: Payload, context: TaskContext) -> Payload:
        if context.attempt < 4:
            raise RuntimeError("not yet")
        return Payload(attempt=context.attempt)

    engine.define("demo.fail", fail)
    engine.agent()
    failed = engine.submit("demo.fail", max_attempts=2)
    assert engine.wait_for(failed).attempt == 2
    engine.submitter.retry(failed, actor="me", reason="fixed")
    task = engine.wait_for(failed, "completed")
    assert (task.attempt, task.refunded, task.output, task.error) == (4, 2, {"attempt": 4}, None)
    assert engine.events(failed)[4:] == ["failed", "retried", "assigned", "attempt_failed", "assigned", "completed"]


def test_retry_of_a_cancelled_task(engine: Engine, gate: Gate) -> None:
    gate.open.set()
    cancelled = engine.submit("demo.gate")
    engine.submitter.cancel(cancelled, actor="me")
    engine.submitter.retry(cancelled, actor="me")
    engine.agent()
    assert engine.wait_for(cancelled, "completed").attempt == 1


def test_operations_that_the_state_forbids_are_refused(engine: Engine, gate: Gate) -> None:
    engine.agent()
    running = engine.submit("demo.gate")
    engine.wait_for(running, "in_progress")
    with pytest.raises(IllegalTransition, match="is in_progress; only failed or cancelled tasks can be retried"):
        engine.submitter.retry(running, actor="me")
    with pytest.raises(IllegalTransition, match="can change their priority"):
        engine.submitter.reprioritise(running, "high", actor="me")
    gate.open.set()
    engine.wait_for(running, "completed")
    with pytest.raises(IllegalTransition, match="is completed; only unfinished tasks can be cancelled"):
        engine.submitter.cancel(running, actor="me")
    with pytest.raises(TaskNotFound):
        engine.submitter.cancel("01890000-0000-7000-8000-000000000000", actor="me")


def test_change_of_priority_reorders(engine: Engine, gate: Gate) -> None:
    ids = [engine.submit("demo.gate", {"n": n}) for n in range(4)]
    engine.submitter.reprioritise(ids[3], "high", actor="me")
    engine.submitter.reprioritise(ids[0], "low", actor="me")
    gate.open.set()
    engine.agent(max_concurrency=1)
    engine.wait_for_all(ids)
    assert gate.order == [3, 1, 2, 0]
    (event,) = [e for e in engine.history(ids[3]) if e.event == "reprioritised"]
    assert (event.actor, event.detail) == ("me", {"from": 1, "to": 2})


def test_change_of_priority_of_a_delayed_task(engine: Engine, gate: Gate) -> None:
    task_id = engine.submit("demo.gate", delay_seconds=0.3)
    engine.submitter.reprioritise(task_id, "urgent", actor="me")
    gate.open.set()
    engine.agent()
    assert engine.wait_for(task_id).state == "completed"
    assert gate.order == [None]


def test_urgent_task_overtakes(engine: Engine, gate: Gate) -> None:
    engine.agent(max_concurrency=1)
    first = engine.submit("demo.gate", {"n": "first"})
    engine.wait_for(first, "in_progress")
    ids = [engine.submit("demo.gate", {"n": n}) for n in range(5)]
    urgent = engine.submit("demo.gate", {"n": "urgent"}, priority="urgent")
    gate.open.set()
    engine.wait_for_all([*ids, urgent])
    assert gate.order == ["first", "urgent", 0, 1, 2, 3, 4]


def test_tasks_go_only_to_agents_with_their_tags_and_types(engine: Engine, gate: Gate) -> None:
    gate.open.set()
    plain = engine.agent("plain", tags=["cpu"])
    tagged = [engine.submit("demo.gate", {"n": n}, requires=["gpu", "big"]) for n in range(5)]
    untagged = engine.submit("demo.gate", {"n": "any"})
    assert engine.wait_for(untagged).state == "completed"
    engine.agent("other-type", types=["other.*"], tags=["gpu", "big"])
    assert {engine.task(task_id).state for task_id in tagged} == {"pending"}
    able = engine.agent("able", tags=["big", "gpu", "cpu"])
    engine.wait_for_all(tagged)
    assert plain.ran == [(untagged, 1)]
    assert sorted(able.ran) == sorted((task_id, 1) for task_id in tagged)


def test_drained_agent_hands_back_what_does_not_end_in_time(engine: Engine, gate: Gate) -> None:
    first = engine.agent("first", max_concurrency=3)
    running = [engine.submit("demo.gate", {"n": n}) for n in range(3)]
    for task_id in running:
        engine.wait_for(task_id, "in_progress")
    second = engine.agent("second")
    stopping = threading.Thread(target=first.stop, args=(0.1,))
    stopping.start()
    for task_id in running:
        wait_until(lambda task_id=task_id: (task_id, 2) in second.ran)
        engine.wait_for(task_id, "in_progress")
    gate.open.set()
    engine.wait_for_all(running)
    stopping.join()
    for task_id in running:
        task = engine.task(task_id)
        assert (task.attempt, task.refunded) == (2, 1)
        assert [e for e in engine.events(task_id) if e != "stale_result"] == [
            "submitted",
            "assigned",
            "started",
            "handed_back",
            "assigned",
            "started",
            "completed",
        ]


def test_drained_agent_hands_unstarted_work_back(engine: Engine, gate: Gate) -> None:
    def short_at_first(given: Payload, context: TaskContext) -> Payload:
        never.wait(0.002)  # not so short that a slot takes several at once
        return gate(given, context)

    never = threading.Event()
    engine.define("demo.short", short_at_first)
    gate.open.set()
    first = engine.agent("first", max_concurrency=2)
    engine.wait_for_all(engine.submitter.submit_many([{"type": "demo.short"} for _ in range(30)]))
    gate.open.clear()
    ids = engine.submitter.submit_many([{"type": "demo.short"} for _ in range(5)])
    wait_until(lambda: set(first.agent.health().held) == {(task_id, 1) for task_id in ids})
    second = engine.agent("second")
    stopping = threading.Thread(target=first.stop, args=(5.0,))
    stopping.start()
    wait_until(lambda: len(second.ran) == 3)
    gate.open.set()
    engine.wait_for_all(ids)
    stopping.join()
    tasks = [engine.task(task_id) for task_id in ids]
    assert sorted((task.attempt, task.refunded) for task in tasks) == [(1, 0)] * 2 + [(2, 1)] * 3
    (handed_back,) = [e for e in engine.history(second.ran[0][0]) if e.event == "handed_back"]
    assert handed_back.detail == {"reason": "its agent handed it back"}


class SwiftAgent(InlineAgent):
    """One whose runs count as short, however busy the machine is."""

    def execute(self, slot: int, run: Run, channel: AgentChannel) -> Done | None:
        done = super().execute(slot, run, channel)
        return done and msgspec.structs.replace(done, run_seconds=1e-5)


@pytest.mark.parametrize("ends_in_time", [False, True])
def test_drain_in_the_middle_of_a_batch_hands_the_rest_back(engine: Engine, gate: Gate, ends_in_time: bool) -> None:
    gate.open.set()
    first = engine.agent("first", max_concurrency=1, agent_class=SwiftAgent)
    engine.wait_for(engine.submit("demo.gate"))
    gate.open.clear()  # known as so short now that the slot starts several at once
    ids = engine.submitter.submit_many([{"type": "demo.gate"} for _ in range(6)])
    for task_id in ids:
        engine.wait_for(task_id, "in_progress")
    second = engine.agent("second", max_concurrency=6)
    stopping = threading.Thread(target=first.stop, args=(5.0 if ends_in_time else 0.2,))
    stopping.start()
    wait_until(lambda: first.agent.health().draining)
    if ends_in_time:
        gate.open.set()
    wait_until(lambda: len(second.ran) == (5 if ends_in_time else 6))
    gate.open.set()
    engine.wait_for_all(ids)
    stopping.join()
    used = sorted((engine.task(task_id).attempt, engine.task(task_id).refunded) for task_id in ids)
    assert used == [(1, 0)] * ends_in_time + [(2, 1)] * len(second.ran)


def test_order_that_reaches_a_draining_agent_goes_back_at_once(engine: Engine, gate: Gate) -> None:
    agent = engine.agent(max_concurrency=1)
    running = engine.submit("demo.gate")
    engine.wait_for(running, "in_progress")
    stopping = threading.Thread(target=agent.stop, args=(5.0,))
    stopping.start()
    wait_until(lambda: agent.agent.health().draining)
    late = Run("0190a000-0000-7000-8000-000000000000", 1, "demo.gate", Raw(b"{}"), 60.0, None, 1)
    entry = engine.redis.xadd(engine.broker.keys.inbox(agent.id), {PAYLOAD: encode([late])})
    wait_until(lambda: agent.agent.health().read_position == entry.decode())
    assert agent.agent.health().held == [(running, 1)]
    gate.open.set()
    stopping.join()
    assert agent.ran == [(running, 1)]
    assert engine.wait_for(running).state == "completed"


def test_no_attempt_is_burnt_by_agents_that_come_and_go(engine: Engine) -> None:
    """Short tasks are taken many at a time; a drain in the middle of such a batch loses none of them."""

    def tick(given: Payload, context: TaskContext) -> Payload:
        return given

    engine.define("demo.tick", tick)
    engine.agent("steady")
    ids = engine.submitter.submit_many([{"type": "demo.tick"} for _ in range(6_000)])
    for number in range(5):
        passing = engine.agent(f"passing-{number}")
        wait_until(lambda passing=passing: passing.ran or engine.counts() == {"completed": 6_000})
        passing.stop()
    wait_until(lambda: engine.counts() == {"completed": 6_000}, 20)
    with engine.database.transaction() as tx:
        used = tx.rows("SELECT max(attempt - refunded) FROM tasks", {})
        events = tx.rows("SELECT event FROM task_events WHERE event IN ('attempt_failed', 'stale_result')", {})
    assert (used[0][0], list(events)) == (1, [])
    assert len(ids) == 6_000


class TestPlacement:
    """The three policies, end to end: agents with three slots each, tasks that hold their slot."""

    @pytest.fixture
    def policy(self, request: pytest.FixtureRequest) -> str:
        return request.param

    @pytest.fixture
    def settings(self, settings: Settings, policy: str) -> Settings:
        return settings.model_copy(update={"placement_by_queue": {"here": policy}})

    def _agents(self, engine: Engine) -> list[RunningAgent]:
        return [engine.agent(f"agent-{n}", max_concurrency=n) for n in (2, 4)]

    @pytest.mark.parametrize("policy", ["round_robin"], indirect=True)
    def test_round_robin_takes_turns(self, engine: Engine, gate: Gate) -> None:
        small, large = self._agents(engine)
        for n in range(4):
            engine.wait_for(engine.submit("demo.gate", {"n": n}, queue="here"), "in_progress")
        assert (len(small.ran), len(large.ran)) == (2, 2)

    @pytest.mark.parametrize("policy", ["least_loaded"], indirect=True)
    def test_least_loaded_fills_agents_evenly(self, engine: Engine, gate: Gate) -> None:
        small, large = self._agents(engine)
        for n in range(3):
            engine.wait_for(engine.submit("demo.gate", {"n": n}, queue="here"), "in_progress")
        assert (len(small.ran), len(large.ran)) == (1, 2)

    @pytest.mark.parametrize("policy", ["priority"], indirect=True)
    def test_priority_goes_before_any_age(self, engine: Engine, gate: Gate) -> None:
        low = engine.submit("demo.gate", {"n": "low"}, queue="here", priority="low")
        with engine.database.transaction() as tx:
            tx.rows("UPDATE tasks SET ready_at = now() - interval '30 days' WHERE id = %(id)s", {"id": low})
        rest = [engine.submit("demo.gate", {"n": name}, queue="here", priority=name) for name in ("medium", "high")]
        engine.submitter.wake([low])
        gate.open.set()
        engine.agent(max_concurrency=1)
        engine.wait_for_all([low, *rest])
        assert gate.order == ["high", "medium", "low"]
