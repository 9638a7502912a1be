"""What may go wrong between dispatcher, agents and servers, and that nothing is lost, doubled or stranded."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from msgspec import Raw

from taskyard.core.config import Settings
from taskyard.core.postgres.store.tick import Completion
from taskyard.core.protocol import (
    AgentInfo,
    Deregister,
    Done,
    Failure,
    Heartbeat,
    Log,
    Progress,
    Register,
    Released,
    Run,
    Started,
    encode,
)
from taskyard.core.redis.broker import Publication
from taskyard.core.redis.connection import connect_redis
from taskyard.worker.attempts.channel import AgentChannel
from taskyard.worker.attempts.context import TaskContext
from taskyard.worker.dispatch import dispatcher, recovery
from taskyard.worker.dispatch.batch import Batch
from taskyard.worker.dispatch.committer import Committer, commit
from tests.engine import Engine, InlineAgent, Payload, RunningWorker, running_engine
from tests.servers import wait_until


class Gate:
    """A handler that waits until the test lets it go on."""

    def __init__(self) -> None:
        self.open = threading.Event()

    def __call__(self, given: Payload, context: TaskContext) -> Payload:
        self.open.wait(20)
        return Payload(attempt=context.attempt)


@pytest.fixture
def gate() -> Gate:
    return Gate()


def completions_of(engine: Engine, task_id: str) -> int:
    return engine.events(task_id).count("completed")


def report(engine: Engine, *reports: Any) -> None:
    """What an agent would send; waits until the dispatcher has consumed it."""
    engine.broker.report(encode(list(reports)))
    wait_until(lambda: engine.broker.results_length() == 0)


def done(task_id: str, attempt: int, failure: Failure | None = None) -> Done:
    return Done(task_id, attempt, Raw(b'{"late":true}'), failure, 1_700_000_000.0, 0.5)


class MuteAgent(InlineAgent):
    """Runs nothing and reports nothing: what comes for it is the test's."""

    def execute(self, slot: int, run: Run, channel: AgentChannel) -> None:
        self.ran.append((run.task_id, run.attempt))


# reports that come twice, late, or from nobody


def test_same_result_five_times_completes_once(engine: Engine) -> None:
    engine.worker()
    agent = engine.agent(agent_class=MuteAgent)
    task_id = engine.submit("demo.gate")
    engine.wait_for(task_id, "in_progress")
    for _ in range(5):
        report(engine, done(task_id, 1))
    assert engine.task(task_id).output == {"late": True}
    assert engine.events(task_id) == ["submitted", "assigned", "started", "completed", *["stale_result"] * 4]
    assert agent.ran == [(task_id, 1)]


def test_same_result_five_times_in_one_tick_completes_once(engine: Engine) -> None:
    engine.worker()
    engine.agent(agent_class=MuteAgent)
    task_id = engine.submit("demo.gate")
    engine.wait_for(task_id, "in_progress")
    report(engine, *[done(task_id, 1)] * 5)
    assert sorted(engine.events(task_id)[3:]) == ["completed", *["stale_result"] * 4]


@pytest.mark.what_can_fail(3)
def test_late_result_of_a_fenced_attempt_changes_nothing(engine: Engine, gate: Gate) -> None:
    engine.worker()
    first = engine.agent("first", agent_class=MuteAgent)
    task_id = engine.submit("demo.gate")
    engine.wait_for(task_id, "in_progress")
    first.vanish()
    report(engine, Deregister(first.id, "lost"))
    second = engine.agent("second")
    wait_until(lambda: engine.task(task_id).attempt == 2 and engine.task(task_id).state == "in_progress")
    before = engine.task(task_id)
    report(engine, Started(first.id, [(task_id, 1)], 1.0), done(task_id, 1), done(task_id, 9))
    report(engine, Released(first.id, [(task_id, 1)]), Progress(task_id, 1, 0.9, "late"))
    assert engine.task(task_id) == before
    assert engine.events(task_id).count("stale_result") == 2
    (stale, _) = [e for e in engine.history(task_id) if e.event == "stale_result"]
    assert (stale.from_state, stale.to_state, stale.attempt) == ("in_progress", "in_progress", 1)
    assert stale.detail == {"reported": "completed", "current_attempt": 2}
    gate.open.set()
    assert engine.wait_for(task_id).output == {"attempt": 2}
    assert second.ran == [(task_id, 2)]


