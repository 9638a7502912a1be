"""Sequences of steps and deaths that Hypothesis makes up, on a real PostgreSQL and a real Redis.

TASKYARD_TEST_SEQUENCES says how many; a failing one is shown as a program of steps, and repeated
first the next time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import ClassVar

import hypothesis
from hypothesis import HealthCheck
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from taskyard.core.config import Settings
from taskyard.core.errors import ErrorClass, IllegalTransition, SubmissionError
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.pools import connect_engine
from taskyard.core.schedules.schedule import OF_A_SCHEDULE, Overlap
from taskyard.core.states import TERMINAL
from tests.chaos.stage import OF_WORKFLOWS, TYPE, Stage, StepAgent
from tests.effort import SEQUENCES

STEPS = 40
SETTLING_ROUNDS = 60
EITHER = st.integers(0, 1)
FAILURES = st.sampled_from([None, None, ErrorClass.TRANSIENT, ErrorClass.PERMANENT])


class Sequence(RuleBasedStateMachine):
    """What may happen, in any order."""

    config: ClassVar[Settings]
    database: ClassVar[Database]

    def __init__(self) -> None:
        super().__init__()
        self.stage = Stage(self.config, self.database)
        self.engine = connect_engine(self.database.url)
        self.ids: list[str] = []

    def teardown(self) -> None:
        try:
            self.everything_ends_once()
        finally:
            self.stage.close()
            self.engine.dispose()

    # submitters and operators

    @rule(key=st.none() | st.sampled_from(["one", "two"]), max_attempts=st.integers(1, 3))
    def submit(self, key: str | None, max_attempts: int) -> None:
        with suppress(SubmissionError):  # a key that was used with other content
            self.ids.append(self.stage.submitter.submit(TYPE, idempotency_key=key, max_attempts=max_attempts))

    @rule()
    def submit_and_die_before_the_push(self) -> None:
        with self.engine.begin() as connection:
            self.ids.append(self.stage.submitter.submit(TYPE, connection=connection))

    @rule()
    def submit_for_later(self) -> None:
        self.ids.append(self.stage.submitter.submit(TYPE, delay_seconds=0.02))

    @rule(which=st.integers(0))
    def submit_after_another(self, which: int) -> None:
        if self.ids:
            with suppress(SubmissionError):  # the other one failed or was cancelled
                self.ids.append(self.stage.submitter.submit(TYPE, after=[self.ids[which % len(self.ids)]]))

    @rule(which=st.integers(0))
    def cancel(self, which: int) -> None:
        if self.ids and not self.stage.is_held(self.ids[which % len(self.ids)]):  # an operator waits for the row
            with suppress(IllegalTransition):
                self.stage.submitter.cancel(self.ids[which % len(self.ids)], actor="somebody")

    @rule(which=st.integers(0))
    def retry(self, which: int) -> None:
        if self.ids and not self.stage.is_held(self.ids[which % len(self.ids)]):
            with suppress(IllegalTransition):
                self.stage.submitter.retry(self.ids[which % len(self.ids)], actor="somebody")

    @rule(name=st.sampled_from([one.value for one in Overlap]), seconds=st.integers(0, 4), of_workflows=st.booleans())
    def fire_times_come(self, name: str, seconds: int, of_workflows: bool) -> None:
        self.stage.make_due(name + OF_WORKFLOWS * of_workflows, seconds)

    @rule()
    def workflows_are_submitted(self) -> None:
        self.stage.submit_workflows()

    @rule()
    def the_submission_of_workflows_dies(self) -> None:
        self.stage.submit_workflows_and_die()

    # workers

    @rule(which=EITHER, times=st.integers(1, 3))
    def tick(self, which: int, times: int) -> None:
        for _ in range(times):
            self.stage.workers[which].tick()

    @rule(which=EITHER)
    def worker_dies(self, which: int) -> None:
        self.stage.workers[which].give_up()

    @rule(which=EITHER)
    def worker_dies_between_commit_and_publication(self, which: int) -> None:
        worker = self.stage.workers[which]
        worker.broker.breaks = True
        worker.tick()
        worker.broker.breaks = False

    # agents

    def _awake(self, which: int) -> Iterator[StepAgent]:
        agent = self.stage.agents[which]
        if not agent.is_frozen:
            yield agent

    @rule(which=EITHER)
    def agent_beats(self, which: int) -> None:
        for agent in self._awake(which):
            agent.beat()

    @rule(which=EITHER)
    def agent_reads_and_starts(self, which: int) -> None:
        for agent in self._awake(which):
            agent.read()
            agent.start()

    @rule(which=EITHER)
    def agent_reads(self, which: int) -> None:
        for agent in self._awake(which):
            agent.read()

    @rule(which=EITHER, how=FAILURES, times=st.integers(1, 2))
    def agent_finishes(self, which: int, how: ErrorClass | None, times: int) -> None:
        for agent in self._awake(which):
            if agent.running:
                agent.finish(agent.running[0], how, times=times)

    @rule(which=EITHER)
    def agent_hands_back(self, which: int) -> None:
        for agent in self._awake(which):
            agent.hand_back()

    @rule(which=EITHER, is_reported=st.booleans())
    def agent_dies(self, which: int, is_reported: bool) -> None:
        self.stage.agents[which].is_frozen = False
        self.stage.agents[which].crash(is_reported=is_reported)

    @rule(which=EITHER)
    def agent_freezes_or_goes_on(self, which: int) -> None:
        self.stage.agents[which].is_frozen = not self.stage.agents[which].is_frozen

    # the world

    @rule()
    def ttl_passes(self) -> None:
        self.stage.let_ttl_pass()

    @rule()
    def redis_is_wiped(self) -> None:
        self.stage.wipe()

    @rule(which=st.integers(0), mode=st.sampled_from(["FOR UPDATE", "FOR SHARE"]))
    def somebody_holds_a_row(self, which: int, mode: str) -> None:
        if self.ids:
            self.stage.hold_row(self.ids[which % len(self.ids)], mode)

    @rule()
    def somebody_lets_go(self) -> None:
        self.stage.let_go()

    # promises

    @invariant()
    def no_attempt_is_executed_twice(self) -> None:
        executed = Counter(pair for agent in self.stage.agents for pair in agent.executed)
        assert all(count == 1 for count in executed.values()), executed

    def each_fire_time_submits_once(self, scheduled: set[str]) -> None:
        """No fire time has two tasks or workflows, and none of a schedule's is without its fire time."""
        fires = self.stage.fires()
        submitted = [fire.task_id for fire in fires if fire.task_id is not None]
        assert sorted(submitted) == sorted(scheduled)
        workflows = self.stage.scheduled_workflows()
        known = [str(fire.workflow_id) for fire in fires if fire.workflow_id is not None]
        assert len(set(known)) == len(known)
        assert set(workflows) <= set(known)
        of_submitted = {fire.workflow_id for fire in fires if fire.task_id is None and fire.outcome == "submitted"}
        assert of_submitted <= set(workflows)

    def everything_ends_once(self) -> None:
        rounds = self.stage.settle_down(SETTLING_ROUNDS)
        tasks = self.stage.tasks()
        open_tasks = [(task.id, task.state, task.attempt) for task in tasks if task.finished_at is None]
        assert rounds < SETTLING_ROUNDS, (open_tasks, self.stage.leftovers())
        self.no_attempt_is_executed_twice()
        executed = {pair for agent in self.stage.agents for pair in agent.executed}
        scheduled = {task.id for task in tasks if task.created_by.startswith(OF_A_SCHEDULE)}
        self.each_fire_time_submits_once({task.id for task in tasks if task.id in scheduled and not task.workflow_key})
        assert {task.id for task in tasks} == {*self.ids, *scheduled}
        for task in tasks:
            assert task.state in TERMINAL
            assert task.state != "completed" or (task.id, task.attempt) in executed
            events = self.stage.history(task.id)
            ends = sum(event.to_state in TERMINAL and event.from_state != event.to_state for event in events)
            retries = sum(event.event == "retried" for event in events)
            assert ends == retries + 1, [event.event for event in events]


def test_no_sequence_breaks_a_promise(settings: Settings) -> None:
    Sequence.config = settings
    Sequence.database = Database(settings.database_url)
    profile = hypothesis.settings(
        max_examples=SEQUENCES, stateful_step_count=STEPS, deadline=None, suppress_health_check=list(HealthCheck)
    )
    try:
        run_state_machine_as_test(Sequence, settings=profile)
    finally:
        Sequence.database.close()
