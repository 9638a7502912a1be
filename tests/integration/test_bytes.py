"""What is done at once is bounded in bytes: memory does not grow with how much there is."""

from __future__ import annotations

import json
import threading

import pytest

from taskyard.core.chunks import PORTION_BYTES
from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.payload.storable_text import MAX_MESSAGE_BYTES, MAX_TRACEBACK_BYTES
from taskyard.core.postgres.store import search, tasks
from taskyard.core.protocol import Failure
from taskyard.core.task_types.registry import RetryPolicy
from taskyard.worker.attempts.context import TaskContext
from taskyard.worker.dispatch.report_parts import storable_failure
from tests.engine import Engine, Payload
from tests.memory import MEGABYTE, growth_bytes
from tests.servers import wait_until

MAX_LARGE = 5  # entries of a megabyte that one reading may take, above its bound of two
COPIES = 11  # of a portion that the driver and the allocator may have at once


@pytest.mark.slow
@pytest.mark.parametrize("keyed", [False, True])
def test_many_large_inputs_are_submitted_in_little_memory(engine: Engine, keyed: bool) -> None:
    count = 120
    growth, submitted = growth_bytes(engine.settings, count, keyed=keyed)
    assert submitted == count
    assert engine.counts() == {"pending": count + 1}
    assert growth < COPIES * PORTION_BYTES < 0.8 * count * MEGABYTE


def test_a_tick_takes_few_large_outputs_and_goes_on(engine: Engine) -> None:
    opened = threading.Event()

    def large(given: Payload, context: TaskContext) -> Payload:
        opened.wait(30)
        return Payload(text="x" * MEGABYTE)

    engine.define("demo.large", large)
    worker = engine.worker()
    engine.agent(max_concurrency=24)
    ids = engine.submitter.submit_many([{"type": "demo.large"}] * 24)
    wait_until(lambda: engine.counts() == {"in_progress": 24}, 20)
    worker.dispatcher.log.take()
    opened.set()
    engine.wait_for_all(ids, timeout_seconds=60)
    sizes = [tick.size for tick in worker.dispatcher.log.take()]
    assert max(sizes) <= MAX_LARGE


def test_a_reader_takes_few_large_entries_and_many_small_ones(engine: Engine) -> None:
    for size in [MEGABYTE] * 9 + [10] * 200 + [MEGABYTE] * 3:
        engine.broker.report(b"x" * size)
    after, found = b"0-0", []
    while read := engine.broker.collect(after, b"0-0", None, 1_000)[0]:
        found.append([len(payload) for _, payload in read])
        after = read[-1][0]
    assert [size for sizes in found for size in sizes] == [MEGABYTE] * 9 + [10] * 200 + [MEGABYTE] * 3
    assert max(map(sum, found)) <= MAX_LARGE * MEGABYTE
    assert len(found) < 12


def add_events(engine: Engine, task_id: str, event: str) -> None:
    with engine.database.transaction() as tx:
        tx.rows(
            "INSERT INTO task_events (task_id, at, event, attempt, actor, detail) SELECT %(id)s, now() + n * interval "
            "'1 ms', %(event)s, 1, 'agent', jsonb_build_object('n', n) FROM generate_series(1, %(count)s) n",
            {"id": task_id, "event": event, "count": tasks.HISTORY_EVENTS + 100},
        )


def test_a_history_has_the_last_of_very_many_events_and_no_log(engine: Engine) -> None:
    logged, retried = engine.submit("demo.echo"), engine.submit("demo.echo")
    add_events(engine, logged, "log")
    add_events(engine, retried, "retried")
    with engine.database.transaction() as tx:
        assert [event.event for event in tasks.history(tx, logged)] == ["submitted"]
        found = tasks.history(tx, retried)
    assert [event.detail["n"] for event in found] == list(range(101, tasks.HISTORY_EVENTS + 101))


def test_lists_leave_out_what_may_be_large(engine: Engine) -> None:
    def fail(given: Payload, context: TaskContext) -> Payload:
        raise ValueError("x" * MEGABYTE)

    engine.define("demo.fail", fail, retry=RetryPolicy(max_attempts=1))
    engine.worker()
    engine.agent()
    task = engine.wait_for(engine.submit("demo.fail", {"text": "x" * (MEGABYTE // 2)}))
    assert len(json.dumps(task.error)) < 2 * (MAX_MESSAGE_BYTES + MAX_TRACEBACK_BYTES)
    with engine.database.transaction() as tx:
        [listed] = tasks.list_tasks(tx)
        [found] = search.find(tx, TaskFilter()).tasks
    for one in (listed, found):
        assert one.error == {name: value for name, value in task.error.items() if name != "traceback"}
        assert (one.input, one.output, one.checkpoint) == (None, None, None)


def test_what_another_agent_says_of_a_failure_is_cut() -> None:
    failure = Failure("permanent", "m\x00" + "x" * MEGABYTE, "t" * MEGABYTE + "\x00end")
    kept = storable_failure(failure)
    assert len(kept.message.encode()) <= MAX_MESSAGE_BYTES
    assert len(kept.traceback.encode()) <= MAX_TRACEBACK_BYTES
    assert kept.message.startswith("m\\x00x")
    assert kept.traceback.endswith("t\\x00end")