def test_start_of_the_current_attempt_is_recorded_though_an_old_result_follows_it(engine: Engine) -> None:
    engine.worker()
    agent = engine.agent()
    agent.agent._waiting.close()  # it reads its orders and leaves the reports to the test
    task_id = engine.submit("demo.gate")
    engine.wait_for(task_id, "assigned")
    report(engine, done(task_id, 1, Failure("transient", "again")))
    wait_until(lambda: engine.task(task_id).attempt == 2)
    report(engine, Started(agent.id, [(task_id, 2)], 1_700_000_000.0), done(task_id, 1))
    engine.wait_for(task_id, "in_progress")
    assert engine.events(task_id).count("stale_result") == 1


def test_start_reported_by_two_attempts_at_once_leaves_no_entry_behind(engine: Engine) -> None:
    engine.worker()
    agent = engine.agent(agent_class=MuteAgent)
    for _ in range(20):  # the second start must come while the first is held back
        task_id = engine.submit("demo.gate")
        wait_until(lambda task_id=task_id: (task_id, 1) in agent.ran)
        engine.broker.report(encode([Released(agent.id, [(task_id, 1)])]))
        wait_until(lambda task_id=task_id: (task_id, 2) in agent.ran)
        engine.broker.report(encode([done(task_id, 2)]))
        assert engine.wait_for(task_id).state == "completed"
    wait_until(lambda: engine.broker.results_length() == 0, 3)


NUL = "\x00"
FORGED = [
    b"not JSON",
    b'[["done"]]',
    encode([done("no-uuid", 1)]),
    encode([done("", 1)]),
    encode([done("0190a000-0000-7000-8000-000000000000", 1 << 40)]),
    encode([done("0190a000-0000-7000-8000-000000000000", 1)]),
    encode([done("0190a000-0000-7000-8000-000000000000", 1, Failure(f"a{NUL}b", f"a{NUL}b"))]),
    encode([Progress("no-uuid", 1, 0.5, "x"), Progress("0190a000-0000-7000-8000-000000000000", 1 << 40, 0.5, "x")]),
    encode([Log("nobody", "no-uuid", 1, "info", "x"), Log(f"a{NUL}", "no-uuid", 1 << 40, f"a{NUL}", f"a{NUL}")]),
    encode([Started("nobody", [("no-uuid", 1 << 40)], 1.0), Released("nobody", [("no-uuid", 1 << 40)])]),
    b'[["checkpoint","nobody","r","no-uuid",1,{"a":1}]]',
    b'[["checkpoint","nobody","r","0190a000-0000-7000-8000-000000000000",1099511627776,{"a":1}]]',
    b'[["submit","nobody","r","no-uuid",1,1,"demo.echo",{},{}]]',
    b'[["submit","nobody","r","0190a000-0000-7000-8000-000000000000",1,1,"demo.echo",{},{"after":[1]}]]',
    encode([Deregister("nobody", "left"), Deregister("nobody:1", "lost")]),
    encode([Deregister(f"a{NUL}b", "left"), Deregister("nobody:1", "bored")]),
    encode([Register(AgentInfo(f"a{NUL}:1", f"a{NUL}", "1", "x", "here", 1, [], [], 1))]),
    encode([Register(AgentInfo("a:1", "a", "1", "x", "here", 1 << 40, [], [], 1))]),
]
HEARTBEATS = [
    b"not JSON",
    b'{"of":"another version"}',
    encode(Heartbeat(AgentInfo("forged:1", f"a{NUL}", "1", "x", "here", 1, [], [], 1), "", "0-0", [], 0, False, 0, 0)),
    encode(Heartbeat(AgentInfo("other:1", "other", "1", "x", "here", 1, [], [], 1), "", "0-0", [], 0, False, 0, 0)),
    encode(Heartbeat(AgentInfo("forged:1", "a", "1", "x", "here", 1, [], [], 1), "", "first", [], 0, False, 0, 0)),
]


