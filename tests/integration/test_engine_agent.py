"""An agent with an engine, under a real leader: what waits for a seat, what is lost with one, what is told of it."""

from __future__ import annotations

import os
import signal
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from taskyard.core.clock import Clock
from taskyard.core.config import Settings
from taskyard.core.explain import why
from taskyard.core.postgres.store import holds
from taskyard.core.protocol import AgentInfo
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.cache import RedisCache
from taskyard.core.redis.connection import connect_redis
from taskyard.core.scheduling.holds import HoldKind, HoldMode
from taskyard.core.scheduling.retry import MAX_REFUNDS
from taskyard.core.task_types.registry import registry
from taskyard.worker.agents import engine_agent, slot_threads
from taskyard.worker.agents.engine_agent import EngineAgent
from taskyard.worker.agents.pool_config import AgentSpec
from taskyard.worker.dispatch import refusals
from taskyard.worker.engines.engine import SeatCommand
from taskyard.worker.engines.local import LocalEngine
from taskyard.worker.engines.settings import EngineSettings
from taskyard.worker.monitor import observer
from taskyard.worker.monitor.monitor import Monitor
from tests.engine import Engine, engine_for_processes
from tests.integration.slot_bench import is_dead, pid_in
from tests.servers import wait_until


class Gate(LocalEngine):
    """Launches nothing until it is open, and says why."""

    opened = False

    def __init__(self, settings: EngineSettings) -> None:
        super().__init__(settings)
        self.held: dict[str, SeatCommand] = {}
        self.cancelled: list[str] = []

    def launch(self, seat_id: str, command: SeatCommand) -> None:
        self.held[seat_id] = command

    def problem(self, seat_id: str) -> str:
        if self.opened and (command := self.held.pop(seat_id, None)) is not None:
            super().launch(seat_id, command)
        return "" if seat_id in self.held else super().problem(seat_id)

    def why(self, seat_id: str) -> str:
        return "no node has 1 GPU free" if seat_id in self.held else super().why(seat_id)

    def cancel(self, seat_id: str) -> None:
        self.cancelled.append(seat_id)
        self.held.pop(seat_id, None)
        super().cancel(seat_id)


@pytest.fixture
def engine(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    with engine_for_processes(settings, monkeypatch) as engine:
        yield engine


@pytest.fixture
def start(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., EngineAgent]]:
    """Starts an agent with an engine in this process, which the gate holds up."""
    gates: list[Gate] = []
    running: list[tuple[EngineAgent, threading.Thread]] = []

    def make_engine(settings: EngineSettings) -> Gate:
        gates.append(Gate(settings))
        return gates[-1]

    def start(slots: int = 2, wait_seconds: float = 600.0) -> EngineAgent:
        monkeypatch.setattr(engine_agent, "make_engine", make_engine)
        boot_id = uuid.uuid4().hex[:12]
        info = AgentInfo(f"far:{boot_id}", "far", boot_id, "far", "here", os.getpid(), ["*"], [], slots)
        settings = engine.settings
        ports = [Broker(connect_redis(settings.redis_url), settings.namespace, settings.placement_of) for _ in range(2)]
        agent = EngineAgent(
            info,
            *ports,
            engine=EngineSettings("local", wait_seconds=wait_seconds),
            ttl_seconds=settings.agent_ttl_seconds,
            data_dir=settings.data_dir,
            registry=registry,
            modules=("tests.task_types",),
            output_limit_bytes=1 << 20,
            log_level="info",
        )
        agent.gate = gates[-1]  # type: ignore[attr-defined]
        agent.start()
        reader = threading.Thread(target=agent.run, daemon=True)
        reader.start()
        running.append((agent, reader))
        wait_until(agent.welcomed.is_set)
        return agent

    yield start
    for agent, reader in running:
        agent.drain(1.0)
        agent.stop()
        reader.join()


def test_attempt_is_started_only_once_its_seat_is_there(engine: Engine, start: Callable[..., EngineAgent]) -> None:
    agent = start()
    task_id = engine.submit("process.noop", {"number": 5})
    engine.wait_for(task_id, "assigned")
    wait_until(lambda: agent._runners.state().why_none("fake") == "no node has 1 GPU free")
    assert engine.task(task_id).state == "assigned"
    agent.gate.opened = True  # type: ignore[attr-defined]
    assert engine.wait_for(task_id).output == {"number": 5}
    assert engine.events(task_id).count("started") == 1


def test_what_waits_for_a_seat_can_be_cancelled(engine: Engine, start: Callable[..., EngineAgent]) -> None:
    agent = start(slots=1)
    task_id = engine.submit("process.noop", {"number": 5})
    engine.wait_for(task_id, "assigned")
    wait_until(lambda: agent._runners.seats.state().coming)
    engine.submitter.cancel(task_id, actor="me")
    wait_until(lambda: not agent.health().held)
    agent.gate.opened = True  # type: ignore[attr-defined]
    assert engine.wait_for(engine.submit("process.noop", {"number": 6})).output == {"number": 6}
    assert engine.task(task_id).state == "cancelled"
    assert "started" not in engine.events(task_id)


