"""A short attempt in a thread costs no more than its own work.

It keeps the interpreter lock: each time that it gave it away, it would wait for a turn of another slot, and slots that
wait for each other at every task take several times as long. And it leaves nothing to the collector of garbage.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import msgspec
import pytest

from taskyard.core.protocol import Done, Run
from taskyard.core.task_types.registry import registry
from taskyard.worker.agents.mail import AgentMail
from taskyard.worker.agents.outbox import FLUSH_COUNT, Outbox
from taskyard.worker.agents.spool import Spool
from taskyard.worker.agents.stuck_attempts import StuckAttempts
from taskyard.worker.attempts.capture import Capture
from taskyard.worker.attempts.channel import AgentChannel
from taskyard.worker.attempts.context import TaskContext
from taskyard.worker.isolation.raw_output import RawOutput
from taskyard.worker.isolation.slots import Runners
from taskyard.worker.isolation.watch import Watch
from tests.unit.leader_state_support import task_id
from tests.unit.test_execution import Silence

LONG_SECONDS = 100.0


@pytest.fixture
def patient() -> Iterator[None]:
    """No thread takes the lock from another that does not give it away."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(LONG_SECONDS)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def runners() -> Iterator[Runners]:
    raw_output = RawOutput()
    runners = Runners(registry, 1, 1_000, (), Mock(), Mock(), raw_output, takes=lambda task_type: False)
    yield runners
    runners.close(kill=True)
    raw_output.log_stream.close()
    os.close(raw_output._reading)
    os.close(raw_output._writing)


def run_of(number: int) -> Run:
    return Run(task_id(number), 1, "thread.noop", msgspec.Raw(b"{}"), 60.0, None, 1)


def test_nobody_else_gets_a_turn(runners: Runners, tmp_path: Path, patient: None) -> None:
    outbox = Outbox(Mock(), [], Spool(tmp_path, "agent-1:boot"))
    mail, stuck = AgentMail(Mock(), "agent-1", lambda pair: True), StuckAttempts(Mock())
    runs = [run_of(number) for number in range(FLUSH_COUNT - 1)]
    others_turns: list[int] = []
    is_waiting = threading.Semaphore(0)
    other = threading.Thread(target=lambda: (is_waiting.acquire(), others_turns.append(1)))
    other.start()

    def attempt(run: Run) -> None:
        pair = (run.task_id, run.attempt)
        done = runners.run(0, run, Silence())
        assert isinstance(done, Done)
        assert done.failure is None
        stuck.leave(pair)
        mail.end(pair, is_success=True)
        outbox.add(done, pair, flush_follows=True)

    attempt(runs[0])  # what is loaded at first use may read files
    is_waiting.release()
    for run in runs[1:]:
        attempt(run)
    assert others_turns == []
    other.join(timeout=10)
    assert others_turns == [1]
    assert outbox.close(timeout_seconds=5)


def test_nothing_is_left_to_the_collector_of_garbage(runners: Runners) -> None:
    def kept() -> int:
        kinds = (AgentChannel, Capture, TaskContext, Watch)
        return sum(isinstance(one, kinds) for one in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = kept()
        for number in range(10):
            run = run_of(number)
            runners.run(0, run, AgentChannel(Mock(), run, "agent-1:boot"))
        assert kept() == before
    finally:
        gc.enable()
