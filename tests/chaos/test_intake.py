"""One odd thing in Redis stops what it is about, and nothing else: see also test_intake_fuzz.py."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec import Raw

from taskyard.core.postgres.store import tasks
from taskyard.core.protocol import Deregister, Done, Log, Progress, Released, Started, encode
from taskyard.core.redis.pushes import due_member
from taskyard.worker.agents.pool_config import AgentSpec
from tests.engine import Engine, InlineAgent, RunningAgent, set_agent_environment
from tests.servers import wait_until

DEEP = "[" * 2_000 + "]" * 2_000
NOBODY = "0190a000-0000-7000-8000-000000000000"
FAR = f"{(1 << 64) - 1}-{(1 << 64) - 1}"
STALLED = "server closed the connection unexpectedly"  # after seconds in which the machine stood still


class MuteAgent(InlineAgent):
    """Starts what it is given and says nothing of its end."""

    def execute(self, slot, run, channel):  # type: ignore[no-untyped-def]
        self.ran.append((run.task_id, run.attempt))


def running(engine: Engine) -> tuple[RunningAgent, str]:
    """A mute agent and a task that it runs."""
    agent = engine.agent(agent_class=MuteAgent, types=["demo.gate"])
    task_id = engine.submit("demo.gate")
    engine.wait_for(task_id, "in_progress")
    return agent, task_id


def assert_work_goes_on(engine: Engine, epoch: int = 1) -> None:
    helper = engine.agent("helper", types=["demo.echo"])
    assert engine.wait_for(engine.submit("demo.echo"), timeout_seconds=10).state == "completed"
    stalls = sum(entry["event"] == "leader.waiting" and STALLED in entry["reason"] for entry in engine.logs)
    assert engine.leader() == epoch + stalls
    helper.stop()


def places(engine: Engine) -> list[str]:
    return [item.place for item in engine.broker.quarantine.newest()]


@pytest.mark.parametrize(
    "end",
    [
        f"{DEEP},null,1.0,0.1".encode(),
        b'"\xff\xfe",null,1.0,0.1',
        b"{},null,1.0,1e300",
        b"{},null,1.0,-1",
        b"{},null,1.0,NaN",
        b"{},null,1.0,0.1,-5",
        b"{},null,1.0,0.1,0.1,1.5",
        b"{},null,1.0,0.1,0.1,99999999999999999999999",
        b'null,["permanent",1],1.0,0.1',
        b"{}",
    ],
)
def test_an_end_that_cannot_be_read_is_the_end_of_its_task_alone(engine: Engine, end: bytes) -> None:
    engine.worker()
    _, task_id = running(engine)
    engine.broker.report(b'[["done","%s",1,%s]]' % (task_id.encode(), end))
    task = engine.wait_for(task_id)
    assert (task.state, task.error["class"]) == ("failed", "unprocessable")
    assert "quarantined" in engine.events(task_id)
    wait_until(lambda: engine.broker.results_length() == 0)
    [item] = engine.broker.quarantine.newest()
    assert (item.source, item.task_id, item.attempt) == ("report", task_id, 1)
    assert_work_goes_on(engine)


@pytest.mark.parametrize(
    "report",
    [
        b'["progress","%s",1,0.5,"a\\u0000b"]',
        b'["progress","%s",1,-1,"x"]',
        b'["progress","%s",1,NaN,"x"]',
        b'["log","nobody","%s",1,"info","a\\u0000b"]',
        b'["started","nobody",[["%s",-1]],1.0]',
    ],
)
def test_what_an_attempt_says_meanwhile_does_not_end_it(engine: Engine, report: bytes) -> None:
    engine.worker()
    _, task_id = running(engine)
    good = encode(Done(task_id, 1, Raw(b"{}"), None, 1.0, 0.1))
    engine.broker.report(b"[" + report % task_id.encode() + b"," + good + b"]")
    assert engine.wait_for(task_id).state == "completed"
    wait_until(lambda: engine.broker.quarantine.count() == 1, message="the other report is in quarantine")
    assert_work_goes_on(engine)


def test_a_policy_that_can_not_decide_fails_its_task_alone(engine: Engine) -> None:
    engine.worker()
    policy = engine.registry.get("demo.gate").retry
    object.__setattr__(policy, "backoff_seconds", "soon")
    _, task_id = running(engine)
    engine.broker.report(b'[["done","%s",1,null,["transient","x"],1.0,0.1]]' % task_id.encode())
    assert engine.wait_for(task_id).error["class"] == "unprocessable"
    object.__setattr__(policy, "backoff_seconds", 0.0)
    assert_work_goes_on(engine)


@pytest.mark.parametrize(
    "key", ["results", "wake", "due", "lanes", "agents", "canary", "quarantine", "ready:default|demo.echo|"]
)
def test_a_key_of_another_type_makes_room(engine: Engine, key: str) -> None:
    engine.worker()
    engine.agent()
    name = engine.broker.keys.prefix + key
    engine.redis.delete(name)
    engine.redis.hset(name, "a", "b")
    assert_work_goes_on(engine)


MEMBERS: dict[str, Callable[[Engine, str], object]] = {
    "lanes": lambda e, p: e.redis.sadd(p + "lanes", b"\xff", "", "a|b", "|||", "a|\x00|"),
    "ready": lambda e, p: e.redis.zadd(p + "ready:default|demo.echo|", {b"\xff": 0, "x": 1, "0" * 36: 2, "": 3}),
    "infinite": lambda e, p: e.redis.zadd(
        p + "ready:default|demo.echo|", {"0190a000-0000-7000-8000-000000000000": "-inf"}
    ),
    "due": lambda e, p: e.redis.zadd(p + "due", {b"\xff": 0, "a|nan|b": 1, "a|1|b": 2, "||": "-inf", "a| 1|b|c|": 0}),
    "due, far": lambda e, p: e.redis.zadd(p + "due", {"x": "+inf", f"{NOBODY}|1|default|demo.no|": 1.8e12, "||": 4e9}),
    "due, no task": lambda e, p: e.redis.zadd(p + "due", {f"{NOBODY}|1|default|demo.echo|": 4e9}),
    "lane of nobody": lambda e, p: e.redis.zadd(p + "ready:default|demo.no|", {"x": 1, "y" * 5_000: 2, NOBODY: 3}),
    "lane, far": lambda e, p: e.redis.zadd(p + "ready:default|demo.no|", {NOBODY: "+inf", NOBODY[:-1] + "1": 1.8e12}),
    "no lane": lambda e, p: e.redis.zadd(p.encode() + b"ready:\xff", {NOBODY: 1}),
    "wake": lambda e, p: [e.redis.xadd(p + "wake", {"m": text}) for text in (b"\xff", "a|b", "x" * 10_000)],
    "wake id": lambda e, p: e.redis.xadd(p + "wake", {"m": ""}, id=FAR),
    "results id": lambda e, p: e.redis.xadd(p + "results", {"m": "[]"}, id=FAR),
    "agents": lambda e, p: [e.redis.sadd(p + "agents", n) and e.redis.set(p.encode() + b"agent:" + n, b"{}")
                            for n in (b"\xff", b"", b"a\x00")],
}  # fmt: skip


@pytest.mark.parametrize("what", MEMBERS)
def test_an_odd_member_is_removed(engine: Engine, what: str) -> None:
    """Whenever its time would come, and also where nobody ever looks."""
    engine.worker()
    engine.agent()
    MEMBERS[what](engine, engine.broker.keys.prefix)
    assert_work_goes_on(engine)
    wait_until(lambda: engine.broker.quarantine.count() > 0)
    wait_until(lambda: not [key for key in engine.redis.keys(engine.broker.keys.prefix + "*") if holds_tasks(key)])


def holds_tasks(key: bytes) -> bool:
    return key.endswith(b":due") or b":ready:" in key


@pytest.mark.parametrize("state", ["pending", "scheduled", "cancelled"])
def test_a_task_waits_where_its_row_says(engine: Engine, state: str) -> None:
    """Whatever times and lanes Redis has for it; what is over waits nowhere, and that is nothing odd."""
    engine.worker()
    engine.define("demo.far", lambda given, context: given)
    later = {"delay_seconds": 3600} if state == "scheduled" else {}
    task_id = engine.submit("demo.far", **later)
    with engine.database.transaction() as tx:
        [task] = tasks.waiting(tx, [task_id])
    if state == "cancelled":
        engine.submitter.commands.cancel(task_id, actor="test", reason="test")
    keys = engine.broker.keys
    member = due_member(task, engine.broker._policy_of)
    engine.redis.zadd(keys.due, {member: 9e9, f"{task_id}|5.0|default|demo.no|": 8e9})
    engine.redis.zadd(keys.ready("default|demo.far|"), {task_id: 9e9})
    engine.redis.zadd(keys.ready("default|demo.no|"), {task_id: 5})
    in_due = [(member.encode(), task.ready)]
    in_lane = [(task_id.encode(), task.ready)]

    def places() -> list[object]:
        names = (keys.due, keys.ready("default|demo.far|"), keys.ready("default|demo.no|"))
        return [engine.redis.zrange(name, 0, -1, withscores=True) for name in names]

    wanted = {"pending": [[], in_lane, []], "scheduled": [in_due, [], []], "cancelled": [[], [], []]}[state]
    wait_until(lambda: places() == wanted)
    assert engine.broker.quarantine.count() == 0
    if state == "pending":
        engine.agent()
        assert engine.wait_for(task_id).state == "completed"


@pytest.mark.parametrize(
    ("key", "value"), [("epoch", b"\xff"), ("epoch", "1e9"), ("epoch", "x" * 99), ("generation", b"\xff")]
)
def test_a_term_s_number_that_is_none_ends_one_term(engine: Engine, key: str, value: str | bytes) -> None:
    engine.worker()
    engine.redis.set(engine.broker.keys.prefix + key, value)
    wait_until(lambda: engine.leader() == 2)
    assert_work_goes_on(engine, epoch=2)


@pytest.mark.parametrize("payload", [b"", b"\xff", b"[1]", b'[["nobody"]]', b'[["run","x",1,"t",{},1.0,null,1]]',
    b'[["run","0190a000-0000-7000-8000-000000000000",1,"demo.echo",{},1.0,"{",1]]',
    b'[["run","0190a000-0000-7000-8000-000000000000",1,"demo.echo",{},1.0,null,9]]', DEEP.encode()])  # fmt: skip
def test_an_order_that_is_none_does_not_end_the_agent(engine: Engine, payload: bytes) -> None:
    engine.worker()
    agent = engine.agent()
    engine.redis.xadd(engine.broker.keys.inbox(agent.id), {"m": payload})
    wait_until(lambda: engine.broker.quarantine.count() == 1)
    assert engine.wait_for(engine.submit("demo.echo")).state == "completed"
    assert agent._reader.is_alive()


def test_a_report_counts_only_from_who_holds_the_claim(engine: Engine) -> None:
    engine.worker()
    agent, task_id = running(engine)
    thief = "thief:1"
    reports = [
        Done(task_id, 1, Raw(b"{}"), None, 1.0, 0.1, agent_id=thief),
        Progress(task_id, 1, 0.9, "stolen", thief),
        Log(thief, task_id, 1, "info", "stolen"),
        Released(thief, [(task_id, 1)]),
        Started(thief, [(task_id, 1)], 1.0),
    ]
    engine.broker.report(encode(reports))
    wait_until(lambda: engine.events(task_id).count("stale_result") == 5)
    task = engine.task(task_id)
    assert (task.state, task.progress, task.attempt) == ("in_progress", None, 1)
    assert "log" not in engine.events(task_id)
    engine.broker.report(encode([Done(task_id, 1, Raw(b"{}"), None, 1.0, 0.1, agent_id=agent.id)]))
    assert engine.wait_for(task_id).state == "completed"


@pytest.mark.parametrize("proof", ["", "a guess"])
def test_a_farewell_without_its_secret_counts_for_nothing(
    engine: Engine, proof: str, monkeypatch: pytest.MonkeyPatch
) -> None:

    set_agent_environment(monkeypatch, engine.settings)
    engine.worker()
    with engine.pool(AgentSpec("real", "test", ("nothing.*",), (), 1)):
        [agent] = engine.online()
        engine.broker.report(encode([Deregister(agent.id, "lost", proof)]))
        wait_until(lambda: engine.broker.quarantine.count() == 1)
        assert engine.agent_state(agent.id) == "online"
    wait_until(lambda: engine.agent_state(agent.id) == "left", 10)
    assert engine.broker.quarantine.count() == 1, "its own farewell is believed"
