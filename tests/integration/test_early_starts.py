"""Starts are reported as orders are read, and nothing runs before they have arrived."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from taskyard.core.protocol import Pair, Started, decode_reports
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.connection import connect_redis
from taskyard.worker.agents.early_starts import EarlyStarts
from taskyard.worker.agents.local_queue import LocalQueue
from taskyard.worker.agents.places import Places
from taskyard.worker.attempts.context import TaskContext
from tests.engine import Engine, InlineAgent, Payload
from tests.servers import wait_until
from tests.unit.leader_state_support import task_id

BOOT = "agent-1:boot"


class IdleAgent(Places):
    """An agent whose slots wait, as its early starts see it."""

    def __init__(self) -> None:
        self.info: Any = SimpleNamespace(id=BOOT)
        self.is_draining = False
        self.heartbeat: Any = SimpleNamespace(is_heard=True)


class SeatedAgent(IdleAgent):
    def reserve(self, slot: int, task_type: str, is_wanted: Callable[[], bool]) -> str:
        return "no seat"


@pytest.fixture
def broker(redis_url: str, namespace: str) -> Iterator[Broker]:
    with connect_redis(redis_url) as client:
        broker = Broker(client, namespace, lambda queue: "least_loaded")
        broker.report(b"[]")  # the server knows the script
        yield broker


@pytest.fixture
def waiting() -> Iterator[LocalQueue]:
    """A queue for which two slots wait."""
    queue = LocalQueue(lambda run: 1)
    slots = [threading.Thread(target=queue.take, args=([],)) for _ in range(2)]
    for slot in slots:
        slot.start()
    wait_until(lambda: queue.free_slots == 2)
    yield queue
    queue.close()
    for slot in slots:
        slot.join()


def pairs(*numbers: int) -> list[Pair]:
    return [(task_id(number), 1) for number in numbers]


def started(broker: Broker) -> list[list[Pair]]:
    """The pairs of each report of starts that has arrived."""
    entries = broker.redis.xrange(broker.keys.results)
    reports = [report for _, fields in entries for report in decode_reports(fields[b"m"])]
    return [[(pair[0], pair[1]) for pair in one.pairs] for one in reports if isinstance(one, Started)]


def test_a_start_is_there_once_the_slot_knows(broker: Broker, waiting: LocalQueue) -> None:
    early = EarlyStarts(IdleAgent(), waiting, broker)
    early.send(BOOT, pairs(1, 2))
    assert early.have_arrived(pairs(1))
    assert started(broker) == [pairs(1, 2)]
    assert early.have_arrived(pairs(2))  # another slot got that one
    assert not early.have_arrived(pairs(2))  # which is asked once
    assert len(broker._raw_commands._idle) == 1


def test_what_was_not_sent_has_not_arrived(broker: Broker, waiting: LocalQueue) -> None:
    early = EarlyStarts(IdleAgent(), waiting, broker)
    early.send(BOOT, pairs(1))
    assert not early.have_arrived(pairs(1, 2))
    assert broker._raw_commands.command("ECHO", "mine") == b"mine"


def test_no_more_starts_are_sent_than_slots_wait(broker: Broker, waiting: LocalQueue) -> None:
    early = EarlyStarts(IdleAgent(), waiting, broker)
    early.send(BOOT, pairs(1, 2, 3))
    early.send(BOOT, [])
    assert not early.have_arrived(pairs(1, 2, 3))
    assert started(broker) == []


def silent(agent: IdleAgent) -> None:
    agent.heartbeat.is_heard = False


def draining(agent: IdleAgent) -> None:
    agent.is_draining = True


def renewed(agent: IdleAgent) -> None:
    agent.info.id = "agent-1:later"


@pytest.mark.parametrize("change", [silent, draining, renewed])
def test_an_agent_that_may_start_nothing_sends_nothing(
    change: Callable[[IdleAgent], None], broker: Broker, waiting: LocalQueue
) -> None:
    agent = IdleAgent()
    early = EarlyStarts(agent, waiting, broker)
    change(agent)
    early.send(BOOT, pairs(1))
    assert not early.have_arrived(pairs(1))
    assert started(broker) == []


def test_an_agent_whose_slots_need_a_place_first_sends_nothing(broker: Broker, waiting: LocalQueue) -> None:
    EarlyStarts(SeatedAgent(), waiting, broker).send(BOOT, pairs(1))
    assert started(broker) == []


def test_who_forgets_a_run_gives_its_connection_back(broker: Broker, waiting: LocalQueue) -> None:
    early = EarlyStarts(IdleAgent(), waiting, broker)
    early.send(BOOT, pairs(1, 2))
    early.forget(pairs(1))
    assert not early.have_arrived(pairs(2))  # whose slot reports it then
    assert len(broker._raw_commands._idle) == 1
    assert broker._raw_commands.command("ECHO", "mine") == b"mine"


def test_a_server_without_the_script_has_not_got_it(broker: Broker, waiting: LocalQueue) -> None:
    early = EarlyStarts(IdleAgent(), waiting, broker)
    broker.redis.script_flush()
    early.send(BOOT, pairs(1))
    assert not early.have_arrived(pairs(1))
    assert broker._raw_commands.command("ECHO", "mine") == b"mine"


def test_a_connection_that_broke_has_no_answer(broker: Broker, waiting: LocalQueue) -> None:
    early = EarlyStarts(IdleAgent(), waiting, broker)
    [connection] = broker._raw_commands._idle
    early.send(BOOT, pairs(1))
    connection.disconnect()
    assert not early.have_arrived(pairs(1))
    assert broker._raw_commands.command("ECHO", "mine") == b"mine"


class Recording(InlineAgent):
    """Records which starts its slots report themselves."""

    def start(self) -> None:
        self.reported: list[Pair] = []
        send = self.outbox.send

        def recorded(*reports: Any) -> None:
            self.reported += [pair for one in reports if isinstance(one, Started) for pair in one.pairs]
            send(*reports)

        self.outbox.send = recorded  # type: ignore[method-assign]
        super().start()


@pytest.mark.parametrize("is_known", [True, False])
def test_an_idle_agent_runs_a_task_once(is_known: bool, engine: Engine) -> None:
    def work(given: Payload, context: TaskContext) -> Payload:
        return given

    engine.define("early.work", work)
    engine.worker()
    agent = engine.agent(agent_class=Recording)
    assert isinstance(agent.agent, Recording)
    engine.wait_for(engine.submit("early.work"))
    wait_until(lambda: agent.agent._waiting.free_slots == 3)
    agent.agent.reported.clear()
    if not is_known:
        agent.agent.early_starts._broker = Forgetful(agent.agent.early_starts._broker)  # type: ignore[arg-type]
    task = engine.submit("early.work")
    engine.wait_for(task, "completed")
    assert agent.ran.count((task, 1)) == 1
    assert agent.agent.reported == ([] if is_known else [(task, 1)])


class Forgetful:
    """A broker whose server has lost its scripts when a start is sent."""

    def __init__(self, broker: Any) -> None:
        self._broker = broker

    def begin_report(self, reports: bytes) -> Any:
        self._broker.redis.script_flush()
        return self._broker.begin_report(reports)
