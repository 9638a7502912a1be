"""Tasks that a tick frees are claimed by the same transaction, without a way through Redis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import psycopg2.extensions
import pytest
from msgspec import Raw

from taskyard.core.clock import Clock
from taskyard.core.config import Settings
from taskyard.core.models import Lane
from taskyard.core.postgres.connections import connect_driver
from taskyard.core.postgres.database import Database, DriverTransaction, queries
from taskyard.core.postgres.store import holds, tasks
from taskyard.core.protocol import AgentInfo, Done, Heartbeat, Pair, Register, Run, decode_orders, encode
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.connection import connect_redis
from taskyard.core.scheduling.holds import HoldKind, HoldMode
from taskyard.core.submission.submit import Submitter
from taskyard.core.task_types.registry import Isolation, Registry, TaskType
from taskyard.worker.dispatch.batch import Batch
from taskyard.worker.dispatch.dispatcher import LARGE_BATCH, ROSTER, Dispatcher
from taskyard.worker.dispatch.term import TermFactory
from tests.engine import NO_BACKOFF, Payload
from tests.servers import wait_until

TYPE = "demo.link"
CHAINS = LARGE_BATCH + 10  # a large tick: the next one is collected while it is committed
AGENT = AgentInfo("freed:0123456789ab", "freed", "0123456789ab", "test", "here", 1, ["*"], [], 4 * CHAINS)


class Steps:
    """A leader that is ticked by hand, and an agent with room for everything."""

    def __init__(self, settings: Settings, database_url: str) -> None:
        registry = Registry()
        registry.add(
            TaskType(
                TYPE, lambda given, _: given, Payload, Payload, 3600.0, NO_BACKOFF, Isolation.THREAD, frozenset(), ""
            )
        )
        assert settings.redis_url is not None
        self.redis = connect_redis(settings.redis_url)
        self.broker = Broker(self.redis, settings.namespace, settings.placement_of)
        self.database = Database(database_url)
        self.submitter = Submitter(settings, registry, self.database, self.broker)
        clock = Clock()
        self.terms = TermFactory(settings, registry, database_url, self.broker, "steps", clock)
        self.dispatcher = Dispatcher(self.terms, clock)
        self.broker.heartbeat(AGENT.id, encode(Heartbeat(AGENT, "", "0-0", [], 0, False, 0.0, 0)), 600)
        self.broker.report(encode([Register(AGENT)]))
        term = self.terms.begin()
        assert term is not None
        self.term = term
        self.in_flight: Batch | None = None
        self._position = b"0-0"
        self.tick(ROSTER)
        self.tick(ROSTER)
        assert AGENT.id in term.leader_state.agents

    def tick(self, *duties: str) -> Batch | None:
        for duty in duties:
            self.dispatcher.ask(duty)
        self.in_flight = self.dispatcher.tick(self.term, self.in_flight)
        return self.in_flight

    def settle(self) -> None:
        """Ticks until nothing is in flight."""
        self.tick()
        wait_until(lambda: self.tick() is None, timeout_seconds=20)

    def orders(self) -> list[Pair]:
        """The agent's new work."""
        pairs: list[Pair] = []
        for entry, payload in self.broker.read_inbox(AGENT.id, self._position, None):
            pairs += [(order.task_id, order.attempt) for order in decode_orders(payload) if isinstance(order, Run)]
            self._position = entry
        return pairs

    def receive(self, task_ids: list[str]) -> list[Pair]:
        """Ticks until the agent has been given these tasks, and no others; returns them with their attempts."""
        pairs: list[Pair] = []

        def are_here() -> bool:
            self.settle()
            pairs.extend(self.orders())
            return len(pairs) >= len(task_ids)

        wait_until(are_here, timeout_seconds=20)
        assert sorted(pairs) == sorted((task_id, 1) for task_id in task_ids)
        return pairs

    def finish(self, pairs: list[Pair]) -> None:
        self.broker.report(encode([Done(*pair, Raw(b"{}"), None, 1_700_000_000.0, 0.001) for pair in pairs]))

    def queued(self) -> set[str]:
        """The tasks in the lane."""
        return {
            member.decode() for member in self.redis.zrange(self.broker.keys.ready(str(Lane("default", TYPE))), 0, -1)
        }

    def states(self, ids: list[str]) -> set[str]:
        with self.database.transaction() as tx:
            return {row[0] for row in tx.rows("SELECT state FROM tasks WHERE id = ANY(%(ids)s::uuid[])", {"ids": ids})}

    def events(self, task_id: str) -> list[tuple[str, int | None]]:
        """Its history: event and attempt."""
        with self.database.transaction() as tx:
            return [(event.event, event.attempt) for event in tasks.history(tx, task_id)]

    def close(self) -> None:
        self.term.committer.close()
        self.term.workflows.close()
        self.terms.abandon()
        self.database.close()
        self.redis.close()


@pytest.fixture
def steps(settings: Settings, database_url: str) -> Iterator[Steps]:
    steps = Steps(settings, database_url)
    yield steps
    steps.close()


