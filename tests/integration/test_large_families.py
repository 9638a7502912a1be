"""Thousands of tasks that wait for others, or end at once: in slices of bounded time, none of which is quadratic.

TASKYARD_TEST_FAMILY says how many tasks; 20,000 take two seconds at most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import psutil
import psycopg2.extensions
import pytest

from taskyard.core.models import Lane
from taskyard.core.postgres.database import Database, DriverTransaction, connect_leader
from taskyard.core.postgres.store import dependants, recovery, tick
from taskyard.core.postgres.store.dependants import Ended
from taskyard.core.postgres.store.tick import Settlement
from taskyard.core.scheduling.agent_slots import AgentSlots
from taskyard.core.scheduling.placement import Candidate
from taskyard.worker.dispatch.batch import Batch, Committed
from taskyard.worker.dispatch.committer import commit
from tests.effort import FAMILY
from tests.engine import Engine

WHOLE_SECONDS = 2.0
SLICE_SECONDS = 0.4  # most take some 50 ms
PARENT = "00000000-0000-7000-8000-000000000000"
_INSERT = """
INSERT INTO tasks (id, queue, type, state, priority, input, max_attempts, timeout_seconds, ready_at, created_at,
    waiting_on, attempt, assigned_agent_id, assigned_at, error, finished_at)
SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'default', 'demo.work', %(state)s, 1, '{}', 3, 60,
    now(), now(), %(waiting_on)s, %(attempt)s, %(agent)s, CASE WHEN %(agent)s::text IS NOT NULL THEN now() END,
    CASE WHEN %(state)s = 'failed' THEN '{}'::jsonb END,
    CASE WHEN %(state)s IN ('failed', 'completed') THEN now() END
FROM generate_series(%(first)s, %(last)s) AS n
"""
_EDGES = """
INSERT INTO task_dependencies (parent_id, child_id)
SELECT ('00000000-0000-7000-8000-' || lpad(({parent})::text, 12, '0'))::uuid,
    ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid
FROM generate_series(%(first)s, %(last)s) AS n {more}
"""


Leader = Callable[[], psycopg2.extensions.connection]


@pytest.fixture
def leader(database_url: str) -> Iterator[Leader]:
    """The leader's connection, opened when it is first asked for: it does not outlive three idle seconds."""
    opened: list[psycopg2.extensions.connection] = []

    def lead() -> psycopg2.extensions.connection:
        if not opened:
            opened.append(connect_leader(database_url))
        return opened[0]

    yield lead
    for connection in opened:
        connection.close()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


def task_id(number: int) -> str:
    return f"00000000-0000-7000-8000-{number:012}"


def insert(
    database: Database, state: str, first: int, last: int, *, waiting_on: int = 0, agent: str | None = None
) -> None:
    values = {"state": state, "first": first, "last": last, "waiting_on": waiting_on, "agent": agent}
    with database.transaction() as tx:
        tx.rows(_INSERT, {**values, "attempt": int(agent is not None)})


def connect(database: Database, parent: str, first: int, last: int, more: str = "") -> None:
    with database.transaction() as tx:
        tx.rows(_EDGES.format(parent=parent, more=more), {"first": first, "last": last})


def count(database: Database, state: str) -> int:
    with database.transaction() as tx:
        return int(tx.rows("SELECT count(*) FROM tasks WHERE state = %(state)s", {"state": state})[0][0])


class Watch:
    """Seconds that the leader's backend worked: how busy the machine is besides does not count."""

    def __init__(self, leader: Leader) -> None:
        self._process = psutil.Process(leader().get_backend_pid())
        self.whole = self.longest = 0.0
        self._before = self._cpu()

    def lap(self) -> None:
        """The end of a slice."""
        now = self._cpu()
        seconds, self._before = now - self._before, now
        self.whole, self.longest = self.whole + seconds, max(self.longest, seconds)

    def judge(self, what: str) -> None:
        """The last slice ends, and all were quick enough."""
        self.lap()
        print(f"{what}: {FAMILY:,} in {self.whole:.2f} s, the longest slice {1000 * self.longest:.0f} ms")
        assert self.whole < WHOLE_SECONDS, what
        assert self.longest < SLICE_SECONDS, what

    def _cpu(self) -> float:
        return float(sum(self._process.cpu_times()[:2]))