@pytest.mark.parametrize("payload", FORGED, ids=range(len(FORGED)))
def test_forged_report_does_not_stop_the_tick(engine: Engine, payload: bytes) -> None:
    worker = engine.worker()
    engine.agent()
    engine.broker.report(payload)
    assert engine.wait_for(engine.submit("demo.echo"), timeout_seconds=5).state == "completed"
    wait_until(lambda: engine.broker.results_length() == 0)
    assert worker.is_leading
    assert engine.leader() == 1


@pytest.mark.parametrize("beat", HEARTBEATS, ids=range(len(HEARTBEATS)))
def test_forged_heartbeat_is_said_once_and_does_not_stop_the_tick(engine: Engine, beat: bytes) -> None:
    engine.worker()
    engine.broker.heartbeat("forged:1", beat, 60)
    engine.agent()
    for _ in range(2):
        assert engine.wait_for(engine.submit("demo.echo", delay_seconds=0.5)).state == "completed"
    assert [entry["agent"] for entry in engine.logs if entry["event"] == "agent.unreadable"] == ["forged:1"]
    assert engine.leader() == 1


@pytest.mark.parametrize("started_at", [1e300, -1e300, 1e15])
def test_clock_of_an_agent_out_of_all_bounds_does_not_stop_the_tick(engine: Engine, started_at: float) -> None:
    engine.worker()
    engine.agent(agent_class=MuteAgent)
    first, second = engine.submit("demo.gate"), engine.submit("demo.gate")
    for task_id in (first, second):
        wait_until(lambda task_id=task_id: engine.task(task_id).state in ("assigned", "in_progress"))
    report(
        engine,
        Done(first, 1, Raw(b"{}"), None, started_at, 0.1),
        Done(second, 1, Raw(b"null"), Failure("permanent", "x"), started_at, 0.1),
    )
    assert engine.wait_for(first).state in ("completed", "failed")
    assert engine.wait_for(second).state == "failed"
    assert engine.leader() == 1


@pytest.mark.what_can_fail(16)
def test_output_that_postgresql_refuses_fails_alone_in_its_batch(engine: Engine) -> None:
    worker = engine.worker()
    engine.agent(agent_class=MuteAgent, max_concurrency=21)
    ids = engine.submitter.submit_many([{"type": "demo.gate"} for _ in range(21)])
    for task_id in ids:
        engine.wait_for(task_id, "in_progress")
    worker.stop()
    outputs = dict.fromkeys(ids, '{"a":1}') | {ids[13]: '{"a":"\\u0000"}'}
    batch = Batch(completions=[Completion(task_id, 1, outputs[task_id], 1_700_000_000.0, 0.1) for task_id in ids])
    with engine.leader_connection() as connection:
        commit(connection, batch)
    states = [engine.task(task_id).state for task_id in ids]
    assert states == ["completed"] * 13 + ["failed"] + ["completed"] * 7
    error = engine.task(ids[13]).error
    assert error["class"] == "unstorable"
    assert error["message"].startswith("PostgreSQL refused the output as data: ")
    assert engine.events(ids[13])[-1] == "failed"


# agents that die, fall silent, or do not listen