def test_claim_goes_back_at_no_cost_when_no_seat_comes(engine: Engine, start: Callable[..., EngineAgent]) -> None:
    start(wait_seconds=1.0)
    task_id = engine.submit("process.noop", {"number": 5}, max_attempts=1)
    wait_until(lambda: "handed_back" in engine.events(task_id))
    task = engine.task(task_id)
    assert (task.attempt, task.refunded) == (1, 1)
    [event] = [e for e in engine.history(task_id) if e.event == "handed_back"]
    assert "no seat came within 1 s" in event.detail["reason"]
    engine.agent("near")
    wait_until(lambda: engine.task(task_id).assigned_agent_id is not None or engine.task(task_id).state == "completed")


def test_claim_goes_back_any_number_of_times_and_why_says_what_the_engine_says(
    engine: Engine, start: Callable[..., EngineAgent], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slot_threads, "UNPLACED_SECONDS", 0.1)
    monkeypatch.setattr(refusals, "FREE_PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(observer, "COUNT_SHARE", 1.0)
    start(wait_seconds=0.1)
    task_id = engine.submit("process.noop", {"number": 5}, max_attempts=1)
    wait_until(lambda: engine.task(task_id).attempt > MAX_REFUNDS + 2, 60)
    monkeypatch.setattr(slot_threads, "UNPLACED_SECONDS", 30.0)
    task = engine.wait_for(task_id, "pending")
    assert (task.refunded, task.error) == (task.attempt, None)

    [worker] = engine.workers
    monitor = Monitor(engine.settings, engine.database, engine.broker, worker.dispatcher, "test", Clock())

    def is_told() -> bool:
        monitor.observe()
        cache = RedisCache(engine.redis, engine.broker.keys)
        found = why(engine.database, engine.broker, cache, task_id, engine.settings.auth)
        reasons = [str(one.reason) for one in found.agents]
        return any("no seat came within 0.1 s: no node has 1 GPU free" in reason for reason in reasons)

    wait_until(is_told)


def test_drain_hands_back_what_waits_for_a_seat(engine: Engine, start: Callable[..., EngineAgent]) -> None:
    agent = start()
    task_id = engine.submit("process.noop", {"number": 5})
    wait_until(lambda: agent._runners.seats.state().coming)
    assert agent.drain(5.0)
    wait_until(lambda: "handed_back" in engine.events(task_id))
    wait_until(lambda: agent.gate.cancelled)  # type: ignore[attr-defined]


def test_operators_drain_hands_back_what_waits_for_a_seat(engine: Engine, start: Callable[..., EngineAgent]) -> None:
    agent = start()
    task_id = engine.submit("process.noop", {"number": 5})
    wait_until(lambda: agent._runners.seats.state().coming)
    with engine.database.transaction() as tx:
        holds.hold(tx, HoldKind.AGENT, agent.info.name, HoldMode.DRAINING, "me", "")
    assert engine.wait_for(task_id, "pending").attempt == 1
    assert "handed_back" in engine.events(task_id)
    assert not agent.is_draining, "the process goes on"
    wait_until(lambda: agent._runners.seats.state().waiting == 0)


def test_killed_agent_and_killed_seat_run_nothing_twice(engine: Engine, tmp_path: Path) -> None:
    """Each start writes a line of its own: the ledger has at most one for each attempt."""
    spec = AgentSpec("far-1", "far", ("process.*", "thread.*"), (), 2, engine=EngineSettings("local"))
    path = tmp_path / "pid"
    with engine.pool(spec):
        task_id = engine.submit("process.leave_grandchild", {"path": str(path)}, max_attempts=5)
        daemon = pid_in(path)
        path.unlink()
        [agent] = engine.online()
        os.kill(agent.pid, signal.SIGKILL)
        wait_until(lambda: is_dead(daemon))
        second = pid_in(path)  # of the next attempt
        assert second != daemon
        engine.submitter.cancel(task_id, actor="me")
        wait_until(lambda: is_dead(second))
        assert engine.wait_for(engine.submit("thread.noop", {"number": 2})).output == {"number": 2}
    history = engine.history(task_id)
    starts = [event.attempt for event in history if event.event == "started"]
    assert len(starts) == len(set(starts)) == 2
    [lost] = [event for event in history if event.event == "attempt_failed"]
    assert lost.detail["class"] == "agent_lost"


def test_lost_seat_is_named_in_the_error(engine: Engine, tmp_path: Path) -> None:
    spec = AgentSpec("far-1", "far", ("process.*", "thread.*"), (), 2, engine=EngineSettings("local"))
    with engine.pool(spec):
        task_id = engine.submit("thread.die", {"case": "os._exit"}, max_attempts=1)
        task = engine.wait_for(task_id)
        assert (task.state, task.attempt, task.error["class"]) == ("failed", 1, "crashed")
        assert f" on {socket.gethostname()} was lost: its connection ended" in task.error["message"]
        [agent] = engine.online()
        assert engine.wait_for(engine.submit("thread.noop", {"number": 2})).output == {"number": 2}
        assert [one.id for one in engine.online()] == [agent.id]  # the agent lives on