def in_slices(leader: Leader, ended: Ended, what: str) -> None:
    """Until nothing is left, as the leader's ticks do it."""
    watch = Watch(leader)
    while ended:
        ended = commit(leader(), Batch(ended=ended)).ended
        watch.lap()
    watch.judge(what)


def one_parent(database: Database) -> int:
    insert(database, "blocked", 1, FAMILY, waiting_on=1)
    connect(database, "0", 1, FAMILY)
    return 0


def two_parents(database: Database) -> int:
    insert(database, "blocked", 1, FAMILY, waiting_on=2)
    connect(database, "p", 1, FAMILY, "CROSS JOIN generate_series(0, %(last)s + 1, %(last)s + 1) AS p")
    insert(database, "completed", FAMILY + 1, FAMILY + 1)
    return 0


def chain(database: Database) -> int:
    insert(database, "blocked", 1, FAMILY, waiting_on=1)
    connect(database, "n - 1", 1, FAMILY)
    return 0


def lattice(database: Database) -> int:
    """Layers of ten, each task of which waits for all ten of the layer above."""
    insert(database, "blocked", 1, FAMILY, waiting_on=10)
    connect(database, "0", 1, 10)
    connect(database, "(n - 1) / 10 * 10 - p", 11, FAMILY, "CROSS JOIN generate_series(0, 9) AS p")
    return 0


def test_the_children_of_one_parent_are_released_in_slices(database: Database, leader: Leader) -> None:
    insert(database, "completed", 0, 0)
    one_parent(database)
    in_slices(leader, Ended([PARENT], []), "children released")
    assert count(database, "pending") == FAMILY


def test_children_of_two_parents_are_released_in_slices(database: Database, leader: Leader) -> None:
    insert(database, "completed", 0, 0)
    two_parents(database)
    in_slices(leader, Ended([PARENT, task_id(FAMILY + 1)], []), "children of two parents released")
    assert count(database, "pending") == FAMILY


@pytest.mark.parametrize("family", [one_parent, chain, lattice])
def test_what_waits_for_a_failed_task_is_cancelled_in_slices(
    database: Database, leader: Leader, family: Callable[[Database], int]
) -> None:
    insert(database, "failed", 0, 0)
    family(database)
    in_slices(leader, Ended([], [PARENT]), f"{family.__name__} cancelled")
    assert count(database, "cancelled") == FAMILY
    with database.transaction() as tx:
        assert tx.rows("SELECT count(*) FROM task_dependencies WHERE is_open", {}) == [(0,)]


