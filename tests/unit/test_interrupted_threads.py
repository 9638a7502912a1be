"""An exception sent into a thread of an agent, at every point at which it can arrive: no run is lost or run twice."""

from __future__ import annotations

import dis
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec
import pytest

from taskyard.core import threads
from taskyard.core.protocol import NULL, Done, Log, Released, Run, decode_reports, encode
from taskyard.core.threads import OnEscape, start_thread
from taskyard.worker.agents import base, held_orders, inbox, local_queue, outbox, slot_threads
from taskyard.worker.agents.base import BaseAgent
from taskyard.worker.attempts.channel import AgentChannel
from tests.servers import wait_until
from tests.unit.leader_state_support import info, task_id

INTERRUPTED = {module.__file__ for module in (base, held_orders, inbox, local_queue, outbox, slot_threads)}
RUNS = 4
MAX_POINTS = 2_000
POINTS = ("RESUME", "CALL", "CALL_FUNCTION_EX", "JUMP_BACKWARD")  # after which CPython looks for what was sent


class Sent(Exception):
    """What is sent into a thread."""


class Servers:
    """The broker as an agent sees it: one entry of orders, a heartbeat that is answered, reports that are kept."""

    def __init__(self) -> None:
        runs = [Run(task_id(number), 1, "demo.work", msgspec.Raw(b"{}"), 60.0, None, 1) for number in range(RUNS)]
        self._orders = encode(runs)
        self.reports: list[Any] = []
        self._is_over = threading.Event()

    def read_inbox(self, agent_id: str, after: bytes, block_ms: int | None) -> list[tuple[bytes, bytes]]:
        if after == inbox.BEGINNING:
            return [(b"1-1", self._orders)]
        self._is_over.wait(0.01)
        return []

    def report(self, reports: bytes) -> bytes:
        self.reports += decode_reports(reports)
        return b"1-0"

    def begin_report(self, reports: bytes) -> None:
        return None

    def heartbeat(self, agent_id: str, heartbeat: bytes, ttl_seconds: float) -> tuple[str, bool]:
        return "run:mark", False

    def delete_orders(self, agent_id: str, entry_ids: Sequence[bytes]) -> None:
        pass

    def mailbox(self, agent: str) -> Any:
        return None

    def settled(self) -> set[str]:
        done = {report.task_id for report in self.reports if isinstance(report, Done)}
        return done | {pair[0] for report in self.reports if isinstance(report, Released) for pair in report.pairs}


class QuickAgent(BaseAgent):
    """Ends each attempt at once; the first logs a line, which the outbox sends late."""

    def __init__(self, servers: Servers, data_dir: Path, run_seconds: float) -> None:
        super().__init__(info(max_concurrency=1), servers, servers, ttl_seconds=60, data_dir=data_dir)  # type: ignore[arg-type]
        self.ran: Counter[str] = Counter()
        self._run_seconds = run_seconds

    def execute(self, slot: int, run: Run, channel: AgentChannel) -> Done:
        self.ran[run.task_id] += 1
        if run.task_id == task_id(0):
            self.outbox.add(Log(self.info.id, run.task_id, run.attempt, "info", "here"))
        return Done(run.task_id, run.attempt, NULL, None, 1.0, self._run_seconds)


class Interruption:
    """Raises Sent in the thread of a name at the so-many-th point at which CPython could; installed while entered.

    Between other instructions it raises nothing that another thread has sent: not, e.g., between the end of a `with`
    and the release of its lock.
    """

    def __init__(self, thread: str, number: int) -> None:
        self._thread, self._left = thread, number
        self.place = ""

    def __enter__(self) -> Interruption:
        threading.settrace(self._enter_frame)  # type: ignore[arg-type]
        return self

    def __exit__(self, *_: object) -> None:
        threading.settrace(None)  # type: ignore[arg-type]

    def _enter_frame(self, frame: FrameType, event: str, argument: object) -> Any:
        if threading.current_thread().name != self._thread:
            sys.settrace(None)
            return None
        if frame.f_code.co_filename not in INTERRUPTED or frame.f_code.co_name == "<lambda>":
            return None  # a lambda is called by what supervises the thread, which is no part of its work
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        before = "RESUME"  # whose own event comes before this function is called

        def trace(frame: FrameType, event: str, argument: object) -> Any:
            nonlocal before
            if event == "opcode":
                if before in POINTS:
                    self._count(frame)
                before = dis.opname[frame.f_code.co_code[frame.f_lasti]]
            return trace

        return trace

    def _count(self, frame: FrameType) -> None:
        self._left -= 1
        if self._left == 0:
            self.place = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
            raise Sent


@pytest.mark.parametrize(
    "run_seconds",
    [pytest.param(0.0001, id="several-at-a-time", marks=pytest.mark.slow), pytest.param(0.01, id="one-at-a-time")],
)
@pytest.mark.parametrize("thread", ["inbox", pytest.param("slot-0", marks=pytest.mark.slow), "outbox"])
def test_an_interruption_anywhere_loses_and_doubles_nothing(
    thread: str, run_seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "FIRST_PAUSE_SECONDS", 0.0)
    places = set()
    for number in range(1, MAX_POINTS):
        with Interruption(thread, number) as sent:
            servers = Servers()
            agent = QuickAgent(servers, tmp_path, run_seconds)
            agent.start()
            reader = start_thread("inbox", agent.run, OnEscape.GO_ON, is_over=lambda: agent.is_given_up)  # noqa: B023
            wait_until(lambda: len(servers.settled()) == RUNS, 20, f"all settled after {sent.place}")  # noqa: B023
            wait_until(lambda: not agent.health().held, 20, f"nothing held after {sent.place}")  # noqa: B023
        agent.drain(grace_seconds=5)
        agent.stop()
        reader.join(timeout=10)
        assert max(agent.ran.values(), default=1) == 1, f"run twice after {sent.place}"
        if not sent.place:
            break
        places.add(sent.place)
    assert len(places) > 5, "the thread was interrupted"
