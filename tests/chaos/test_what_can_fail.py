"""Lines of "What can fail" that need a scene of their own; tests elsewhere are marked where they are."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from msgspec import Raw

from taskyard.core.config import Settings
from taskyard.core.errors import TaskyardError, TransientError
from taskyard.core.models import Lane, Waiting
from taskyard.core.postgres.store import tasks as tasks_store
from taskyard.core.postgres.store.tick import Completion
from taskyard.core.protocol import Run, encode
from taskyard.core.redis import connection as redis_client
from taskyard.core.redis.broker import PAYLOAD
from taskyard.core.scheduling.agent_slots import AgentSlots
from taskyard.core.scheduling.placement import Candidate
from taskyard.core.task_types.registry import registry
from taskyard.worker.agents.pool_config import AgentSpec
from taskyard.worker.attempts.context import TaskContext
from taskyard.worker.dispatch.batch import Batch
from taskyard.worker.dispatch.committer import commit
from tests.engine import Engine, Payload, running_engine, set_agent_environment
from tests.gates import Gate
from tests.own_servers import own_engine
from tests.servers import kill_all, wait_until

TTL_SECONDS = 3.0  # the least that may be configured
FIFTY = 50


@contextmanager
def impatient(settings: Settings) -> Iterator[Engine]:
    """An engine whose agents are lost after the shortest time."""
    with running_engine(settings.model_copy(update={"agent_ttl_seconds": TTL_SECONDS})) as engine:
        engine.define("demo.sleep", _sleep)
        engine.define("demo.echo", lambda given, context: given)
        yield engine


def _sleep(given: Payload, context: TaskContext) -> Payload:
    time.sleep(given.model_dump()["seconds"])
    return given


@contextmanager
def busy_cores() -> Iterator[None]:
    """Twice as many busy loops as there are cores."""
    with ExitStack() as stack:
        for _ in range(2 * psutil.cpu_count()):
            loop = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            stack.callback(loop.kill)
        yield


@contextmanager
def suspended(processes: list[psutil.Process]) -> Iterator[None]:
    """These processes are frozen; some may end meanwhile."""
    try:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        yield
    finally:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.resume()


@pytest.mark.what_can_fail(2)
def test_same_message_five_times_to_fifty_agents_is_one_claim(engine: Engine, gate: Gate) -> None:
    engine.worker()
    agents = [engine.agent(f"agent-{number}", max_concurrency=1) for number in range(FIFTY)]
    task_id = engine.submit("demo.gate")
    engine.wait_for(task_id, "in_progress")
    task = engine.task(task_id)
    waiting = Waiting(task_id, Lane("default", "demo.gate", ()), int(task.priority), task.ready_at.timestamp(), False)
    order = encode([Run(task_id, 1, "demo.gate", Raw(b"{}"), 60.0, None, 1)])
    for _ in range(5):
        engine.broker.push([waiting])
        engine.redis.xadd(engine.broker.keys.inbox(str(task.assigned_agent_id)), {PAYLOAD: order})
    later = engine.submit("demo.gate")  # behind all of that, in the same lane
    engine.wait_for(later, "in_progress")
    gate.open.set()
    engine.wait_for_all([task_id, later])
    ran = [pair for agent in agents for pair in agent.ran]
    assert sorted(ran) == sorted([(task_id, 1), (later, 1)])
    assert engine.events(task_id) == ["submitted", "assigned", "started", "completed"]
    wait_until(lambda: not any(engine.broker.leftovers().values()))


@pytest.mark.what_can_fail(4)
def test_a_tick_whose_commit_was_not_answered_is_harmless_when_it_comes_again(engine: Engine) -> None:
    first, second = engine.submit("demo.echo"), engine.submit("demo.echo")
    slots = AgentSlots("agent-1:a", ("*",), frozenset(), 3)
    lane = Lane("default", "demo.echo")

    def claims(task_id: str) -> Batch:
        return Batch(claims=[(Candidate(task_id, lane, 0.0, 1.0), slots)])

    with engine.leader_connection() as connection:
        assert [row.attempt for row in commit(connection, claims(first)).claimed] == [1]
        tick = claims(second)
        tick.completions.append(Completion(first, 1, "{}", 1.0, 0.1))
        assert [row.id for row in commit(connection, tick).claimed] == [second]
        before = [engine.task(task_id) for task_id in (first, second)]
        assert list(commit(connection, tick).claimed) == []
    assert [engine.task(task_id) for task_id in (first, second)] == before
    assert engine.events(first) == ["submitted", "assigned", "completed", "stale_result"]
    assert engine.events(second) == ["submitted", "assigned"]


@pytest.mark.what_can_fail(5)
def test_redis_away_is_said_once_and_nothing_spins(data_dir: Path) -> None:
    with own_engine(data_dir) as (engine, servers):
        engine.worker()
        engine.agent()
        engine.wait_for(engine.submit("demo.echo"), "completed")
        kill_all(servers.redis_processes())
        process, said = psutil.Process(), len(engine.logs)
        before = process.cpu_times()
        over = threading.Event()
        threading.Timer(3, over.set).start()
        wait_until(over.is_set)
        used = sum(process.cpu_times()[:2]) - sum(before[:2])
        assert len(engine.logs) - said <= 6, engine.logs[said:]
        assert used < 1.5, "CPU seconds of worker, agent and test together in three seconds"
        accepted = engine.submit("demo.echo")
        servers.restart()
        assert engine.wait_for(accepted, timeout_seconds=15).state == "completed"


@pytest.mark.what_can_fail(5)
def test_redis_away_for_several_ttls_costs_an_agent_one_boot_and_the_leader_one_term(data_dir: Path) -> None:
    with own_engine(data_dir, agent_ttl_seconds=TTL_SECONDS) as (engine, servers):
        engine.worker()
        engine.agent()
        engine.wait_for(engine.submit("demo.echo"), "completed")
        epoch = engine.leader()
        kill_all(servers.redis_processes())
        over = threading.Event()
        threading.Timer(3 * TTL_SECONDS, over.set).start()
        wait_until(over.is_set)
        accepted = engine.submit("demo.echo")
        servers.restart()
        assert engine.wait_for(accepted, timeout_seconds=15).state == "completed"
        with engine.database.transaction() as tx:
            boots = tasks_store.agents(tx)
        assert len(boots) == 2, [agent.id for agent in boots]
        assert engine.leader() == epoch + 1


@pytest.mark.what_can_fail(7)
def test_task_longer_than_any_idle_time_runs_once(settings: Settings) -> None:
    with impatient(settings) as engine:
        engine.worker()
        agent = engine.agent()
        task_id = engine.submit("demo.sleep", {"seconds": 2 * TTL_SECONDS + 0.5})
        assert engine.wait_for(task_id, timeout_seconds=20).state == "completed"
        assert agent.ran == [(task_id, 1)]
        assert engine.events(task_id) == ["submitted", "assigned", "started", "completed"]
        assert engine.leader() == 1, "nor did the leader's session time out"


@pytest.mark.what_can_fail(11)
def test_nobody_is_declared_dead_on_a_busy_machine(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    short = settings.model_copy(update={"agent_ttl_seconds": TTL_SECONDS})
    set_agent_environment(monkeypatch, short)
    registry.load(["tests.task_types"])
    specs = [AgentSpec(f"agent-{number}", "agent", ("thread.*", "process.*"), (), 2) for number in range(2)]
    with running_engine(short, registry) as engine:
        engine.worker()
        with engine.pool(*specs):
            boots = {agent.id for agent in engine.online()}
            with busy_cores():
                ids = engine.submitter.submit_many([{"type": "thread.sleep", "input": {"seconds": 0.05}}] * 60)
                for _ in range(3):
                    with engine.database.transaction() as tx:  # no tick can commit meanwhile
                        tx.rows("LOCK TABLE tasks IN SHARE ROW EXCLUSIVE MODE", {})
                        tx.rows("SELECT pg_sleep(1.5)", {})
                engine.wait_for_all(ids, timeout_seconds=60)
            assert {agent.id for agent in engine.online()} == boots
        assert {engine.task(task_id).attempt for task_id in ids} == {1}
        assert not [entry for entry in engine.logs if entry["event"] in ("agent.lost", "agent.deaf")]


@pytest.mark.what_can_fail(15)
def test_claims_of_an_old_boot_are_not_its_successors(settings: Settings, gate: Gate) -> None:
    with impatient(settings) as engine:
        engine.define("demo.gate", gate)
        engine.worker()
        first = engine.agent("same", max_concurrency=1)
        old = engine.submit("demo.gate")
        engine.wait_for(old, "in_progress")
        first.vanish()
        second = engine.agent("same", max_concurrency=1)
        new = engine.submit("demo.gate")
        engine.wait_for(new, "in_progress")
        assert (engine.task(old).assigned_agent_id, engine.task(new).assigned_agent_id) == (first.id, second.id)
        wait_until(lambda: engine.task(old).state == "pending", 10, "its own boot's silence ends it, nothing earlier")
        assert engine.task(new).state == "in_progress"
        gate.open.set()
        engine.wait_for_all([old, new])
        assert second.ran == [(new, 1), (old, 2)]
        assert "stale_result" in engine.events(old), "the old boot's result came, and too late"


@pytest.mark.what_can_fail(17)
def test_heartbeats_do_not_wait_for_the_pool_of_connections(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_client, "POOL_SIZE", 2)
    monkeypatch.setattr(redis_client, "POOL_TIMEOUT_SECONDS", 0.3)
    with impatient(settings) as engine:
        engine.worker()
        agent = engine.agent()
        pool = agent.clients[0].connection_pool
        held = [pool.get_connection() for _ in range(2)]
        began = time.monotonic()
        with pytest.raises(TransientError, match="Redis can't be used"):
            agent.agent.mail.request(("t", 1), {"kind": "send", "agent": "agent-2", "message": {"hello": 1}})
        assert time.monotonic() - began < 3, "an error in time, not a hang"
        over = threading.Event()
        threading.Timer(TTL_SECONDS + 1, over.set).start()
        wait_until(over.is_set)
        assert [row.id for row in engine.online()] == [agent.id]
        for connection in held:
            pool.release(connection)


@pytest.mark.what_can_fail(18)
def test_children_are_not_forked_from_a_process_with_threads(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_agent_environment(monkeypatch, settings)
    registry.load(["tests.task_types"])
    with running_engine(settings, registry) as engine:
        engine.worker()
        with engine.pool(AgentSpec("agent-1", "agent", ("process.*",), (), 2)):
            task_id = engine.submit("process.sleep", {"seconds": 5})
            engine.wait_for(task_id, "in_progress", timeout_seconds=20)
            agent = psutil.Process(engine.online()[0].pid)
            wait_until(agent.children)  # the first task that needs it starts it
            [fork_server] = agent.children()
            assert agent.num_threads() > 1
            assert fork_server.num_threads() == 1, "it alone forks"
            assert fork_server.cmdline() != agent.cmdline(), "and began as a program of its own"
            wait_until(fork_server.children)
            engine.submitter.cancel(task_id, actor="me")


@pytest.mark.slow
def test_slow_servers_delay_and_lose_nothing(data_dir: Path) -> None:
    with own_engine(data_dir) as (engine, servers):
        engine.worker()
        engine.agent()
        ids = [engine.submit("demo.echo", {"n": number}) for number in range(50)]
        for frozen in (servers.redis_processes(), servers.postgres_processes()) * 2:
            with suspended(frozen):
                ids += _submitted_meanwhile(engine)
        engine.wait_for_all(ids, timeout_seconds=30)
        wait_until(lambda: not any(engine.broker.leftovers().values()))


def _submitted_meanwhile(engine: Engine) -> list[str]:
    """What a submitter in a hurry gets accepted within a second and a half."""
    accepted: list[str] = []

    def submit() -> None:
        with suppress(TaskyardError):
            accepted.append(engine.submit("demo.echo"))

    thread = threading.Thread(target=submit)
    thread.start()
    thread.join(1.5)
    return list(accepted)