def test_silent_agent_is_reaped_after_its_ttl(settings: Settings, gate: Gate) -> None:
    with running_engine(settings.model_copy(update={"agent_ttl_seconds": 3.0})) as engine:
        engine.define("demo.gate", gate)
        engine.worker()
        silent = engine.agent("silent", agent_class=MuteAgent, max_concurrency=2)
        running = engine.submit("demo.gate")
        engine.wait_for(running, "in_progress")
        silent.vanish()
        unread = engine.submit("demo.gate")  # goes to an inbox that nobody reads any more
        engine.wait_for(unread, "assigned")
        gate.open.set()
        engine.agent("other")
        assert engine.wait_for(running, timeout_seconds=8).output == {"attempt": 2}
        assert engine.wait_for(unread).output == {"attempt": 2}
        assert (engine.task(running).refunded, engine.task(unread).refunded) == (0, 1)
        (failed,) = [e for e in engine.history(running) if e.event == "attempt_failed"]
        assert (failed.detail["class"], failed.agent_id) == ("agent_lost", silent.id)
        assert engine.agent_state(silent.id) == "lost"


def test_silence_proves_nothing_while_the_canary_is_young(settings: Settings, gate: Gate) -> None:
    """Heartbeats that Redis lost say nothing about agents: it must have held the canary for a full TTL."""
    with running_engine(settings.model_copy(update={"agent_ttl_seconds": 3.0})) as engine:
        engine.define("demo.gate", gate)
        worker = engine.worker()
        agent = engine.agent()
        task_id = engine.submit("demo.gate")
        engine.wait_for(task_id, "in_progress")
        with agent.agent.heartbeat._beating:  # no heartbeat comes in here
            engine.redis.delete(engine.broker.keys.canary, engine.broker.keys.heartbeat(agent.id))
            ticks = worker.dispatcher.ticks
            wait_until(lambda: worker.dispatcher.ticks > ticks + 5)
        gate.open.set()
        task = engine.wait_for(task_id)
        assert (task.state, task.attempt) == ("completed", 1)
        assert engine.agent_state(agent.id) == "online"


@pytest.mark.what_can_fail(8)
def test_deaf_agent_is_replaced(engine: Engine, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "DEAF_AFTER_SECONDS", 0.8)
    engine.worker()
    deaf = engine.agent("deaf")
    deaf.agent._stop_reading.set()  # its heartbeat beats on
    deaf._reader.join()
    task_id = engine.submit("demo.gate")
    engine.wait_for(task_id, "assigned")
    gate.open.set()
    engine.agent("other")
    task = engine.wait_for(task_id)
    assert (task.state, task.attempt, task.refunded) == ("completed", 2, 1)
    wait_until(lambda: deaf.agent.must_be_replaced)
    assert engine.agent_state(deaf.id) == "lost"


