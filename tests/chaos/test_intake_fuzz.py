"""Everything in Redis may hold anything: nothing that is put there ends a term, an agent, or the work of others.

TASKYARD_TEST_FUZZ_CASES says how many things are put there (50,000 take some minutes), TASKYARD_TEST_FUZZ_SEED where
to begin.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from typing import Any

import orjson
import redis

from taskyard.core.errors import IllegalTransition
from taskyard.core.protocol import AgentInfo, Heartbeat, encode
from taskyard.core.redis.key_repair import is_mendable
from taskyard.worker.attempts.context import TaskContext
from tests.effort import INTAKE_CASES, INTAKE_SEED
from tests.engine import Engine, Payload, RunningAgent
from tests.servers import wait_until

ROUND = 250  # things between two looks at whether work goes on
UUID = "0190a000-0000-7000-8000-000000000000"
DEEP = b"[" * 2_000 + b"]" * 2_000
ATOMS = [
    b"null", b"true", b"{}", b"[]", b"-1", b"0", b"1", b"1.5", b"1e300", b"-1e300", b"1e999", b"NaN", b"2147483648",
    b"9223372036854775808", b"1" * 400, b'""', b'"a"', b'"a\\u0000b"', b'"\\ud800"', b'"\xff\xfe"',
    b'"' + b"x" * 20_000 + b'"', DEEP, b'{"a":"\\u0000"}', b'{"a":' + DEEP + b"}", b'[["a",1]]',
    f'"{UUID}"'.encode(), b'[["' + UUID.encode() + b'",1]]',
    b'["transient","x"]', b'["permanent","a\\u0000b","c\\u0000d"]', b"[[1,2],[3]]", b"",
]  # fmt: skip
TAGS = [b"hello", b"started", b"done", b"returned", b"progress", b"log", b"checkpoint", b"submit", b"gone", b"nobody"]
ORDERS = [b"run", b"cancel", b"welcome", b"reply", b"drain", b"nobody"]
TEXTS = [
    b"",
    b"\xff\xfe",
    b"a\x00b",
    b"|",
    b"||",
    b"a|b",
    b"a|b|c",
    b"a|b|c|d",
    b"x" * 10_000,
    b"default|demo.echo|",
    b"nan",
    b"\n",
]


class Vandal:
    """Puts things into Redis; `what` is a line for whoever looks at a failure."""

    def __init__(self, engine: Engine, agent: RunningAgent, seed: int) -> None:
        self._random = random.Random(seed)
        self._redis: redis.Redis = engine.redis
        self._keys = engine.broker.keys
        self._agent = agent
        self.pairs: list[tuple[str, int]] = []
        self._acts = [
            *[self._report] * 8, *[self._order] * 3, self._wake, self._ready, self._due, self._lane,
            self._heartbeat, self._member, self._number, self._type, self._stream, self._mail,
        ]  # fmt: skip

    def act(self) -> None:
        try:
            self._random.choice(self._acts)()
        except redis.ResponseError as error:
            if not is_mendable(error) and "equal or smaller" not in str(error):
                raise  # else its own command met a key that it spoilt before

    def _one(self, things: list[bytes]) -> bytes:
        return self._random.choice(things)

    def _value(self) -> bytes:
        draw = self._random.random()
        if draw < 0.2 and self.pairs:
            task_id, attempt = self._random.choice(self.pairs)
            return self._one([f'"{task_id}"'.encode(), str(attempt).encode(), f'[["{task_id}",{attempt}]]'.encode()])
        if draw < 0.3:
            return orjson.dumps(self._agent.id)
        return self._one(ATOMS)

    def _message(self, tags: list[bytes]) -> bytes:
        if self._random.random() < 0.1:
            return self._value()
        values = [self._value() for _ in range(self._random.randrange(10))]
        return b'["' + self._one(tags) + b'"' + b"".join(b"," + value for value in values) + b"]"

    def _entry(self, tags: list[bytes]) -> bytes:
        if self._random.random() < 0.1:
            return self._one([*TEXTS, *ATOMS])
        text = b"[" + b",".join(self._message(tags) for _ in range(self._random.randrange(1, 5))) + b"]"
        if self._random.random() < 0.1:
            at = self._random.randrange(len(text))
            text = text[:at] + bytes([self._random.randrange(256)]) + text[at + self._random.randrange(3) :]
        return text

    def _near(self) -> bytes:
        """A report that is nearly right, about an attempt that there is."""
        task_id, attempt = self._random.choice(self.pairs) if self.pairs else (UUID, 1)
        id_, n, agent = orjson.dumps(task_id), str(attempt).encode(), orjson.dumps(self._agent.id)
        fields = self._one([
            b'"done",%s,%s,@,null,1.0,0.1' % (id_, n), b'"done",%s,%s,{},@,1.0,0.1' % (id_, n),
            b'"done",%s,%s,{},null,@,0.1' % (id_, n), b'"done",%s,%s,{},null,1.0,@' % (id_, n),
            b'"done",%s,%s,{},null,1.0,0.1,@,@,%s' % (id_, n, agent), b'"progress",%s,%s,@,@' % (id_, n),
            b'"log",%s,%s,%s,@,@' % (agent, id_, n), b'"checkpoint",%s,"r",%s,%s,@' % (agent, id_, n),
            b'"submit",%s,"r",%s,%s,@,"demo.echo",@,{}' % (agent, id_, n),
            b'"submit",%s,"r",%s,%s,1,"demo.echo",{},{"after":@,"run_at":@}' % (agent, id_, n),
            b'"started",%s,[[%s,%s]],@' % (agent, id_, n), b'"returned",@,[[%s,%s]]' % (id_, n),
        ])  # fmt: skip
        while b"@" in fields:
            fields = fields.replace(b"@", self._one(ATOMS), 1)
        return b"[[" + fields + b"]]"

    def _report(self) -> None:
        text = self._near() if self._random.random() < 0.5 else self._entry(TAGS)
        self._redis.xadd(self._keys.results, {self._one([b"m", b"\xff", b"x"]): text})

    def _order(self) -> None:
        self._redis.xadd(self._keys.inbox(self._agent.id), {b"m": self._entry(ORDERS)})

    def _wake(self) -> None:
        self._redis.xadd(self._keys.wake, {b"m": self._one(TEXTS)}, maxlen=1_000)

    def _ready(self) -> None:
        lane = self._one([b"default|demo.echo|", b"default|demo.hold|", *TEXTS])
        member = self._one([UUID.encode(), *TEXTS])
        if self.pairs and self._random.random() < 0.3:
            member = self._random.choice(self.pairs)[0].encode()
        scores: list[Any] = [0, "-inf", "inf", 1e300, -1e300]
        self._redis.zadd(self._keys.ready("").encode() + lane, {member: self._random.choice(scores)})
        self._redis.sadd(self._keys.lanes, lane)

    def _due(self) -> None:
        members = [
            UUID.encode() + b"|0|default|demo.echo|",
            UUID.encode() + b"|nan|default|demo.echo|",
            b"|||||",
            *TEXTS,
        ]
        self._redis.zadd(self._keys.due, {self._one(members): self._random.choice([0, "-inf", "inf", 1e300])})

    def _lane(self) -> None:
        self._redis.sadd(self._keys.lanes, self._one(TEXTS))

    def _heartbeat(self) -> None:
        name = self._one([b"ghost:1", b"\xff", b"a\x00:1", b"", b"ghost"])
        info = AgentInfo("ghost:1", "ghost", "1", "x", "here", 1, ["nothing.*"], [], 1)
        beat = encode(Heartbeat(info, "", "0-0", [], 0, False, 0.0, 0))
        if self._random.random() < 0.7:
            at = self._random.randrange(len(beat))
            beat = beat[:at] + self._one(ATOMS) + beat[at + 1 :]
        self._redis.set(self._keys.heartbeat("").encode() + name, beat)
        self._redis.sadd(self._keys.agents, name)

    def _member(self) -> None:
        self._redis.sadd(self._keys.agents, self._one(TEXTS))

    def _number(self) -> None:
        if self._random.random() < 0.1:  # each ends a term, by design: nobody knows any more whose it is
            self._redis.set(
                self._one([k.encode() for k in (self._keys.epoch, self._keys.generation)]), self._one(TEXTS)
            )

    def _type(self) -> None:
        if self._random.random() < 0.2:
            fixed = [self._keys.results, self._keys.wake, self._keys.due, self._keys.lanes, self._keys.agents]
            dynamic = [self._keys.ready("default|demo.echo|"), self._keys.inbox(self._agent.id), self._keys.canary,
                       self._keys.quarantine, self._keys.heartbeat(self._agent.id)]  # fmt: skip
            key = self._random.choice(fixed + dynamic)
            self._redis.delete(key)
            self._random.choice([
                lambda: self._redis.set(key, b"\xff\x00"), lambda: self._redis.rpush(key, b"x"),
                lambda: self._redis.hset(key, "a", "b"), lambda: self._redis.zadd(key, {b"\xff": 1}),
            ])()  # fmt: skip

    def _stream(self) -> None:
        """An id that no clock gives: nothing could be added any more."""
        if self._random.random() < 0.2:
            key = self._random.choice([self._keys.results, self._keys.wake, self._keys.inbox(self._agent.id)])
            self._redis.xadd(key, {b"m": b"[]"}, id=f"{(1 << 64) - 1}-{(1 << 64) - 1}")

    def _mail(self) -> None:
        name = self._agent.agent.info.name
        self._redis.xadd(self._keys.messages(name), {self._one([b"body", b"x"]): self._one(TEXTS)}, maxlen=100)


def test_whatever_is_put_into_redis_scheduling_goes_on(engine: Engine) -> None:
    engine.define("demo.hold", _hold)
    worker = engine.worker()
    agent = engine.agent(max_concurrency=4)
    vandal = Vandal(engine, agent, INTAKE_SEED)
    for number in range(0, INTAKE_CASES, ROUND):
        agent = _living(engine, agent)
        vandal._agent = agent
        open_ids = [engine.submit("demo.hold") for _ in range(2)]
        vandal.pairs = [(task_id, 1) for task_id in open_ids]
        for _ in range(ROUND):
            vandal.act()
        _assert_work_goes_on(engine, worker, number)
        for task_id in open_ids:
            with contextlib.suppress(IllegalTransition):  # some report ended it
                engine.submitter.cancel(task_id, actor="test")
    assert engine.broker.quarantine.count() > 0
    with engine.database.transaction() as tx:
        states = {state for (state,) in tx.rows("SELECT DISTINCT state FROM tasks WHERE finished_at IS NOT NULL", {})}
        assert states <= {"completed", "failed", "cancelled"}
        assert (
            tx.rows(
                "SELECT count(*) FROM tasks t WHERE NOT EXISTS (SELECT FROM task_events e WHERE e.task_id = t.id)", {}
            )[0][0]
            == 0
        )


def _hold(given: Payload, context: TaskContext) -> Payload:
    """Runs until it is cancelled."""
    while not context.cancelled:
        time.sleep(0.01)
    return given


def _living(engine: Engine, agent: RunningAgent) -> RunningAgent:
    """The agent, or another one if it was told to end, as its pool would start it."""
    if agent.agent.must_be_replaced or agent.agent._stop_reading.is_set():
        agent.stop()
        return engine.agent(max_concurrency=4)
    return agent


def _assert_work_goes_on(engine: Engine, worker: Any, number: int) -> None:
    task_id = engine.submit("demo.echo")
    helper = engine.agent(f"helper-{number}", types=["demo.echo"])
    try:
        assert engine.wait_for(task_id, timeout_seconds=60).state in ("completed", "failed")
        last = engine.submit("demo.echo")
        assert engine.wait_for(last, timeout_seconds=60).state == "completed", f"seed {INTAKE_SEED}, case {number}"
    finally:
        helper.stop()
    assert not [entry for entry in engine.logs if entry["event"] == "dispatcher.failed"], f"case {number}"
    assert all(thread.is_alive() for thread in worker._threads)
    # a spoilt epoch may have ended a term just now: the next one begins at once
    wait_until(lambda: worker.is_leading and "committer" in {thread.name for thread in threading.enumerate()}, 30)
