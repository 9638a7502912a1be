"""Searches find what filters say, in the order that was asked for, each task once, within their time."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskyard.core.errors import Busy, SubmissionError
from taskyard.core.filters.search_filter import Sort, TaskFilter
from taskyard.core.ids import time_of
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import search, search_query
from taskyard.core.postgres.store import tasks as tasks_store
from taskyard.core.postgres.store.cursors import Cursor
from taskyard.core.postgres.store.search import Found
from taskyard.core.postgres.store.state_counts import count_states, oldest_at
from tests import made_tasks

EXAMPLES = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
UNLIMITED_SECONDS = 60.0


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_query, "FIRST_WINDOW", 3)


def fill(database: Database, made: list[dict[str, Any]]) -> None:
    with database.transaction() as tx:
        tx.rows("DELETE FROM tasks", {})
        made_tasks.insert(tx, made)


def find(database: Database, only: TaskFilter, sort: Sort = Sort.NEWEST, **options: Any) -> Found:
    with database.transaction() as tx:
        return search.find(tx, only, sort=sort, **options)


def pages(database: Database, only: TaskFilter, sort: Sort, **options: Any) -> list[Found]:
    """All of them, by `next`."""
    found = [find(database, only, sort, **options)]
    while found[-1].next is not None:
        found.append(find(database, only, sort, after=Cursor.parse(str(found[-1].next)), **options))
    return found


def ids(*found: Found) -> list[str]:
    return [task.id for page in found for task in page.tasks]


@EXAMPLES
@given(made=made_tasks.rows(), only=made_tasks.filters(), sort=st.sampled_from(Sort))
def test_a_search_finds_what_the_filter_says(
    database: Database, made: list[dict[str, Any]], only: TaskFilter, sort: Sort
) -> None:
    fill(database, made)
    found = find(database, only, sort, limit=1000, budget_seconds=UNLIMITED_SECONDS)
    with database.transaction() as tx:
        now = tasks_store.now(tx)
        count = search.count_matching(tx, only, budget_seconds=UNLIMITED_SECONDS)
    assert ids(found) == made_tasks.expected(made, only, sort, now)
    assert (found.next, found.previous, found.is_complete) == (None, None, True)
    assert (count.count, count.is_exact) == (sum(made_tasks.matches(row, only) for row in made), True)


@EXAMPLES
@given(made=made_tasks.rows(), only=made_tasks.filters(), sort=st.sampled_from(Sort), limit=st.integers(1, 7))
def test_pages_go_on_where_they_ended(
    database: Database, made: list[dict[str, Any]], only: TaskFilter, sort: Sort, limit: int
) -> None:
    fill(database, made)
    found = pages(database, only, sort, limit=limit, budget_seconds=UNLIMITED_SECONDS)
    with database.transaction() as tx:
        now = tasks_store.now(tx)
    assert ids(*found) == made_tasks.expected(made, only, sort, now)
    for earlier, later in itertools.pairwise(found):
        assert later.previous is not None
        back = find(database, only, sort, after=later.previous, limit=limit, budget_seconds=UNLIMITED_SECONDS)
        assert ids(back) == ids(earlier)
        assert (back.previous is None) == (earlier.previous is None)
        assert ids(find(database, only, sort, after=back.next, limit=limit)) == ids(later)


@pytest.mark.usefixtures("small_windows")
@EXAMPLES
@given(made=made_tasks.rows(), only=made_tasks.filters(), sort=st.sampled_from(Sort), limit=st.integers(1, 7))
def test_a_search_without_time_goes_on_to_the_end(
    database: Database, made: list[dict[str, Any]], only: TaskFilter, sort: Sort, limit: int
) -> None:
    """Each page looks at one window only, or at the same one again."""
    fill(database, made)
    found = pages(database, only, sort, limit=limit, budget_seconds=0.0)
    with database.transaction() as tx:
        now = tasks_store.now(tx)
    expected = made_tasks.expected(made, only, sort, now)
    assert ids(*found) == expected if sort in search.BY_AGE else sorted(ids(*found)) == sorted(expected)
    assert all(page.next is not None for page in found if not page.is_complete)


@pytest.mark.usefixtures("small_windows")
@EXAMPLES
@given(made=made_tasks.rows(), only=made_tasks.filters(), limit=st.integers(1, 7))
def test_ids_in_batches_are_those_that_match(
    database: Database, made: list[dict[str, Any]], only: TaskFilter, limit: int
) -> None:
    fill(database, made)
    found: list[str] = []
    place: str | None = None
    while True:
        with database.transaction() as tx:
            batch, place = search.next_ids(tx, only, after=place, limit=limit, budget_seconds=0.0)
        assert len(batch) <= limit
        found += batch
        if place is None:
            break
    assert found == [row["id"] for row in made if made_tasks.matches(row, only)]


@given(made=made_tasks.rows(max_size=30))
@settings(EXAMPLES, max_examples=15)
def test_what_is_submitted_meanwhile_shifts_nothing(database: Database, made: list[dict[str, Any]]) -> None:
    old, new = made[: len(made) // 2], made[len(made) // 2 :]
    fill(database, old)
    found = [find(database, TaskFilter(), limit=3)]
    while found[-1].next is not None:
        with database.transaction() as tx:
            made_tasks.insert(tx, [new.pop(0)] if new else [])
        found.append(find(database, TaskFilter(), after=found[-1].next, limit=3))
    assert ids(*found) == [row["id"] for row in reversed(old)]


def tasks(count: int, **values: Any) -> list[dict[str, Any]]:
    """Completed ones, a minute apart."""
    row = {"queue": "q", "type": "t", "state": "completed", "priority": 1, "input": {}, "output": None, "error": None}
    row |= {"requires": [], "attempt": 1, "refunded": 0, "refunds": 0, "max_attempts": 3, "timeout_seconds": 60.0}
    row |= {"waiting_on": 0, "created_by": "", "title": None, "workflow_id": None, "assigned_agent_id": "a:1"}
    made = []
    for number in range(count):
        at = made_tasks.START + timedelta(minutes=number)
        times = dict.fromkeys(("created_at", "ready_at", "assigned_at", "started_at", "finished_at"), at)
        made.append({**row, **times, "run_at": None, "id": made_tasks.made_id(at, number), **values})
    return made


@pytest.mark.usefixtures("small_windows")
def test_a_search_that_has_no_time_says_how_far_it_got(database: Database) -> None:
    fill(database, [*tasks(1, type="rare"), *tasks(20)[1:]])
    found = find(database, TaskFilter(types=("rare",)), budget_seconds=0.0)
    assert (found.tasks, found.is_complete) == ((), False)
    assert found.searched_to == time_of(tasks(20)[17]["id"])
    oldest = find(database, TaskFilter(types=("none",)), Sort.OLDEST, budget_seconds=0.0)
    assert time_of(tasks(20)[2]["id"]) <= oldest.searched_to <= time_of(tasks(20)[3]["id"])
    with database.transaction() as tx:
        count = search.count_matching(tx, TaskFilter(types=("t",)), budget_seconds=0.0)
    assert (count.count, count.is_exact) == (3, False)


def test_a_count_ends_where_it_is_to_end(database: Database) -> None:
    fill(database, tasks(5))
    with database.transaction() as tx:
        assert [search.count_matching(tx, TaskFilter(), at_most=most).count for most in (3, 5, 6)] == [3, 5, 5]
        assert [search.count_matching(tx, TaskFilter(), at_most=most).is_exact for most in (4, 5)] == [False, True]


def test_a_whole_id_finds_that_task_alone(database: Database) -> None:
    made = tasks(3)
    made[0]["title"] = made[1]["id"]
    fill(database, made)
    assert ids(find(database, TaskFilter(text=made[1]["id"].upper()))) == [made[1]["id"]]


BAD_PATHS = [
    "$.",
    "a",
    "$.a ==",
    "$.a like_regex '('",
    '$.a like_regex "("',
    "$x",
    "$.a == $x",
    "'; DROP TABLE tasks; --",
]


@pytest.mark.parametrize("path", BAD_PATHS)
@pytest.mark.parametrize("field", ["input_path", "output_path"])
def test_a_path_that_makes_no_sense_names_its_field(database: Database, field: str, path: str) -> None:
    fill(database, tasks(2, input={"a": "x"}, output={"a": "x"}))
    with pytest.raises(SubmissionError, match=rf"^{field}: .*expected an SQL/JSON path \("):
        find(database, TaskFilter(**{field: path}))
    assert len(find(database, TaskFilter()).tasks) == 2


def test_what_fails_only_on_a_task_names_the_field(database: Database) -> None:
    """A comparison of times that needs a time zone, which the check beforehand never reaches."""
    fill(database, tasks(1, input={"a": "2026-01-01", "b": "2026-01-01T00:00:00+01:00"}))
    path = "$.a.datetime() < $.b.datetime()"
    with pytest.raises(SubmissionError, match=r"^input_path: .*time zone"):
        find(database, TaskFilter(input_path=path))


def test_a_statement_that_takes_too_long_is_said_so(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(database, tasks(3000))
    monkeypatch.setattr(search_query, "STATEMENT_SECONDS", 0.001)
    with pytest.raises(Busy, match="did not answer in time"):
        find(database, TaskFilter(text="x"), Sort.PRIORITY, budget_seconds=60.0)


def test_a_limit_of_time_ends_with_the_search(database: Database) -> None:
    with database.transaction() as tx:
        before = tx.rows("SHOW statement_timeout", {})
        search.find(tx, TaskFilter())
        assert tx.rows("SHOW statement_timeout", {}) == before


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_page_has_a_size(database: Database, limit: int) -> None:
    with pytest.raises(SubmissionError, match=r"^limit: "):
        find(database, TaskFilter(), limit=limit)


def test_a_cursor_is_of_its_order(database: Database) -> None:
    fill(database, tasks(4))
    by_age = find(database, TaskFilter(), limit=2).next
    by_key = find(database, TaskFilter(), Sort.FINISHED, limit=2).next
    for cursor, sort in ((by_age, Sort.FINISHED), (by_key, Sort.NEWEST)):
        with pytest.raises(SubmissionError, match=r"^after: "):
            find(database, TaskFilter(), sort, after=cursor)


def test_facets_are_what_is_there(database: Database) -> None:
    fill(database, tasks(2, type="a.b", queue="reports", created_by="ann"))
    with database.transaction() as tx:
        found = search.facets(tx)
    assert found == search.Facets(("a.b",), ("reports",), (), ("ann",), ())


def test_no_more_than_two_searches_by_path_run_at_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_query, "PATIENCE_SECONDS", 0.05)
    by_path = TaskFilter(input_path="$.a")
    with database.transaction() as one, database.transaction() as other:
        with search_query.bounded(one, by_path), search_query.bounded(other, by_path):
            refused = pytest.raises(Busy, match="2 searches by input_path are running")
            with database.transaction() as third, refused, search_query.bounded(third, by_path, 0.05):
                pass
            assert find(database, TaskFilter(text="x")).tasks == ()  # others are no heavier for it
        for _ in range(3):  # each place is given back, also by one that is refused
            with (
                database.transaction() as tx,
                pytest.raises(SubmissionError),
                search_query.bounded(tx, TaskFilter(input_path="$[")),
            ):
                pass
        assert find(database, by_path).tasks == ()


def test_ids_and_keys_are_found_by_their_indexes(database: Database) -> None:
    made = tasks(3_000)
    fill(database, made)
    with database.transaction() as tx:
        one = str(made[7]["id"])
        tx.rows(
            "UPDATE tasks SET idempotency_key = 'order-4711', content_hash = 'h' WHERE id = %(id)s::uuid RETURNING id",
            {"id": one},
        )

    for text in (one[-12:], one[-12:].upper(), "order-4711"):
        assert ids(find(database, TaskFilter(text=text))) == [one], text
        with database.transaction() as tx:
            assert search.count_matching(tx, TaskFilter(text=text)).count == 1
            assert search.next_ids(tx, TaskFilter(text=text), after=None, limit=5) == ([one], None)
    beginning = one[:18]
    wanted = sorted((str(row["id"]) for row in made if str(row["id"]).startswith(beginning)), reverse=True)
    assert ids(find(database, TaskFilter(text=beginning), limit=1000)) == wanted
    assert ids(find(database, TaskFilter(text="order-47"))) == []  # part of a key is none


def test_states_are_counted_beside_each_other(database: Database) -> None:
    later = [{**row, "state": "failed", "error": {"class": "crashed"}, "id": row["id"][:-1] + "f"} for row in tasks(4)]
    made = [*tasks(7), *later]
    fill(database, made)
    with database.transaction() as tx:
        counted = count_states(tx, TaskFilter(states=("completed",)), budget_seconds=UNLIMITED_SECONDS)
        assert oldest_at(tx) == min(time_of(str(row["id"])) for row in made)
    assert all(count.is_exact for count in counted.values())
    for state, count in counted.items():
        assert count.count == sum(row["state"] == state for row in made), state


def test_a_search_finds_tasks_by_what_an_attempt_of_them_waited_and_ran(database: Database) -> None:
    with database.transaction() as tx:
        tx.rows("DELETE FROM tasks", {})
    submitted = [task_of_a_second(database, wait, run) for wait, run in ((0.5, (2.0,)), (3.0, (0.1, 9.0)), (7.0, ()))]
    wanted = {
        (): {0, 1, 2},
        ("min_run_seconds", 2): {0, 1},  # from
        ("max_run_seconds", 2): {1},  # below; it ran twice
        ("min_wait_seconds", 3): {1},
        ("max_wait_seconds", 3): {0},
    }
    for condition, expected in wanted.items():
        only = TaskFilter(**dict([condition] if condition else []))
        assert set(ids(find(database, only))) == {submitted[number] for number in expected}, condition
        with database.transaction() as tx:
            assert search.count_matching(tx, only).count == len(expected)
    between = TaskFilter(min_run_seconds=1, max_run_seconds=5)  # one attempt must be between both
    assert ids(find(database, between)) == [submitted[0]]


def task_of_a_second(database: Database, wait: float, runs: tuple[float, ...]) -> str:
    """A task submitted a second ago, with ends of attempts that waited and ran so long."""
    task_id = str(uuid.uuid4())
    event = "INSERT INTO task_events (task_id, at, event, actor, wait_seconds, run_seconds) VALUES (%(id)s, now(), "
    with database.transaction() as tx:
        tx.rows(
            "INSERT INTO tasks (id, type, state, queue, priority, input, created_at, ready_at, max_attempts,"
            " timeout_seconds) VALUES (%(id)s, 'a.b', 'pending', 'q', 2, '{}', now() - interval '1 s', now(), 3, 60)",
            {"id": task_id},
        )
        tx.rows(f"{event}'claimed', 'test', NULL, NULL)", {"id": task_id})
        for run in runs:
            tx.rows(f"{event}'attempt_failed', 'test', %(wait)s, %(run)s)", {"id": task_id, "wait": wait, "run": run})
    return task_id