@pytest.mark.parametrize(("state", "to_state"), [("completed", "pending"), ("failed", "cancelled")])
def test_what_a_slice_left_is_found_without_any_memory(
    database: Database, leader: Leader, state: str, to_state: str
) -> None:
    """The leader crashes after the first slice, again and again: the rows alone say what is left."""
    insert(database, state, 0, 0)
    one_parent(database)
    for _ in range(1 + FAMILY // dependants.SLICE):
        found = commit(leader(), Batch(parents_after=recovery.NIL)).found_ended
        commit(leader(), Batch(ended=found))
    assert count(database, to_state) == FAMILY
    assert not commit(leader(), Batch(parents_after=recovery.NIL)).found_ended


def test_a_parent_that_is_retried_keeps_the_children_that_are_left(database: Database, leader: Leader) -> None:
    insert(database, "failed", 0, 0)
    one_parent(database)
    left = commit(leader(), Batch(ended=Ended([], [PARENT]))).ended
    with database.transaction() as tx:
        tx.rows("UPDATE tasks SET state = 'pending', finished_at = NULL WHERE id = %(id)s", {"id": PARENT})
    assert PARENT in left.failed
    commit(leader(), Batch(ended=left))
    assert count(database, "cancelled") == dependants.SLICE


def test_locked_children_do_not_keep_back_the_others(database: Database, leader: Leader) -> None:
    insert(database, "completed", 0, 0)
    one_parent(database)
    with database.transaction() as somebody:
        locked = "SELECT 1 FROM tasks WHERE id BETWEEN %(first)s AND %(last)s FOR UPDATE"
        somebody.rows(locked, {"first": task_id(1), "last": task_id(1500)})
        ended: Sequence[str] = [PARENT]
        for _ in range(2 + FAMILY // dependants.SLICE):
            ended = commit(leader(), Batch(ended=Ended(ended, []))).ended.completed
        assert ended == [PARENT]
        assert count(database, "pending") == FAMILY - 1500
    in_slices(leader, Ended(ended, []), "the rest")
    assert count(database, "pending") == FAMILY


def _settlements(first: int, last: int, to_state: str) -> list[Settlement]:
    return [
        Settlement(task_id(n), 1, to_state, "handed_back", "a:1", None, '{"reason":"test"}', None, 1)
        for n in range(first, last + 1)
    ]


def _claims(first: int, last: int) -> Batch:
    slots = AgentSlots("a:1", ("*",), frozenset(), 3)
    lane = Lane("default", "demo.work")
    return Batch(claims=[(Candidate(task_id(n), lane, 0.0, 1.0), slots) for n in range(first, last + 1)])


def test_an_agent_with_thousands_of_claims_is_reaped_in_slices(database: Database, leader: Leader) -> None:
    insert(database, "assigned", 1, FAMILY, agent="a:1")
    watch = Watch(leader)
    for first in range(1, FAMILY + 1, 1_000):
        done = commit(leader(), Batch(settlements=_settlements(first, min(first + 999, FAMILY), "pending")))
        assert not done.left.settlements
        watch.lap()
    watch.judge("claims taken back")
    assert count(database, "pending") == FAMILY


def test_claims_of_large_lanes_and_thousands_of_holds(database: Database, leader: Leader) -> None:
    insert(database, "pending", 1, FAMILY)
    with database.transaction() as tx:
        tx.rows(
            "INSERT INTO holds (kind, name, mode, actor) "
            "SELECT 'queue', 'q' || n, 'draining', 'ann' FROM generate_series(1, %(n)s) n",
            {"n": FAMILY},
        )
    watch = Watch(leader)
    for first in range(1, FAMILY + 1, 2_000):
        done: Committed = commit(leader(), _claims(first, min(first + 1_999, FAMILY)))
        assert len(done.claimed) == min(2_000, FAMILY - first + 1)
        watch.lap()
    watch.judge("claims")
    assert len(commit(leader(), Batch(ping=True)).holds.by_name) == FAMILY  # type: ignore[union-attr]
    watch.judge("claims and holds read")


def test_the_look_at_what_agents_hold_is_linear(database: Database, leader: Leader) -> None:
    insert(database, "assigned", 1, FAMILY, agent="a:1")
    watch = Watch(leader)
    with leader().cursor() as cursor:
        tx = DriverTransaction(cursor)
        assert recovery.not_held(tx, [(task_id(n), 1 + n % 2) for n in range(1, FAMILY + 1)])
        assert len(tick.still_current(tx, [(task_id(n), 1) for n in range(1, FAMILY + 1)])) == FAMILY
    leader().commit()
    watch.judge("claims compared")


def test_submissions_of_a_family_and_its_end_through_the_whole_engine(engine: Engine) -> None:
    """A thousand children of a parent in one chunk, another task is prompt while they are released."""
    size = FAMILY // 4
    parent = engine.submit("demo.echo")
    children = engine.submitter.submit_many([{"type": "demo.echo", "after": [parent]}] * size)
    engine.worker()
    engine.agent(max_concurrency=8)
    engine.wait_for(parent, "completed")
    urgent = engine.submit("demo.echo", priority="urgent")
    engine.wait_for(urgent, "completed", timeout_seconds=5)
    engine.wait_for(children[-1], "completed", timeout_seconds=30)
    engine.wait_for_all(children, timeout_seconds=30)
