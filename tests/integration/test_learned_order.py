"""The policy `learned` on real servers: head starts, agents that differ, fallbacks, and the same order after a loss."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from taskyard.core.config import Settings
from taskyard.core.learning.prediction import Predicted
from taskyard.core.learning.queue_learning import QueueLearning, Reason
from taskyard.core.models import Lane
from taskyard.core.postgres.store import learning, recovery
from tests.engine import Engine, InlineAgent, running_engine
from tests.learned_queues import (
    LONG_SECONDS,
    Leading,
    busy_agent,
    first_started,
    here,
    hurry,
    order,
    prove,
    sleep,
    submit_both,
)
from tests.servers import wait_until


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


@pytest.fixture
def learned(settings: Settings) -> Iterator[Engine]:
    """An engine whose queues are ordered by what is learned."""
    with running_engine(settings.model_copy(update={"placement": "learned"})) as engine:
        engine.define("o.short", sleep)
        engine.define("o.long", sleep)
        yield engine


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
    ids = learned.submitter.submit_many([{"type": "o.short", "input": {"seconds": 0.1}}] * 500)
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
        seconds = draw.uniform(1e-6, 1e6)
        return Predicted(seconds, 1e-6, 1e9, seconds, draw.choice(head_starts_))

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
