"""A tick of successes and claims alone is one message; what else it takes for the successes follows it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psycopg2.extensions
import pytest

from taskyard.core.config import Settings
from taskyard.core.models import Lane
from taskyard.core.postgres.connections import connect_driver
from taskyard.core.postgres.database import Database, DriverTransaction, connect_leader
from taskyard.core.postgres.store import tasks
from taskyard.core.postgres.store.tick import Completion
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.connection import connect_redis
from taskyard.core.scheduling.agent_slots import AgentSlots
from taskyard.core.scheduling.placement import Candidate
from taskyard.core.submission.submit import Submitter
from taskyard.core.task_types.registry import registry
from taskyard.worker.dispatch.batch import Batch
from taskyard.worker.dispatch.committer import commit
from taskyard.worker.dispatch.pauses import Pauses
from taskyard.worker.dispatch.transaction_parts import RECORD

TYPE = "diagnostic.noop"
AGENT = AgentSlots("plain-1:b", ("*",), frozenset(), 10)


class Yard:
    """A leader's connection without a leader, and a submitter."""

    def __init__(self, settings: Settings, database: Database, leader: psycopg2.extensions.connection) -> None:
        registry.load()
        self.leader = leader
        self.database = database
        self._client = connect_redis(str(settings.redis_url))
        broker = Broker(self._client, settings.namespace, settings.placement_of)
        self.submitter = Submitter(settings, registry, database, broker)

    def submit(self, count: int) -> list[str]:
        return list(self.submitter.submit_many({"type": TYPE} for _ in range(count)))

    def claimed(self, count: int) -> list[str]:
        ids = self.submit(count)
        assert [row.id for row in commit(self.leader, Batch(claims=claims(ids))).claimed] == ids
        return ids

    def states(self, ids: Sequence[str]) -> list[str]:
        with self.database.transaction() as tx:
            return [tasks.endings(tx, [task_id])[task_id].state for task_id in ids]

    def events(self, task_id: str) -> list[tuple[str, str | None]]:
        """Its history but for its submission: event and agent."""
        with self.database.transaction() as tx:
            return [(event.event, event.agent_id) for event in tasks.history(tx, task_id)][1:]

    def close(self) -> None:
        self._client.close()


@pytest.fixture
def yard(settings: Settings, database: Database) -> Iterator[Yard]:
    with contextlib.closing(connect_leader(database.url)) as leader:
        yard = Yard(settings, database, leader)
        yield yard
        yard.close()


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kinds of messages that the committer's transactions sent."""
    sent: list[str] = []
    rows, together = DriverTransaction.rows, DriverTransaction.together

    def noting(name: str, send: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*args: Any) -> Any:
            sent.append(name)
            return send(*args)

        return noted

    monkeypatch.setattr(DriverTransaction, "rows", noting("rows", rows))
    monkeypatch.setattr(DriverTransaction, "together", noting("together", together))
    return sent


def claims(ids: Sequence[str]) -> list[tuple[Candidate, AgentSlots]]:
    return [(Candidate(task_id, Lane("default", TYPE), 0.0, 1.0), AGENT) for task_id in ids]


def done(ids: Sequence[str], attempt: int = 1, output: str = "{}") -> list[Completion]:
    return [Completion(task_id, attempt, output, 1_700_000_000.0, 0.5) for task_id in ids]


def successes(ids: Sequence[str], claimed: Sequence[str] = (), *, may_free: bool = False) -> Batch:
    return Batch(
        completions=done(ids), claims=claims(claimed), may_free=may_free, reporters=dict.fromkeys(ids, AGENT.id)
    )


@pytest.mark.parametrize("count", [0, 2])
def test_successes_and_claims_are_one_message(count: int, yard: Yard, messages: list[str]) -> None:
    first, second = yard.claimed(3), yard.submit(count)
    messages.clear()
    committed = commit(yard.leader, successes(first, second))
    assert messages == ["together"]
    assert [row.id for row in committed.claimed] == second
    assert committed.may_free is False
    assert yard.states([*first, *second]) == ["completed"] * 3 + ["assigned"] * count
    assert yard.events(first[0]) == [("assigned", AGENT.id), ("completed", AGENT.id)]


def test_none_of_the_claimed_ones_waits_any_more(yard: Yard) -> None:
    [first, second] = yard.claimed(2)
    committed = commit(yard.leader, successes([first], [second]))
    assert list(committed.claimed) == []
    assert yard.states([first, second]) == ["completed", "assigned"]


def test_a_late_success_is_recorded_as_one(yard: Yard) -> None:
    [first, second] = yard.claimed(2)
    yard.submitter.cancel(first, actor="somebody")
    committed = commit(yard.leader, successes([first, second]))
    assert committed.left.completions == []
    assert yard.states([first, second]) == ["cancelled", "completed"]
    assert yard.events(first)[-1] == ("stale_result", AGENT.id)


def test_a_success_behind_a_lock_is_left_for_later(yard: Yard) -> None:
    [first, second] = yard.claimed(2)
    with contextlib.closing(connect_driver(yard.database.url)) as somebody, somebody.cursor() as cursor:
        cursor.execute("SELECT FROM tasks WHERE id = %s FOR UPDATE", (first,))
        committed = commit(yard.leader, successes([first, second]))
    assert [left.id for left in committed.left.completions] == [first]
    assert yard.states([first, second]) == ["assigned", "completed"]


@pytest.mark.parametrize("output", ['"\\u0000"', "not json"])
def test_a_success_that_can_not_be_stored_fails_alone(output: str, yard: Yard) -> None:
    [first, second, third] = [*yard.claimed(2), *yard.submit(1)]
    batch = successes([second], [third])
    batch.completions += done([first], output=output)
    committed = commit(yard.leader, batch)
    assert len(committed.odd) == 1
    assert yard.states([first, second, third]) == ["failed", "completed", "assigned"]


@pytest.mark.parametrize("may_free", [False, True])
def test_what_waits_for_a_success_is_released(may_free: bool, yard: Yard, messages: list[str]) -> None:
    """Whether the leader knew that something waits or not."""
    [first, other] = yard.claimed(2)
    child = yard.submitter.submit(TYPE, after=[first])
    messages.clear()
    committed = commit(yard.leader, successes([first], may_free=may_free))
    assert ("together" in messages) is not may_free
    assert [task.id for task in committed.waiting] == [child]
    assert committed.may_free
    assert not committed.ended
    assert yard.states([first, other, child]) == ["completed", "assigned", "pending"]


def test_a_plain_tick_after_an_unknown_outcome_changes_nothing(yard: Yard) -> None:
    ids = yard.claimed(2)
    commit(yard.leader, successes(ids))
    commit(yard.leader, successes(ids))
    assert yard.states(ids) == ["completed"] * 2
    assert [event for event, _ in yard.events(ids[0])] == ["assigned", "completed", "stale_result"]


def test_successes_after_a_pause_are_recorded_once(yard: Yard) -> None:
    ids, pauses = yard.claimed(2), Pauses()
    pauses.note(RECORD, time.monotonic() - 60)
    commit(yard.leader, successes(ids), pauses)
    assert not pauses
    assert [event for event, _ in yard.events(ids[0])] == ["assigned", "completed"]
