"""What is done at once is bounded in bytes: memory does not grow with how much there is."""

from __future__ import annotations

import threading

import pytest

from core.portions import PORTION_BYTES
from tests.engine import Engine, Payload
from tests.memory import MEGABYTE, growth_bytes
from tests.servers import wait_until
from worker.agents.context import TaskContext

MOST_LARGE = 5  # entries of a megabyte that one reading may take, above its bound of two
COPIES = 12  # of a portion that the driver and the allocator may have at once


@pytest.mark.parametrize("keyed", [False, True])
def test_many_large_inputs_are_submitted_in_little_memory(engine: Engine, keyed: bool) -> None:
    count = 140
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
    assert max(sizes) <= MOST_LARGE


def test_a_reader_takes_few_large_entries_and_many_small_ones(engine: Engine) -> None:
    for size in [MEGABYTE] * 9 + [10] * 200 + [MEGABYTE] * 3:
        engine.queue.report(b"x" * size)
    after, found = b"0-0", []
    while read := engine.queue.collect(after, b"0-0", None, 1_000)[0]:
        found.append([len(payload) for _, payload in read])
        after = read[-1][0]
    assert [size for sizes in found for size in sizes] == [MEGABYTE] * 9 + [10] * 200 + [MEGABYTE] * 3
    assert max(map(sum, found)) <= MOST_LARGE * MEGABYTE
    assert len(found) < 12