def layers(steps: Steps, count: int) -> list[list[str]]:
    """Submits chains: the ids of each layer of them."""
    found = [list(steps.submitter.submit_many({"type": TYPE} for _ in range(CHAINS)))]
    for _ in range(count - 1):
        found.append(list(steps.submitter.submit_many({"type": TYPE, "after": [parent]} for parent in found[-1])))
    return found


def run_first(steps: Steps, first: list[str], second: list[str]) -> list[Pair]:
    """Runs the first layer; returns the agent's work, the second one, which went through its lane."""
    pairs = steps.receive(first)
    steps.finish(pairs)
    return steps.receive(second)


def test_children_are_claimed_by_the_tick_that_frees_them(steps: Steps) -> None:
    first, second, third, fourth = layers(steps, 4)
    steps.finish(run_first(steps, first, second))
    batch = steps.tick()
    assert batch is not None, "a large batch is committed while the next one is collected"
    assert {offer.lane for offer, _ in batch.offers} == {Lane("default", TYPE)}
    assert CHAINS <= len(batch.offers) <= 2 * CHAINS
    steps.settle()
    pairs = steps.orders()
    assert sorted(pairs) == sorted((child, 1) for child in third)
    assert steps.queued() == set(), "they never are in Redis"
    events = steps.events(third[0])
    assert events == [("submitted", 0), ("unblocked", 0), ("assigned", 1)]
    steps.finish(pairs)
    steps.settle()
    assert sorted(steps.orders()) == sorted((child, 1) for child in fourth)
    steps.finish([(child, 1) for child in fourth])
    steps.settle()
    assert steps.states([*first, *second, *third, *fourth]) == {"completed"}
    slots = steps.term.leader_state.agents[AGENT.id].slots
    assert (slots.open_tasks, steps.term.leader_state.claims, steps.term.leader_state.claiming) == (0, {}, {})


def test_a_child_that_somebody_holds_is_claimed_later(steps: Steps) -> None:
    somebody: psycopg2.extensions.connection = connect_driver(steps.database.url)
    first, second, third = layers(steps, 3)
    pairs = run_first(steps, first, second)
    with somebody.cursor() as cursor:
        cursor.execute("SELECT FROM tasks WHERE id = %s FOR UPDATE", (third[0],))
    steps.finish(pairs)
    steps.settle()
    assert {pair[0] for pair in steps.orders()} == set(third[1:])
    assert steps.term.leader_state.agents[AGENT.id].slots.open_tasks == CHAINS - 1, "offers that nobody took go back"
    somebody.rollback()
    somebody.close()

    def it_came() -> bool:
        steps.tick()
        return third[0] in {pair[0] for pair in steps.orders()}

    wait_until(it_came, timeout_seconds=30)


def test_children_whose_claims_are_blocked_wait_in_their_lane(steps: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = DriverTransaction.rows

    def after_a_look(tx: DriverTransaction, statement: str, parameters: Mapping[str, Any]) -> Sequence[tuple[Any, ...]]:
        if statement == queries("tick")["claim"]:
            rows(tx, "SELECT FROM questions LIMIT 0", {})  # as a claim does for a question whose time ran out
        return rows(tx, statement, parameters)

    monkeypatch.setattr(DriverTransaction, "rows", after_a_look)
    somebody: psycopg2.extensions.connection = connect_driver(steps.database.url)
    first, second, third = layers(steps, 3)
    pairs = run_first(steps, first, second)
    other = steps.submitter.submit(TYPE)
    with somebody.cursor() as cursor:
        cursor.execute("LOCK TABLE questions IN ACCESS EXCLUSIVE MODE")  # which only claims need
    wait_until(lambda: steps.tick() or steps.term.committer.pauses, timeout_seconds=20)
    steps.finish(pairs)
    steps.settle()
    assert steps.orders() == []
    assert steps.queued() == {other, *third}
    somebody.rollback()
    somebody.close()
    found: set[str] = set()

    def all_came() -> bool:
        steps.tick()
        found.update(task_id for task_id, _ in steps.orders())
        return found == {other, *third}

    wait_until(all_came, timeout_seconds=30)


def test_children_in_a_paused_queue_wait_in_their_lane(steps: Steps) -> None:
    first, second, third = layers(steps, 3)
    pairs = run_first(steps, first, second)
    with steps.database.transaction() as tx:
        holds.hold(tx, HoldKind.QUEUE, "default", HoldMode.PAUSED, "somebody", "a test")
    steps.tick(ROSTER)
    steps.settle()
    steps.finish(pairs)
    steps.settle()
    assert steps.orders() == []
    assert steps.queued() == set(third)


def test_a_leader_that_stops_claims_nothing_more(steps: Steps) -> None:
    first, second, third = layers(steps, 3)
    steps.finish(run_first(steps, first, second))
    steps.dispatcher.stop()
    assert steps.tick() is None
    assert steps.orders() == []
    assert steps.states(third) == {"blocked"}, "the next leader finds their parents' ends"
