"""The policy `learned` on real servers: head starts, agents that differ, fallbacks, and the same order after a loss."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from taskyard.core.clock import Clock
from taskyard.core.config import Settings
from taskyard.core.learning import head_start as head_starts
from taskyard.core.learning.prediction import Predicted
from taskyard.core.learning.queue_learning import QueueLearning, Reason
from taskyard.core.models import Lane
from taskyard.core.postgres.store import learning, recovery
from taskyard.core.submission import predictor
from taskyard.worker.attempts.context import TaskContext
from taskyard.worker.learning import learner as learning_duty
from taskyard.worker.learning.learner import Learner
from taskyard.worker.monitor import observer as observing
from taskyard.worker.monitor.monitor import Monitor
from tests.engine import Engine, InlineAgent, Payload, RunningWorker, running_engine
from tests.servers import wait_until

LONG_SECONDS = 0.2


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(learning_duty, "SAVE_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(observing, "COUNT_SHARE", 1.0)
    monkeypatch.setattr(head_starts, "MIN_WAIT_SECONDS", 0.05)


@pytest.fixture
def learned(settings: Settings) -> Iterator[Engine]:
    """An engine whose queues are ordered by what is learned."""
    with running_engine(settings.model_copy(update={"placement": "learned"})) as engine:
        engine.define("o.short", sleep)
        engine.define("o.long", sleep)
        yield engine


here = threading.local()  # the thread of a slow agent's slot has a factor


def sleep(given: Payload, context: TaskContext) -> Payload:
    time.sleep(float(getattr(given, "seconds", 0.0)) * getattr(here, "factor", 1.0))
    return given


@contextmanager
def busy_agent(engine: Engine) -> Iterator[None]:
    """An agent with one slot, which does nothing else until the end of the block."""
    released = threading.Event()

    def wait(given: Payload, context: TaskContext) -> Payload:
        released.wait()
        return given

    engine.define("o.block", wait)
    blocker = engine.submit("o.block", priority="urgent")
    engine.agent("single", max_concurrency=1)
    engine.wait_for(blocker, "in_progress")
    try:
        yield
    finally:
        released.set()


class Leading:
    """A worker with its monitor and learner, which look when the test says so."""

    def __init__(self, engine: Engine, worker: RunningWorker) -> None:
        self.engine = engine
        monitor = Monitor(engine.settings, engine.database, engine.broker, worker.dispatcher, "test", Clock())
        self._observer = monitor.observer
        dispatcher, policy_of = worker.dispatcher, engine.settings.placement_of
        self.learner = Learner(
            engine.database, engine.broker, dispatcher, Clock(), policy_of, lambda: self._observer.live
        )

    def look(self) -> None:
        self._observer._count_after = 0.0
        self._observer.observe()
        self.learner.run()

    def queue(self) -> tuple[bool, str]:
        """Whether head starts are given in the default queue, and why."""
        assert self.learner.live is not None
        [queue] = [one for one in self.learner.live.queues if one.queue == "default"]
        return queue.is_on, queue.reason


def submit_both(engine: Engine, count: int, *, long_seconds: float = LONG_SECONDS, short_seconds: float = 0.0) -> None:
    """Runs tasks of both types."""
    ids = [engine.submit("o.short", {"seconds": short_seconds}) for _ in range(count)]
    ids += [engine.submit("o.long", {"seconds": long_seconds}) for _ in range(count)]
    engine.wait_for_all(ids, timeout_seconds=60)


def prove(engine: Engine, leading: Leading) -> None:
    """Has enough tasks end that were predicted to be short, and others."""
    submit_both(engine, 5)  # without predictions: nothing is known
    leading.look()
    submit_both(engine, 35)
    leading.look()


def order(engine: Engine, type_: str) -> list[str]:
    """The ids in a lane of the default queue, the first one first."""
    return [one.decode() for one in engine.redis.zrange(engine.broker.keys.ready(Lane("default", type_)), 0, -1)]


def first_started(engine: Engine, ids: list[str]) -> str:
    return min(ids, key=lambda id_: engine.task(id_).started_at)  # type: ignore[arg-type,return-value]


def test_a_short_task_overtakes_long_ones_once_it_is_proven_that_it_is_short(learned: Engine) -> None:
    leading = Leading(learned, learned.worker())
    agent = learned.agent(max_concurrency=8)
    prove(learned, leading)
    assert leading.queue() == (True, Reason.PROVEN)
    agent.stop()
    with busy_agent(learned):
        long = [learned.submit("o.long", {"seconds": LONG_SECONDS}) for _ in range(4)]
        wait_until(lambda: (leading.look(), learned.task(learned.submit("o.short")).head_start)[1])
        short = learned.submit("o.short")
        ahead = learned.task(short).head_start
        assert ahead is not None
        waited = (learned.task(short).ready_at - learned.task(long[0]).ready_at).total_seconds()
        assert ahead > waited  # enough to be before all long ones
        assert all(learned.task(id_).head_start is None for id_ in long)
    learned.wait_for_all([*long, short])
    assert first_started(learned, [*long, short]) == short


def test_the_order_is_the_same_after_redis_was_wiped(learned: Engine) -> None:
    worker = learned.worker()
    leading = Leading(learned, worker)
    agent = learned.agent(max_concurrency=8)
    prove(learned, leading)
    agent.stop()
    with busy_agent(learned):
        waits = [learned.submit("o.short") for _ in range(3)]
        wait_until(lambda: (leading.look(), learned.task(learned.submit("o.short", {"n": 1})).head_start)[1])
        waits += [learned.submit("o.short") for _ in range(3)]
        wait_until(lambda: set(waits) <= set(order(learned, "o.short")))
        before = order(learned, "o.short")
        assert before.index(waits[-1]) < before.index(waits[0])
        learned.wipe_redis()
        wait_until(lambda: len(order(learned, "o.short")) == len(before))
        assert order(learned, "o.short") == before


def test_wrong_predictions_switch_head_starts_off_with_an_event(learned: Engine) -> None:
    leading = Leading(learned, learned.worker())
    learned.agent(max_concurrency=8)
    prove(learned, leading)
    assert leading.queue() == (True, Reason.PROVEN)
    # what was short takes longer than the others now; all of it is submitted before anybody knows
    ids = learned.submitter.submit_many([{"type": "o.short", "input": {"seconds": 0.1}}] * 320)
    ids += learned.submitter.submit_many([{"type": "o.long", "input": {"seconds": 0.05}}] * 60)
    wait_until(lambda: (leading.look(), not leading.queue()[0])[1], 60)
    learned.submitter.commands.cancel_many(ids, actor="test", reason="enough")
    assert leading.queue() == (False, Reason.NOT_SHORTER)
    assert learned.task(learned.submit("o.short", delay_seconds=60)).head_start is None
    leading.look()
    with learned.database.transaction() as tx:
        events = tx.rows(
            "SELECT event, detail ->> 'queue', detail ->> 'reason' FROM task_events "
            "WHERE event LIKE 'head_starts_%%' ORDER BY at",
            {},
        )
        stored = learning.state(tx, "queues")
    assert [tuple(row) for row in events] == [
        ("head_starts_on", "default", "proven"),
        ("head_starts_off", "default", "not_shorter"),
    ]
    assert stored["default"]["is_proven"] is False
    again = Leading(learned, learned.workers[0])  # as another leader, which goes on from what is stored
    again.look()
    assert again.queue() == (False, Reason.NOT_SHORTER)


@pytest.mark.slow
def test_an_agent_takes_what_it_is_comparatively_best_at(learned: Engine) -> None:
    class Slow(InlineAgent):
        """Takes much longer for long tasks than others do."""

        def execute(self, slot, run, channel):  # type: ignore[no-untyped-def]
            here.factor = 4.0 if run.task_type == "o.long" else 1.0
            return super().execute(slot, run, channel)

    leading = Leading(learned, learned.worker())
    slow = learned.agent("slow", max_concurrency=4, agent_class=Slow)
    fast = learned.agent("fast", max_concurrency=4)
    for _ in range(6):
        submit_both(learned, 12, short_seconds=LONG_SECONDS)
        leading.look()
    factors = learned.workers[0].dispatcher.matching.factors
    assert factors.are_different
    assert factors.handicap("slow", "o.long") > factors.handicap("fast", "o.long")
    before = len(slow.ran)
    mixed = [learned.submit(type_, {"seconds": LONG_SECONDS}) for type_ in ("o.long", "o.short") * 24]
    learned.wait_for_all(mixed, timeout_seconds=90)
    types = {id_: learned.task(id_).type for id_ in mixed}
    of_slow = [types[id_] for id_, _ in slow.ran[before:] if id_ in types]
    of_fast = [types[id_] for id_, _ in fast.ran if id_ in types]
    assert of_slow.count("o.long") / len(of_slow) < of_fast.count("o.long") / len(of_fast)


def test_a_replay_that_speaks_against_head_starts_stops_them_until_one_does_not() -> None:
    queue = QueueLearning(is_proven=True, short_seconds=1.0)
    switched = queue.note_comparison(is_harmful=True)
    assert switched is not None
    assert (switched.is_on, switched.reason) == (False, Reason.HARMFUL)
    assert queue.note_comparison(is_harmful=True) is None
    again = queue.note_comparison(is_harmful=False)
    assert again is not None
    assert (again.is_on, again.reason) == (True, Reason.PROVEN)


@pytest.mark.parametrize("policy", ["learned", "least_loaded", "priority"])
def test_the_score_of_a_row_is_that_of_its_submission(settings: Settings, policy: str) -> None:
    """Whatever its head start, and however it is stored: so the sweep, a takeover and a wiped Redis change no order."""
    draw = random.Random(7)
    head_starts_ = [0.0, 0.001, 1e6, *(round(draw.uniform(0, 10 ** draw.randint(-3, 7)), 3) for _ in range(60))]

    def predict(*_: object) -> Predicted:
        return Predicted(draw.uniform(1e-6, 1e6), 1e-6, 1e9, draw.choice(head_starts_))

    with running_engine(settings.model_copy(update={"placement": policy})) as engine:
        engine.define("o.any", sleep)
        engine.submitter._predict = predict
        engine.submitter.workflows._predict = predict
        priorities = ("low", "medium", "high", "urgent")
        ids = [engine.submit("o.any", priority=draw.choice(priorities)) for _ in range(40)]
        ids += engine.submitter.submit_many([{"type": "o.any", "priority": draw.choice(priorities)}] * 40)
        nodes = {f"n{number}": {"type": "o.any"} for number in range(20)}
        ids += map(str, engine.submitter.workflows.submit("w", nodes).tasks.values())
        key = engine.broker.keys.ready(Lane("default", "o.any"))
        pushed = dict(engine.redis.zrange(key, 0, -1, withscores=True))
        assert len(pushed) == len(ids)
        with engine.database.transaction() as tx:
            rows, _ = recovery.open_slice(tx, recovery.NIL, 1_000)
        engine.wipe_redis()
        engine.broker.push(rows)
        assert dict(engine.redis.zrange(key, 0, -1, withscores=True)) == pushed
