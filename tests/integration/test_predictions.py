"""Run times are learned from what ends, published, and stored as predictions with new tasks."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
import redis
from pydantic import BaseModel
from typer.testing import CliRunner

from taskyard.core.clock import Clock
from taskyard.core.errors import TaskTimeout
from taskyard.core.explain import why
from taskyard.core.learning.keys import keys_of, size_of_bytes
from taskyard.core.learning.model import Known
from taskyard.core.learning.shrunk_means import RunningMean
from taskyard.core.learning.sketches import Sketch
from taskyard.core.models import Task
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import learning, live_counts, tasks
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.cache import RedisCache
from taskyard.core.redis.predictions import Published
from taskyard.core.submission import predictor
from taskyard.core.submission.predictor import Predictor
from taskyard.core.submission.submit import Submitter
from taskyard.core.task_types.registry import Isolation, TaskType
from taskyard.worker.attempts.context import TaskContext
from taskyard.worker.cli import exits
from taskyard.worker.cli.app import app
from taskyard.worker.learning import learner as learning_duty
from taskyard.worker.learning.learner import Learner
from taskyard.worker.maintenance.relearning import relearn
from taskyard.worker.monitor.monitor import Monitor
from tests.engine import NO_BACKOFF, Engine, Payload, RunningWorker
from tests.servers import wait_until

LONG_SECONDS = 0.2


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(predictor, "AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(learning_duty, "SAVE_EVERY_SECONDS", 0.0)


def sleep(given: Payload, context: TaskContext) -> Payload:
    time.sleep(float(getattr(given, "seconds", 0.0)))
    return given


def learner_of(engine: Engine, worker: RunningWorker) -> Learner:
    return Learner(engine.database, engine.broker, worker.dispatcher, Clock(), engine.settings.placement_of)


def run(engine: Engine, worker_learner: Learner, type_: str, count: int, **input_: Any) -> None:
    ids = [engine.submit(type_, input_) for _ in range(count)]
    engine.wait_for_all(ids)
    worker_learner.run()


def predicted(engine: Engine, type_: str, input_: Any = None, **options: Any) -> Task:
    """A task that is submitted and does not start."""
    return engine.task(engine.submit(type_, input_, delay_seconds=3600, **options))


def test_tasks_are_predicted_by_what_ended_before(engine: Engine) -> None:
    engine.define("p.sleep", sleep)
    worker = engine.worker()
    engine.agent()
    learner = learner_of(engine, worker)
    assert predicted(engine, "p.sleep").predicted_seconds is None
    run(engine, learner, "p.sleep", 8, seconds=LONG_SECONDS)

    same = predicted(engine, "p.sleep", {"seconds": LONG_SECONDS})
    assert same.size == size_of_bytes(len('{"seconds":0.2}'))
    assert same.predicted_seconds is not None
    assert same.predicted_seconds >= LONG_SECONDS * 0.9
    assert same.predicted_low is not None
    assert same.predicted_high is not None
    assert same.predicted_low <= same.predicted_seconds <= same.predicted_high
    run(engine, learner, "p.sleep", 30, s=0)  # shorter inputs, and they take no time
    short, long = predicted(engine, "p.sleep", {"s": 1}), predicted(engine, "p.sleep", {"seconds": LONG_SECONDS})
    assert short.predicted_seconds is not None
    assert long.predicted_seconds is not None
    assert short.predicted_seconds < LONG_SECONDS / 2 < long.predicted_seconds
    assert learner.live is not None
    assert learner.live.tasks >= 30
    assert learner.live.keys >= 4


def test_many_tasks_at_once_and_children_are_predicted_too(engine: Engine) -> None:
    def submit_child(given: Payload, context: TaskContext) -> Payload:
        return Payload.model_validate({"child": context.submit("p.sleep", {"seconds": LONG_SECONDS})})

    engine.define("p.sleep", sleep)
    engine.define("p.parent", submit_child)
    worker = engine.worker()
    engine.agent()
    run(engine, learner_of(engine, worker), "p.sleep", 5, seconds=LONG_SECONDS)
    ids = engine.submitter.submit_many([{"type": "p.sleep"}] * 3)
    ids += engine.submitter.workflows.submit("w", {"a": {"type": "p.sleep"}}).tasks.values()
    ids.append(engine.wait_for(engine.submit("p.parent")).output["child"])
    assert all(engine.task(id_).predicted_seconds is not None for id_ in ids)
    waits = engine.submitter.workflows.submit(
        "w", {"a": {"type": "p.sleep"}, "b": {"type": "p.sleep", "input": {"of": {"$ref": "a"}}}}
    )
    assert engine.task(str(waits.tasks["b"])).size is None  # its input is not there yet


def test_fields_that_a_type_declares_make_the_size(engine: Engine) -> None:
    class Images(BaseModel):
        images: int
        title: str = ""
        seconds: float = 0.0

    def draw(given: Images, context: TaskContext) -> Payload:
        return Payload.model_validate({})

    engine.registry.add(
        TaskType(
            "p.draw",
            draw,
            Images,
            Payload,
            60,
            NO_BACKOFF,
            Isolation.THREAD,
            frozenset(),
            "",
            predict_by=(("images",),),
        )
    )
    assert predicted(engine, "p.draw", {"images": 8, "title": "x"}).size == "2^3"
    assert predicted(engine, "p.draw", {"images": 9, "title": "x" * 500}).size == "2^3"
    assert predicted(engine, "p.draw", {"images": 64}).size == "2^6"


def test_a_timeout_counts_as_its_limit_and_other_failures_do_not(engine: Engine) -> None:
    def fail(given: Payload, context: TaskContext) -> Payload:
        raise TaskTimeout("late") if getattr(given, "late", False) else ValueError("no")

    engine.define("p.fail", fail, timeout_seconds=7.0)
    worker = engine.worker()
    engine.agent()
    learner = learner_of(engine, worker)
    engine.wait_for(engine.submit("p.fail", max_attempts=1), "failed")
    learner.run()
    assert predicted(engine, "p.fail").predicted_seconds is None
    engine.wait_for(engine.submit("p.fail", {"late": True}, max_attempts=1), "failed")
    learner.run()
    assert predicted(engine, "p.fail").predicted_seconds == pytest.approx(7.0, rel=0.05)  # as exact as buckets are


def test_a_new_leader_and_a_wiped_redis_change_no_prediction(engine: Engine) -> None:
    engine.define("p.sleep", sleep)
    worker = engine.worker()
    engine.agent()
    learner = learner_of(engine, worker)
    run(engine, learner, "p.sleep", 6, seconds=LONG_SECONDS)
    learner.run()  # the second look finds that all is published
    before = predicted(engine, "p.sleep", {"seconds": LONG_SECONDS}).predicted_seconds
    assert before is not None

    def learned_again(learner: Learner) -> bool:
        learner.run()
        return predicted(engine, "p.sleep", {"seconds": LONG_SECONDS}).predicted_seconds == before

    def leads_again() -> bool:
        term = worker.dispatcher.term
        return term is not None and term.epoch != epoch

    term = worker.dispatcher.term
    assert term is not None
    epoch = term.epoch
    engine.wipe_redis()
    assert predicted(engine, "p.sleep", {"seconds": LONG_SECONDS}).predicted_seconds is None
    wait_until(leads_again)  # until it notices, the old term still learns and publishes
    assert learned_again(learner)

    engine.broker.predictions.clear()
    assert learned_again(learner_of(engine, worker))  # as another worker's does that begins to lead


def test_a_poisoned_table_is_ignored_with_one_line(engine: Engine) -> None:
    engine.define("p.sleep", sleep)
    worker = engine.worker()
    engine.agent()
    run(engine, learner_of(engine, worker), "p.sleep", 6, seconds=LONG_SECONDS)
    keys = keys_of("p.sleep", "", size_of_bytes(len('{"seconds":0.2}')))
    poison = {"": "'NaN'", "p.sleep": "-1", keys[2]: "'Infinity'", keys[3]: "1e300"}
    with engine.database.transaction() as tx:
        for key, mean in poison.items():
            tx.rows(f"UPDATE run_time_sketches SET mean_seconds = {mean} WHERE key = %(key)s", {"key": key})
    engine.logs.clear()
    learner = learner_of(engine, worker)
    learner.run()
    ignored = [entry for entry in engine.logs if entry["event"] == "learning.ignored"]
    assert [entry["count"] for entry in ignored] == [4]
    assert predicted(engine, "p.sleep").predicted_seconds is None
    run(engine, learner, "p.sleep", 2, seconds=LONG_SECONDS)  # and it learns anew
    now = predicted(engine, "p.sleep", {"seconds": LONG_SECONDS}).predicted_seconds
    assert now is not None
    assert math.isfinite(now)
    assert now < 10


def test_predictions_that_are_none_are_ignored_and_submitting_goes_on(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    engine.define("p.sleep", sleep)
    keys = keys_of("p.sleep", "", size_of_bytes(2))
    for text in ("nan 1 1 1 5", "1 nan 1 1 5", "-1 -1 -1 -1 5", "1 1e308 1 1e309 5", "1 3 1 2 5", "", "x" * 100_000):
        engine.redis.hset(engine.broker.keys.predictions, keys[3], text)
        engine.redis.hset(engine.broker.keys.predictions, keys[1], "8 2 1 3 9")
        assert predicted(engine, "p.sleep").predicted_seconds == 2
    engine.redis.delete(engine.broker.keys.predictions)
    engine.redis.set(engine.broker.keys.predictions, "something else")
    assert predicted(engine, "p.sleep").predicted_seconds is None
    assert any("predictions can't be read" in record.message for record in caplog.records)


def test_sums_of_work_use_the_means_and_tasks_have_what_is_typical(engine: Engine) -> None:
    engine.define("p.sleep", sleep)
    engine.redis.hset(engine.broker.keys.predictions, keys_of("p.sleep", "", "0")[1], "8 2 1 3 9")
    ids = [engine.submit("p.sleep"), *engine.submitter.submit_many([{"type": "p.sleep"}] * 2)]
    ids += engine.submitter.workflows.submit("w", {"a": {"type": "p.sleep"}}).tasks.values()
    assert {engine.task(id_).predicted_seconds for id_ in ids} == {2}
    with engine.database.transaction() as tx:
        tx.rows("UPDATE tasks SET predicted_mean = NULL WHERE id = %(id)s", {"id": ids[0]})  # of an older process
        assert sum(group.predicted_seconds or 0 for group in live_counts.open_groups(tx)) == 2 + 3 * 8
        assert sorted(task.predicted_mean or 0 for task in learning.ended(tx, ids)) == [2, 8, 8, 8]


def test_without_redis_tasks_are_accepted_without_a_prediction(engine: Engine, free_tcp_port: int) -> None:
    broker = Broker(redis.Redis(port=free_tcp_port), engine.settings.namespace, engine.settings.placement_of)
    engine.define("p.sleep", sleep)
    submitter = Submitter(engine.settings, engine.registry, engine.database, broker)
    assert engine.task(submitter.submit("p.sleep")).predicted_seconds is None


def test_a_predictor_reads_no_more_than_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor, "FRESH_SECONDS", 1.0)
    reads: list[Sequence[str]] = []

    def read(keys: Sequence[str]) -> Published:
        reads.append(keys)
        return Published(b'{"queues": {}}', [b"6 5 1 9 100", b"3 2 1 3 50", None, None])

    now = 100.0
    one = Predictor(read, lambda: now)
    found = [one("default", "a", f"creator {number % 1000}", "1", 1) for number in range(2_000)]
    assert len(reads) == predictor.READS_PER_SECOND
    assert {round(each.typical, 3) for each in found if each is not None} == {2.0}
    assert all(each is not None for each in found)  # the others have that of their type
    now = 101.5
    one("default", "a", "creator 1", "1", 1)
    assert len(reads) == predictor.READS_PER_SECOND + 1


def test_a_slow_redis_is_asked_for_a_fifth_of_the_time() -> None:
    """1,000 tasks of as many creators took 52 s where it answers after 50 ms, in the transaction that stores them."""
    now, reads = 100.0, 0

    def read(keys: Sequence[str]) -> Published:
        nonlocal now, reads
        now, reads = now + 0.05, reads + 1
        return Published(b'{"queues": {}}', [b"6 5 1 9 100", b"3 2 1 3 50", None, None])

    one = Predictor(read, lambda: now)
    found = [one("default", "a", f"creator {number}", "1", 1) for number in range(1_000)]
    assert reads <= 5
    assert None not in found  # the others have the prediction of their type


def test_relearning_replaces_what_is_known_and_the_leader_takes_it_over(engine: Engine) -> None:
    engine.define("p.sleep", sleep)
    worker = engine.worker()
    engine.agent()
    learner = learner_of(engine, worker)
    run(engine, learner, "p.sleep", 4, seconds=LONG_SECONDS)
    with engine.database.transaction() as tx:
        tx.rows("UPDATE run_time_sketches SET mean_seconds = 1000, runs = 77", {})
        tx.rows("INSERT INTO run_time_sketches SELECT 'gone', 1, 5, 1, '{\"8\": 1}'", {})
        since = tasks.now(tx) - timedelta(days=30)
    shares: list[float] = []
    found = relearn(engine.database, engine.registry, since, "ann", shares.append)
    assert (found.runs, found.keys, found.is_sample) == (4, 4, False)
    assert shares[-1] == 1.0
    wait_until(lambda: learner_says(learner, engine, 4))
    again = predicted(engine, "p.sleep", {"seconds": LONG_SECONDS}).predicted_seconds
    assert again is not None
    assert again < 10 * LONG_SECONDS
    with engine.database.transaction() as tx:
        kept = learning.sketches(tx)
        [(actor, detail)] = tx.rows("SELECT actor, detail FROM task_events WHERE event = 'relearned'", {})
    assert "gone" not in kept
    assert (actor, detail["runs"]) == ("ann", 4)


def test_relearning_from_nothing_is_refused_and_leaves_predictions(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("database_url", "redis_url", "namespace", "data_dir"):
        monkeypatch.setenv(f"TASKYARD_{name.upper()}", str(getattr(engine.settings, name)))

    def refused(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["relearn", *arguments], prog_name="taskyard")
        assert (done.exit_code, done.stdout) == (exits.BAD_INPUT, ""), done.output
        assert "Traceback" not in done.output
        return done.stderr.strip()

    with engine.database.transaction() as tx:
        tx.rows("INSERT INTO run_time_sketches SELECT '', 1, 5, 1, '{\"8\": 1}'", {})
        before = tx.rows("SELECT * FROM run_time_sketches", {})
    future = "expected a time before now: predictions stay as they are"
    assert future in refused("--from", "2999-01-01")
    assert future in refused("--from", "2999-01-01", "--json")
    assert future in refused("--from", "0m")
    for arguments in ((), ("--from", "2026-01-01"), ("--from", "1h", "--json")):
        told = refused(*arguments)
        assert told.startswith("error: from: ")
        assert "nothing has ended since " in told
        assert told.endswith("that can be learned from, and predictions stay as they are")
    found = relearn(engine.database, engine.registry, Clock().now() + timedelta(days=1), "ann", lambda share: None)
    assert (found.runs, found.keys) == (0, 0)
    with engine.database.transaction() as tx:
        assert tx.rows("SELECT * FROM run_time_sketches", {}) == before
        assert not tx.rows("SELECT 1 FROM task_events WHERE event = 'relearned'", {})


def learner_says(learner: Learner, engine: Engine, runs: int) -> bool:
    """Whether the leader knows this number of runs of all tasks."""
    learner.run()
    text = engine.broker.predictions.read(["", "", "", ""]).predictions[0]
    return text is not None and text.endswith(b" %d" % runs)


def test_estimated_starts_are_compared_with_real_ones_and_told(engine: Engine) -> None:
    engine.define("p.sleep", sleep)
    worker = engine.worker()
    agent = engine.agent(max_concurrency=1)
    monitor = Monitor(engine.settings, engine.database, engine.broker, worker.dispatcher, "test", Clock())
    learner = Learner(
        engine.database,
        engine.broker,
        worker.dispatcher,
        Clock(),
        engine.settings.placement_of,
        lambda: monitor.observer.live,
    )
    monitor.observer.learned = lambda: learner.live
    run(engine, learner, "p.sleep", 4, seconds=LONG_SECONDS)
    # in one call: on a busy machine the first ones would have run before the last one waits
    ids = engine.submitter.submit_many([{"type": "p.sleep", "input": {"seconds": LONG_SECONDS}}] * 12)
    monitor.observer._count_after = 0.0
    monitor.observer.observe()
    learner.run()
    cache = RedisCache(engine.redis, engine.broker.keys)
    told = why(engine.database, engine.broker, cache, ids[-1], engine.settings.auth)
    assert told.prediction.endswith("from 4 runs of this size")
    assert told.starts_in_seconds is not None
    assert told.starts_low_seconds is not None
    assert told.starts_high_seconds is not None
    assert told.starts_low_seconds < told.starts_in_seconds < told.starts_high_seconds
    assert LONG_SECONDS * 5 < told.starts_in_seconds < LONG_SECONDS * 30
    engine.wait_for_all(ids)

    def compared() -> bool:
        learner.run()
        assert learner.live is not None
        return learner.live.starts is not None and learner.live.starts.results > 0

    wait_until(compared)
    agent.stop()


def test_a_rare_run_time_that_has_faded_spoils_no_key(database: Database) -> None:
    """What was learned of a key was thrown away as a whole at the next start of a leader."""
    sketch = Sketch({4: 1e-8, 5: 40.0})
    with database.transaction() as tx:
        learning.save_sketches(tx, {"demo": Known(RunningMean(40.0, 0.5), sketch, 50)})
        learning.save_sketches(tx, {"old": Known(RunningMean(40.0, 0.5), Sketch({5: 40.0}), 50)})
        tx.rows("UPDATE run_time_sketches SET weights = weights || '{\"4\": 0.0}' WHERE key = 'old'", {})
        found = learning.sketches(tx)
    assert {key: (known.sketch.weights, known.problem()) for key, known in found.items()} == {
        "demo": ({5: 40.0}, None),
        "old": ({5: 40.0}, None),
    }
