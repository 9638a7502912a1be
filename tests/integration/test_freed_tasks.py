"""Tasks that a tick frees are claimed by the next one, without a way through Redis."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg2.extensions
import pytest
from msgspec import Raw

from taskyard.core.clock import Clock
from taskyard.core.config import Settings
from taskyard.core.models import Lane
from taskyard.core.postgres.connections import connect_driver
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import holds
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


def freed_by_one_tick(steps: Steps) -> tuple[list[str], Batch | None]:
    """Ends the parents of as many children at once; returns these, and the next tick's batch."""
    parents = list(steps.submitter.submit_many({"type": TYPE} for _ in range(CHAINS)))
    children = list(steps.submitter.submit_many({"type": TYPE, "after": [parent]} for parent in parents))
    steps.settle()
    pairs = steps.orders()
    assert {pair[0] for pair in pairs} == set(parents)
    steps.finish(pairs)
    assert steps.tick() is not None, "a large batch is committed while the next one is collected"
    return children, steps.tick()


def test_children_are_claimed_by_the_tick_after_their_parents_ends(steps: Steps) -> None:
    children, batch = freed_by_one_tick(steps)
    assert batch is not None
    assert {task.id for task in batch.freed} == {candidate.id for candidate, _ in batch.claims} == set(children)
    assert steps.queued() == set(), "they never are in Redis"
    steps.settle()
    pairs = steps.orders()
    assert sorted(pairs) == sorted((child, 1) for child in children)
    steps.finish(pairs)
    steps.settle()
    assert steps.states(children) == {"completed"}
    assert steps.term.leader_state.claiming == {}


def test_children_whose_claims_cannot_even_be_tried_go_into_their_lane(steps: Steps) -> None:
    somebody: psycopg2.extensions.connection = connect_driver(steps.database.url)
    parents = list(steps.submitter.submit_many({"type": TYPE} for _ in range(CHAINS)))
    children = list(steps.submitter.submit_many({"type": TYPE, "after": [parent]} for parent in parents))
    steps.settle()
    steps.finish(steps.orders())
    with somebody.cursor() as cursor:
        cursor.execute("LOCK TABLE questions IN ACCESS EXCLUSIVE MODE")  # only claims need it
    steps.tick()
    batch = steps.tick()
    assert batch is not None
    assert len(batch.freed) == CHAINS
    wait_until(lambda: steps.tick() is None, timeout_seconds=20)
    assert steps.queued() == set(children)
    somebody.rollback()
    somebody.close()
    found: set[str] = set()

    def all_came() -> bool:
        steps.tick()
        found.update(task_id for task_id, _ in steps.orders())
        return found == set(children)

    wait_until(all_came, timeout_seconds=30)


def test_children_in_a_paused_queue_wait_in_their_lane(steps: Steps) -> None:
    parents = list(steps.submitter.submit_many({"type": TYPE} for _ in range(CHAINS)))
    children = list(steps.submitter.submit_many({"type": TYPE, "after": [parent]} for parent in parents))
    steps.settle()
    with steps.database.transaction() as tx:
        holds.hold(tx, HoldKind.QUEUE, "default", HoldMode.PAUSED, "somebody", "a test")
    steps.tick(ROSTER)
    steps.settle()
    steps.finish(steps.orders())
    steps.tick()
    steps.settle()
    assert steps.orders() == []
    assert steps.queued() == set(children)


def test_a_leader_that_stops_claims_nothing_more(steps: Steps) -> None:
    parents = list(steps.submitter.submit_many({"type": TYPE} for _ in range(CHAINS)))
    children = list(steps.submitter.submit_many({"type": TYPE, "after": [parent]} for parent in parents))
    steps.settle()
    steps.finish(steps.orders())
    steps.tick()
    steps.dispatcher.stop()
    assert steps.tick() is None
    assert steps.orders() == []
    assert steps.queued() == set(children)