def test_a_boot_that_was_given_up_says_so_once_and_ends_what_counts_no_more(
    engine: Engine, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it still runs is run again by another one."""
    monkeypatch.setattr(recovery, "DEAF_AFTER_SECONDS", 0.8)
    engine.worker()
    deaf = engine.agent("deaf")
    task_id = engine.submit("demo.gate")
    engine.wait_for(task_id, "in_progress")
    deaf.agent._stop_reading.set()
    deaf._reader.join()
    engine.submit("demo.gate")  # which it does not read
    wait_until(lambda: deaf.agent.must_be_replaced)
    beats = deaf.agent.heartbeat._number
    wait_until(lambda: deaf.agent.heartbeat._number > beats + 3)
    [fenced] = [entry for entry in engine.logs if entry["event"] == "agent.fenced"]
    assert fenced["reason"].startswith("its tasks were given to others: ")
    began = time.monotonic()
    assert not deaf.agent.drain(30.0)
    assert time.monotonic() - began < 10
    gate.open.set()


def test_busy_agent_is_not_deaf(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """With orders coming all the time, every heartbeat is behind the inbox's end."""
    monkeypatch.setattr(recovery, "DEAF_AFTER_SECONDS", 0.5)
    engine.worker()
    agent = engine.agent()
    ids: list[str] = []
    enough = threading.Event()
    timer = threading.Timer(2.0, enough.set)
    timer.start()
    while not enough.is_set():
        ids.append(engine.submit("demo.echo"))
    timer.join()
    engine.wait_for_all(ids)
    assert not agent.agent.must_be_replaced
    assert engine.agent_state(agent.id) == "online"
    assert not [entry for entry in engine.logs if entry["event"] == "agent.deaf"]


def test_claim_that_was_under_way_to_an_agent_that_ended_goes_back_at_once(
    engine: Engine, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end is read while a claim for it is being committed."""
    gate.open.set()
    engine.worker()
    agent = engine.agent("first", agent_class=MuteAgent)
    ended, start = threading.Event(), Committer.start

    def end_before(committer: Committer, batch: Batch) -> None:
        if batch.claims and not ended.is_set():
            ended.set()
            agent.vanish()
            engine.broker.report(encode([Deregister(agent.id, "lost")]))
        start(committer, batch)

    monkeypatch.setattr(Committer, "start", end_before)
    monkeypatch.setattr(dispatcher, "LARGE_BATCH", 1)  # so that the next batch is gathered beside the commit
    ids = engine.submitter.submit_many([{"type": "demo.gate"} for _ in range(3)])
    assert ended.wait(5)
    engine.agent("second")
    for task_id in ids:
        task = engine.wait_for(task_id, timeout_seconds=3)
        assert (task.state, task.attempt, task.refunded) == ("completed", 2, 1)
    wait_until(lambda: not engine.redis.exists(engine.broker.keys.inbox(agent.id)))


# the leader


def _break_publish_once(worker: RunningWorker, error: Exception) -> threading.Event:
    """Makes the next publication that carries orders fail after its commit."""
    broke, publish = threading.Event(), worker.broker.publish

    def fail(epoch: int, publication: Publication) -> None:
        if any(b'"run"' in orders for orders in publication.orders.values()) and not broke.is_set():
            broke.set()
            raise error
        publish(epoch, publication)

    worker.broker.publish = fail
    return broke


@pytest.mark.what_can_fail(1)
def test_crash_between_commit_and_publish(engine: Engine) -> None:
    worker = engine.worker()
    agent = engine.agent()
    wait_until(lambda: engine.broker.results_length() == 0)
    broke = _break_publish_once(worker, dispatcher.LeadershipLost("cut off after the commit"))
    task_id = engine.submit("demo.echo")
    task = engine.wait_for(task_id, timeout_seconds=5)
    assert broke.is_set()
    assert (task.state, task.attempt, task.refunded) == ("completed", 2, 1)
    assert agent.ran == [(task_id, 2)]
    assert engine.events(task_id) == ["submitted", "assigned", "handed_back", "assigned", "completed"]
    assert engine.leader() == 2


@pytest.mark.what_can_fail(4)
def test_connection_lost_in_the_middle_of_work_loses_nothing(engine: Engine) -> None:
    engine.worker()
    for n in range(2):
        engine.agent(f"agent-{n}")
    ids = engine.submitter.submit_many([{"type": "demo.echo", "input": {"n": n}} for n in range(4_000)])
    for epoch in (1, 2, 3):
        wait_until(lambda epoch=epoch: engine.leader() == epoch)
        engine.kill_leader_connection()
    wait_until(lambda: engine.counts() == {"completed": len(ids)}, 20, str(engine.counts()))
    with engine.database.transaction() as tx:
        completed = tx.rows("SELECT count(*), count(DISTINCT task_id) FROM task_events WHERE event = 'completed'", {})
    assert tuple(completed[0]) == (4_000, 4_000)


def test_standby_takes_over(engine: Engine, gate: Gate) -> None:
    first = engine.worker("first")
    wait_until(lambda: first.is_leading)
    second = engine.worker("second")
    engine.agent()
    running = engine.submit("demo.gate")
    engine.wait_for(running, "in_progress")
    assert not second.is_leading
    assert engine.leader() == 1
    first.stop()
    wait_until(lambda: second.is_leading, 5)
    gate.open.set()
    ids = [engine.submit("demo.echo") for _ in range(20)]
    engine.wait_for_all([running, *ids])
    assert engine.task(running).attempt == 1
    assert engine.leader() == 2


@pytest.mark.what_can_fail(14)
def test_one_of_two_workers_leads_after_the_connection_is_killed(engine: Engine) -> None:
    workers = [engine.worker(name) for name in ("first", "second")]
    engine.agent()
    wait_until(lambda: sum(worker.is_leading for worker in workers) == 1)
    engine.kill_leader_connection()
    wait_until(lambda: engine.leader() == 2, 5)
    engine.wait_for_all([engine.submit("demo.echo") for _ in range(20)])
    assert sum(worker.is_leading for worker in workers) == 1


def test_superseded_leader_publishes_nothing(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher, "RETRY_SECONDS", 0.1)
    monkeypatch.setattr(dispatcher, "MAX_RETRY_SECONDS", 0.1)
    worker = engine.worker()
    engine.agent()
    with pytest.raises(dispatcher.StaleEpoch):
        engine.broker.publish(99, Publication(consumed=[b"0-1"]))
    engine.redis.set(engine.broker.keys.epoch, 7)  # another database's leader in the same namespace
    task_id = engine.submit("demo.echo")
    wait_until(lambda: not worker.is_leading)
    wait_until(lambda: engine.leader() >= 7, 15)  # it tries on, and each try is a new term
    assert engine.wait_for(task_id, timeout_seconds=5).state == "completed"


# the servers


def test_redis_wiped_while_tasks_run_and_wait(engine: Engine, gate: Gate) -> None:
    engine.worker()
    agents = [engine.agent(f"agent-{n}") for n in range(2)]
    running = [engine.submit("demo.gate", {"n": n}) for n in range(6)]
    for task_id in running:
        engine.wait_for(task_id, "in_progress")
    waiting = engine.submitter.submit_many([{"type": "demo.echo", "input": {"n": n}} for n in range(500)])
    later = [engine.submit("demo.echo", delay_seconds=0.5) for _ in range(5)]
    engine.wipe_redis()
    gate.open.set()
    engine.wait_for_all([*running, *waiting, *later], timeout_seconds=10)
    assert all(completions_of(engine, task_id) == 1 for task_id in [*running, *later])
    assert all(engine.task(task_id).attempt == 1 for task_id in running)
    assert {row.id for row in engine.online()} == {agent.id for agent in agents}
    wait_until(lambda: engine.broker.results_length() == 0)


@pytest.mark.what_can_fail(5)
def test_redis_wiped_again_and_again(engine: Engine) -> None:
    engine.worker()
    for n in range(2):
        engine.agent(f"agent-{n}")
    ids = engine.submitter.submit_many([{"type": "demo.echo", "input": {"n": n}} for n in range(3_000)])
    for epoch in (1, 2, 3):
        wait_until(lambda epoch=epoch: engine.leader() == epoch)
        wait_until(lambda: engine.redis.exists(engine.broker.keys.generation))
        engine.wipe_redis()
    wait_until(lambda: engine.counts() == {"completed": len(ids)}, 20)
    with engine.database.transaction() as tx:
        completed = tx.rows("SELECT count(*), count(DISTINCT task_id) FROM task_events WHERE event = 'completed'", {})
    assert tuple(completed[0]) == (3_000, 3_000)


def test_redis_restored_from_an_old_snapshot(engine: Engine, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """A generation of another server start counts as wiped, and old inboxes make nobody deaf."""
    monkeypatch.setattr(recovery, "DEAF_AFTER_SECONDS", 0.5)
    engine.worker()
    agent = engine.agent()
    task_id = engine.submit("demo.gate")
    engine.wait_for(task_id, "in_progress")
    engine.redis.set(engine.broker.keys.generation, "another-start:mark")
    wait_until(lambda: engine.leader() == 2)
    ended = threading.Event()
    timer = threading.Timer(1.5, ended.set)  # longer than a deaf agent is suffered
    timer.start()
    wait_until(ended.is_set)
    gate.open.set()
    task = engine.wait_for(task_id)
    assert (task.state, task.attempt) == ("completed", 1)
    assert engine.agent_state(agent.id) == "online"


def test_order_read_before_the_agent_learns_of_a_new_generation_leaves_it_hearing(
    engine: Engine, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "DEAF_AFTER_SECONDS", 0.5)
    engine.worker()
    agent = engine.agent(max_concurrency=1)
    heartbeat, may_beat = agent.agent.heartbeat, threading.Event()
    wait_until(lambda: heartbeat.generation)
    old, beat = heartbeat.generation, heartbeat.send

    def beat_when_allowed() -> None:
        may_beat.wait()
        beat()

    monkeypatch.setattr(heartbeat, "send", beat_when_allowed)
    engine.redis.set(engine.broker.keys.generation, "another-start:mark")
    wait_until(lambda: engine.redis.get(engine.broker.keys.epoch) == b"2")
    task_id = engine.submit("demo.gate")
    engine.wait_for(task_id, "in_progress")
    inbox = engine.broker.keys.inbox(agent.id)
    wait_until(lambda: engine.redis.exists(inbox) and engine.redis.xlen(inbox) == 0)
    may_beat.set()
    wait_until(lambda: heartbeat.generation not in ("", old))
    ended = threading.Event()
    threading.Timer(2, ended.set).start()  # longer than a deaf agent is suffered
    wait_until(ended.is_set)
    gate.open.set()
    task = engine.wait_for(task_id)
    assert (task.state, task.attempt) == ("completed", 1)
    assert engine.agent_state(agent.id) == "online"


def test_postgresql_away_and_back(engine: Engine, gate: Gate) -> None:
    worker = engine.worker()
    engine.agent()
    running = engine.submit("demo.gate")
    engine.wait_for(running, "in_progress")
    with engine.postgresql_away():
        wait_until(lambda: not worker.is_leading)
        gate.open.set()  # its result waits in Redis
        wait_until(lambda: engine.broker.results_length() > 0)
    task = engine.wait_for(running, timeout_seconds=5)
    assert (task.state, task.attempt) == ("completed", 1)
    assert engine.wait_for(engine.submit("demo.echo")).state == "completed"


def test_agent_that_died_while_nobody_led_is_recorded_as_lost(settings: Settings) -> None:
    with running_engine(settings.model_copy(update={"agent_ttl_seconds": 3.0})) as engine:
        first = engine.worker("first")
        agent = engine.agent()
        first.stop()
        agent.vanish()
        engine.redis.delete(engine.broker.keys.heartbeat(agent.id))
        engine.worker("second")
        wait_until(lambda: engine.agent_state(agent.id) == "lost")
        wait_until(lambda: not engine.redis.exists(engine.broker.keys.inbox(agent.id)))


def test_unknown_agent_says_hello_after_a_takeover(engine: Engine) -> None:
    """A new leader learns of agents from their heartbeats, without a hello."""
    engine.worker("first").stop()
    with connect_redis(engine.settings.redis_url) as client:
        assert client.get(engine.broker.keys.epoch) == b"1"
    worker = engine.worker("second")
    wait_until(lambda: worker.is_leading)
    agent = engine.agent()
    engine.kill_leader_connection()
    wait_until(lambda: engine.leader() == 3)
    assert engine.wait_for(engine.submit("demo.echo")).state == "completed"
    report(engine, Register(agent.agent.info))
    assert [row.id for row in engine.online()] == [agent.id]
