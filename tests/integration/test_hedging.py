"""A second attempt runs beside a straggler where a slot is idle: the first result counts, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from taskyard.core.clock import Clock
from taskyard.core.errors import LeadershipLost
from taskyard.core.explain_prediction import running_text
from taskyard.core.models import Lane, Task
from taskyard.core.postgres.store import holds
from taskyard.core.scheduling import hedging as hedging_rules
from taskyard.core.scheduling.holds import HoldKind, HoldMode
from taskyard.core.views.attempts import attempts_of, name_of
from taskyard.worker.attempts.context import TaskContext
from taskyard.worker.dispatch import dispatcher, hedging
from taskyard.worker.failpoints import COMMITTED
from taskyard.worker.learning.learner import Learner
from tests.engine import Engine, Payload, RunningAgent
from tests.servers import wait_until


class Pages:
    """A handler that is quick, or waits until the test lets go of it; by agent and attempt what it does."""

    def __init__(self) -> None:
        self.go_on: dict[int, threading.Event] = {1: threading.Event(), 2: threading.Event(), 3: threading.Event()}
        self.started: list[int] = []
        self.cancelled: list[int] = []
        self.fails: set[int] = set()
        self.act: Callable[[TaskContext], object] = lambda context: None

    def __call__(self, given: Payload, context: TaskContext) -> Payload:
        if getattr(given, "waits", False):
            self.started.append(context.attempt)
            context.log(f"page of attempt {context.attempt}")
            while not self.go_on[context.attempt].wait(0.01):
                if context.cancelled:
                    self.cancelled.append(context.attempt)
                    context.raise_if_cancelled()
            if context.attempt in self.fails:
                raise ValueError("no such page")
            if context.attempt == 2:
                self.act(context)
        return Payload.model_validate({"by": context.attempt})


class Yard:
    """An engine whose tasks of type `h.page` are known to be quick, and the learner that says which are late."""

    def __init__(self, engine: Engine, pages: Pages) -> None:
        self.engine, self.pages = engine, pages
        engine.define("h.page", pages, idempotent=True)
        self.worker = engine.worker()
        self.agents: dict[str, RunningAgent] = {name: engine.agent(name) for name in ("agent-1", "agent-2")}
        self.learner = self.learner_of(self.worker)
        engine.wait_for_all([engine.submit("h.page", {"waits": False}) for _ in range(hedging_rules.MIN_RUNS + 5)])
        self.learner.run()

    def learner_of(self, worker: object) -> Learner:
        dispatcher = worker.dispatcher  # type: ignore[attr-defined]
        return Learner(self.engine.database, self.engine.broker, dispatcher, Clock(), self.engine.settings.placement_of)

    def straggle(self, **options: object) -> str:
        """A task that hangs."""
        task_id = self.engine.submit("h.page", {"waits": True}, **options)
        self.engine.wait_for(task_id, "in_progress")
        return task_id

    def hedged(self, **options: object) -> str:
        """A task that hangs twice, on different agents."""
        task_id = self.straggle(**options)
        self.look_until(lambda: self.pages.started == [1, 2])
        assert self.engine.task(task_id).attempt == 1
        return task_id

    def look_until(self, condition: Callable[[], object]) -> None:
        def looked() -> object:
            self.learner.run()
            return condition()

        wait_until(looked, 30)

    def events(self, task_id: str, *names: str) -> list[tuple[str, int | None]]:
        return [(event.event, event.attempt) for event in self.engine.history(task_id) if event.event in names]

    def reason(self, task_id: str) -> str:
        [event] = [event for event in self.engine.history(task_id) if event.event == "hedge_dropped"]
        return str((event.detail or {})["reason"])

    def agents_of(self, task_id: str) -> dict[int, str]:
        return {a: agent.id for agent in self.agents.values() for id_, a in agent.ran if id_ == task_id}

    def is_empty(self) -> bool:
        """Whether no agent is charged with anything, and nothing is remembered."""
        term = self.engine.workers[-1].dispatcher.term
        if term is None:
            return False
        state = term.leader_state
        return not len(state.hedges) and not any(agent.slots.open_tasks for agent in state.agents.values())


@pytest.fixture
def yard(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Yard]:
    monkeypatch.setattr(hedging, "MIN_RUN_SECONDS", 0.05)
    pages = Pages()
    try:
        yield Yard(engine, pages)
    finally:
        for event in pages.go_on.values():
            event.set()


def end_of(yard: Yard, task_id: str) -> Task:
    task = yard.engine.wait_for(task_id)
    wait_until(yard.is_empty)
    return task


def test_the_second_attempt_ends_first_and_counts(yard: Yard) -> None:
    task_id = yard.hedged()
    by = yard.agents_of(task_id)
    assert by[1].split(":")[0] != by[2].split(":")[0]
    yard.pages.go_on[2].set()
    task = end_of(yard, task_id)
    assert (task.state, task.output, task.attempt, task.refunded) == ("completed", {"by": 2}, 2, 1)
    assert task.assigned_agent_id == by[2]
    wait_until(lambda: yard.pages.cancelled == [1])
    assert yard.events(task_id, "hedged", "hedge_won", "hedge_dropped", "completed") == [
        ("hedged", 2),
        ("hedge_won", 2),
        ("completed", 2),
    ]
    assert {event.attempt for event in yard.engine.history(task_id) if event.event == "log"} == {1, 2}
    [won] = [event for event in yard.engine.history(task_id) if event.event == "hedge_won"]
    assert won.detail == {"beside": 1, "cancelled_agent": by[1]}
    told = attempts_of(task, yard.engine.history(task_id))
    assert [(one.number, one.outcome, one.agent) for one in told] == [
        (1, "hedge_won", name_of(by[1])),
        (2, "completed", name_of(by[2])),
    ]
    assert all(one.ended_at is not None for one in told)


def test_the_agent_of_a_second_attempt_is_seen_to_run_it(yard: Yard) -> None:
    task_id = yard.hedged()
    holder = yard.agents_of(task_id)[2]

    def is_seen() -> bool:
        [agent] = [agent for agent in yard.worker.dispatcher.agents_seen if agent.id == holder]
        running = [(task.task_id, task.attempt) for task in agent.tasks]
        return running == [(task_id, 2)] and agent.unstarted_seconds == 0.0

    wait_until(is_seen)
    task = yard.engine.task(task_id)
    assert task.second_agent_id == holder
    assert f"agent {holder.split(':')[0]} makes a second attempt" in running_text(task, "agent-x")
    yard.pages.go_on[1].set()
    assert end_of(yard, task_id).second_agent_id is None


def test_the_first_attempt_ends_first_after_all(yard: Yard) -> None:
    task_id = yard.hedged()
    yard.pages.go_on[1].set()
    task = end_of(yard, task_id)
    assert (task.state, task.output, task.attempt, task.refunded) == ("completed", {"by": 1}, 1, 0)
    wait_until(lambda: yard.pages.cancelled == [2])
    wait_until(lambda: ("hedge_dropped", 2) in yard.events(task_id, "hedge_dropped"))
    assert yard.reason(task_id) == "the attempt beside it has ended"


def test_a_second_attempt_that_fails_changes_nothing(yard: Yard) -> None:
    yard.pages.fails = {2}
    task_id = yard.hedged()
    yard.pages.go_on[2].set()
    wait_until(lambda: yard.events(task_id, "hedge_dropped") == [("hedge_dropped", 2)])
    assert yard.reason(task_id) == "it failed (transient): ValueError: no such page"
    yard.look_until(lambda: not len(yard.worker.dispatcher.term.leader_state.hedges))  # type: ignore[union-attr]
    assert yard.engine.task(task_id).state == "in_progress"
    yard.pages.go_on[1].set()
    assert end_of(yard, task_id).output == {"by": 1}
    assert yard.pages.started == [1, 2], "once for each attempt"


def test_the_second_attempt_goes_on_if_the_first_one_fails(yard: Yard) -> None:
    yard.pages.fails = {1}
    task_id = yard.hedged(max_attempts=1)
    yard.pages.go_on[1].set()
    wait_until(lambda: yard.engine.task(task_id).attempt == 2)
    task = yard.engine.task(task_id)
    assert (task.state, task.refunded, task.assigned_agent_id) == ("in_progress", 1, yard.agents_of(task_id)[2])
    yard.pages.go_on[2].set()
    task = end_of(yard, task_id)
    assert (task.state, task.output) == ("completed", {"by": 2})
    assert yard.events(task_id, "attempt_failed", "failed", "hedge_took_over", "completed") == [
        ("attempt_failed", 1),
        ("hedge_took_over", 2),
        ("completed", 2),
    ]


def test_the_task_fails_once_both_have(yard: Yard) -> None:
    yard.pages.fails = {1, 2}
    task_id = yard.hedged(max_attempts=1)
    yard.pages.go_on[1].set()
    wait_until(lambda: yard.engine.task(task_id).attempt == 2)
    yard.pages.go_on[2].set()
    assert end_of(yard, task_id).state == "failed"
    assert yard.pages.started == [1, 2]


def test_a_retry_after_both_costs_one_attempt(yard: Yard) -> None:
    yard.pages.fails = {1, 2}
    task_id = yard.hedged(max_attempts=2)
    for attempt in (1, 2, 3):
        yard.pages.go_on[attempt].set()
        wait_until(lambda attempt=attempt: yard.engine.task(task_id).attempt > attempt or attempt > 1)  # type: ignore[misc]
    task = end_of(yard, task_id)
    assert (task.state, task.output, task.attempt, task.refunded) == ("completed", {"by": 3}, 3, 1)


def test_a_checkpoint_of_the_second_attempt_is_not_saved_and_does_no_harm(yard: Yard) -> None:
    yard.pages.act = lambda context: context.checkpoint({"page": 7})
    task_id = yard.hedged()
    yard.pages.go_on[2].set()
    task = end_of(yard, task_id)
    assert (task.output, task.checkpoint) == ({"by": 2}, None)


def test_nothing_stale_is_said_of_those_that_were_cancelled(yard: Yard) -> None:
    won = yard.hedged()
    yard.pages.go_on[2].set()
    end_of(yard, won)
    wait_until(lambda: yard.pages.cancelled == [1])
    wait_until(lambda: not yard.engine.redis.xlen(yard.engine.broker.keys.results))
    assert yard.events(won, "stale_result") == []


def test_what_only_the_current_attempt_may_do_ends_the_second_one(yard: Yard) -> None:
    yard.pages.act = lambda context: context.submit("h.page")
    task_id = yard.hedged()
    yard.pages.go_on[2].set()
    wait_until(lambda: yard.events(task_id, "hedge_dropped") == [("hedge_dropped", 2)])
    assert "a second attempt may not" in yard.reason(task_id)
    yard.pages.go_on[1].set()
    assert end_of(yard, task_id).output == {"by": 1}


def test_a_task_that_is_cancelled_ends_both(yard: Yard) -> None:
    task_id = yard.hedged()
    yard.engine.submitter.cancel(task_id, actor="test")
    wait_until(lambda: sorted(yard.pages.cancelled) == [1, 2], 30)
    wait_until(lambda: yard.events(task_id, "hedge_dropped"))
    assert yard.reason(task_id) == "its task was cancelled"
    assert end_of(yard, task_id).state == "cancelled"


def test_the_agent_of_the_second_attempt_is_lost(yard: Yard) -> None:
    task_id = yard.hedged()
    other = next(a for a in yard.agents.values() if a.id == yard.agents_of(task_id)[2])
    other.stop(grace_seconds=0.0)
    wait_until(lambda: yard.events(task_id, "hedge_dropped") == [("hedge_dropped", 2)], 30)
    assert yard.engine.task(task_id).state == "in_progress"
    yard.pages.go_on[1].set()
    assert end_of(yard, task_id).output == {"by": 1}


def test_the_agent_of_the_first_attempt_is_lost(yard: Yard) -> None:
    task_id = yard.hedged(max_attempts=1)
    first = next(a for a in yard.agents.values() if a.id == yard.agents_of(task_id)[1])
    first.vanish()
    wait_until(lambda: yard.engine.task(task_id).attempt == 2, 30)
    yard.pages.go_on[2].set()
    task = end_of(yard, task_id)
    assert (task.output, task.attempt) == ({"by": 2}, 2)
    assert yard.pages.started == [1, 2]


def test_a_new_leader_knows_the_second_attempt(yard: Yard) -> None:
    task_id = yard.hedged()
    yard.worker.stop()
    yard.worker = yard.engine.worker("next")
    yard.learner = yard.learner_of(yard.worker)
    yard.learner.run()
    yard.pages.go_on[2].set()
    task = end_of(yard, task_id)
    assert (task.output, task.attempt) == ({"by": 2}, 2)
    wait_until(lambda: yard.pages.cancelled == [1])


def lost_after_commit(monkeypatch: pytest.MonkeyPatch, is_time: Callable[[], object]) -> None:
    """Ends the term once, between the commit of a tick and its publication."""
    is_done = threading.Event()

    def failpoint(place: str) -> None:
        if place == COMMITTED and not is_done.is_set() and is_time():
            is_done.set()
            raise LeadershipLost("its worker died")

    monkeypatch.setattr(dispatcher, "failpoint", failpoint)


def test_a_second_attempt_that_was_never_sent_is_dropped(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    task_id = yard.straggle()
    lost_after_commit(monkeypatch, lambda: yard.events(task_id, "hedged"))
    yard.look_until(lambda: yard.events(task_id, "hedge_dropped") == [("hedge_dropped", 2)])
    assert yard.reason(task_id) == "its agent does not have it"
    assert yard.engine.task(task_id).second_agent_id is None
    yard.pages.go_on[1].set()
    assert end_of(yard, task_id).output == {"by": 1}
    assert yard.pages.started == [1]


def test_the_loser_is_cancelled_even_if_nobody_was_told(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    task_id = yard.hedged()
    lost_after_commit(monkeypatch, lambda: yard.engine.task(task_id).state == "completed")
    yard.pages.go_on[2].set()
    task = end_of(yard, task_id)
    assert (task.output, task.attempt) == ({"by": 2}, 2)
    wait_until(lambda: yard.pages.cancelled == [1])


def test_a_wiped_redis_loses_neither(yard: Yard) -> None:
    task_id = yard.hedged()
    yard.engine.wipe_redis()
    yard.pages.go_on[1].set()
    yard.pages.go_on[2].set()
    yard.pages.go_on[3].set()
    assert end_of(yard, task_id).state == "completed"


def test_a_locked_row_delays_the_result_of_the_second_attempt(yard: Yard) -> None:
    task_id = yard.hedged()
    with yard.engine.database.transaction() as tx:
        tx.rows("SELECT FROM tasks WHERE id = %(id)s FOR UPDATE", {"id": task_id})
        yard.pages.go_on[2].set()
        wait_until(lambda: len(yard.worker.dispatcher.term.postponed) > 0)  # type: ignore[union-attr]
    task = end_of(yard, task_id)
    assert (task.state, task.output, task.attempt) == ("completed", {"by": 2}, 2)
    assert yard.events(task_id, "hedge_won", "stale_result")[0] == ("hedge_won", 2)


def test_types_that_do_not_say_so_get_no_second_attempt(yard: Yard) -> None:
    plain = Pages()
    yard.engine.define("h.plain", plain)
    yard.engine.wait_for_all([yard.engine.submit("h.plain", {"waits": False}) for _ in range(hedging_rules.MIN_RUNS)])
    task_id = yard.engine.submit("h.plain", {"waits": True})
    both = yard.hedged()
    plain.go_on[1].set()
    yard.pages.go_on[1].set()
    end_of(yard, both)
    assert end_of(yard, task_id).attempt == 1
    assert yard.events(task_id, "hedged") == []


def test_inputs_of_a_size_that_never_ran_get_none(yard: Yard) -> None:
    task_id = yard.engine.submit("h.page", {"waits": True, "text": "x" * 1_000})
    both = yard.straggle()
    yard.look_until(lambda: yard.events(both, "hedged"))
    for event in yard.pages.go_on.values():
        event.set()
    end_of(yard, both)
    assert end_of(yard, task_id).attempt == 1
    assert yard.events(task_id, "hedged") == []


def test_a_queue_on_hold_gets_none(yard: Yard) -> None:
    task_id = yard.straggle()
    with yard.engine.database.transaction() as tx:
        holds.hold(tx, HoldKind.QUEUE, "default", HoldMode.PAUSED, "test", "rest")
    term = yard.worker.dispatcher.term
    assert term is not None
    wait_until(lambda: term.leader_state.holds.of_lane(Lane("default", "h.page")) is not None)
    pair = task_id, 1
    yard.look_until(lambda: pair in yard.worker.dispatcher.hedging.stragglers)
    before = yard.worker.dispatcher.ticks
    wait_until(lambda: yard.worker.dispatcher.ticks > before + 5)
    assert yard.pages.started == [1]
    yard.pages.go_on[1].set()
    end_of(yard, task_id)
