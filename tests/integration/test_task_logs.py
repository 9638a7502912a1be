"""A task's log in pages: bounded in entries and in bytes, in order, and quick however long it is."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from taskyard.core.postgres.database import queries
from taskyard.core.postgres.store import task_logs, tasks, tick
from taskyard.core.postgres.store.task_logs import LogFilter
from tests.engine import Engine

SIZE_BYTES = 40_000_000
QUICK_SECONDS = 1.0


def add_logs(engine: Engine, task_id: str, count: int, characters: int) -> None:
    """Entries of so many characters, hundreds with the same time as of one tick."""
    with engine.database.transaction() as tx:
        tx.rows(
            "INSERT INTO task_events (task_id, at, event, attempt, actor, agent_id, detail) "
            "SELECT %(id)s::uuid, now() + make_interval(secs => i / 300), 'log', 1, 'agent:x', 'x', jsonb_build_object("
            "'level', 'stdout', 'message', left(i || ' ' || repeat(md5(i::text), %(size)s / 32 + 1), %(size)s)) "
            "FROM generate_series(1, %(count)s) i",
            {"id": task_id, "size": characters, "count": count},
        )


@pytest.fixture
def task_id(engine: Engine) -> str:
    return engine.submit("demo.echo", {})


def numbers(entries: Iterator[task_logs.LogEntry] | tuple[task_logs.LogEntry, ...]) -> list[int]:
    return [int(entry.message.partition(" ")[0]) for entry in entries]


def test_pages_go_back_to_the_beginning_without_a_gap(engine: Engine, task_id: str) -> None:
    add_logs(engine, task_id, 1_000, 100)
    found: list[int] = []
    before = None
    with engine.database.transaction() as tx:
        while True:
            page = task_logs.newest(tx, task_id, before=before, limit=70, limit_bytes=5_000)
            assert 1 <= len(page.entries) <= 50
            found = numbers(page.entries) + found
            before = page.older
            if before is None:
                break
        assert found == list(range(1, 1_001))
        assert numbers(task_logs.whole(tx, task_id)) == found
        assert len(tasks.history(tx, task_id)) == 1


def test_lines_of_one_tick_keep_their_order_wherever_their_rows_are_stored(engine: Engine, task_id: str) -> None:
    """Rows fill pages from which others were removed."""
    with engine.database.transaction() as tx:
        tx.rows(
            "INSERT INTO task_events (event, actor, detail) SELECT 'pruned', repeat('x', 500), '{}' "
            "FROM generate_series(1, 400)",
            {},
        )
    with engine.database.transaction() as tx:
        tx.rows("DELETE FROM task_events WHERE event = 'pruned'", {})
    with engine.database.statements() as tx:
        tx.rows("VACUUM task_events", {})
    details = [orjson.dumps({"level": "info", "message": f"{number} x"}).decode() for number in range(600)]
    with engine.database.transaction() as tx:
        tick.add_logs(tx, [(task_id, "log", 1, "agent:x", "x", detail) for detail in details])
    with engine.database.transaction() as tx:
        assert numbers(task_logs.whole(tx, task_id)) == list(range(600))
        times = tx.rows("SELECT count(DISTINCT at) FROM task_events WHERE event = 'log'", {})
    assert times == [(600,)]


def test_one_entry_that_is_too_large_is_a_page(engine: Engine, task_id: str) -> None:
    add_logs(engine, task_id, 3, 100)
    with engine.database.transaction() as tx:
        page = task_logs.newest(tx, task_id, limit_bytes=10)
        assert numbers(page.entries) == [3]
        assert page.older is not None


@pytest.mark.parametrize("characters", [4_000, 400])
def test_forty_megabytes_stay_quick(engine: Engine, task_id: str, characters: int) -> None:
    add_logs(engine, task_id, SIZE_BYTES // characters, characters)
    seconds = []
    for _ in range(3):
        began = time.monotonic()
        with engine.database.transaction() as tx:
            page = task_logs.newest(tx, task_id)
            tasks.history(tx, task_id)
        seconds.append(time.monotonic() - began)
    assert sum(len(entry.message) for entry in page.entries) <= task_logs.PAGE_BYTES
    assert page.older is not None
    assert min(seconds) < QUICK_SECONDS, seconds
    print(json.dumps({"characters": characters, "page_seconds": min(seconds)}))


def test_a_search_finds_every_entry_in_bounded_steps(engine: Engine, task_id: str) -> None:
    add_logs(engine, task_id, 2 * task_logs.LOOK_AT_LINES + 500, 40)
    wanted = [number for number in range(1, 2 * task_logs.LOOK_AT_LINES + 501) if "77 " in f"{number} "]
    found: list[int] = []
    before = None
    pages = 0
    with engine.database.transaction() as tx:
        while True:
            page = task_logs.matching(tx, task_id, LogFilter(text="77 "), before=before, limit=7, budget_seconds=0)
            assert len(page.entries) <= 7
            found = numbers(page.entries) + found
            before = page.older
            pages += 1
            if before is None:
                break
    assert found == wanted
    assert pages >= 3  # with no time it looks at one step


def test_a_search_has_no_page_beyond_its_bytes(engine: Engine, task_id: str) -> None:
    add_logs(engine, task_id, 10, 100)
    with engine.database.transaction() as tx:
        page = task_logs.matching(tx, task_id, LogFilter(kinds=("stdout",)), limit_bytes=250)
        assert numbers(page.entries) == [9, 10]
        page = task_logs.matching(tx, task_id, LogFilter(kinds=("stdout",)), before=page.older, limit_bytes=10)
        assert numbers(page.entries) == [8]
        assert task_logs.matching(tx, task_id, LogFilter(attempt=2)).entries == ()


def test_the_end_of_a_page_leads_to_the_same_page(engine: Engine, task_id: str) -> None:
    add_logs(engine, task_id, 10, 100)
    with engine.database.transaction() as tx:
        page = task_logs.newest(tx, task_id, limit=3)
        assert task_logs.newest(tx, task_id, before=page.end(), limit=3) == page
        tx.rows(
            "INSERT INTO task_events (task_id, at, event, attempt, actor, detail) "
            "SELECT %(id)s::uuid, now() + interval '1 hour', 'log', 1, 'x', '{\"message\": \"11 later\"}'",
            {"id": task_id},
        )
        assert task_logs.newest(tx, task_id, before=page.end(), limit=3) == page
        assert numbers(task_logs.newest(tx, task_id, limit=3).entries) == [9, 10, 11]


@pytest.mark.parametrize("name", ["log_before", "log_after", "log_matching"])
def test_a_page_of_a_log_reads_no_more_than_the_page(engine: Engine, task_id: str, name: str) -> None:
    add_logs(engine, task_id, 20_000, 40)
    with engine.database.transaction() as tx:
        tx.rows("ANALYZE task_events", {})
        [[middle]] = tx.rows("SELECT now() + interval '33 s'", {})
        asked = {"id": task_id, "limit": 501, "limit_bytes": 1 << 20, "look_at": 501, "is_first": True}
        narrow = {"attempt": None, "kinds": None, "pattern": None}
        for place in ({"at": None, "place": None}, {"at": middle, "place": "(0,0)"}):
            query = f"EXPLAIN (ANALYZE, FORMAT JSON) {queries('task_logs')[name]}"
            [[plan]] = tx.rows(query, asked | narrow | place)
            assert 500 <= most_rows(plan[0]["Plan"]) <= 2_000, place


def most_rows(plan: dict[str, Any]) -> float:
    """The most rows of a step of a query's plan."""
    own = (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
    return max([own, *map(most_rows, plan.get("Plans", ()))])


def test_a_history_reads_nothing_of_a_log(engine: Engine, task_id: str) -> None:
    add_logs(engine, task_id, 20_000, 40)
    with engine.database.transaction() as tx:
        tx.rows("ANALYZE task_events", {})
        asked = {"id": task_id, "limit": tasks.HISTORY_EVENTS}
        [[plan]] = tx.rows(f"EXPLAIN (ANALYZE, FORMAT JSON) {queries('tasks')['history']}", asked)
    assert most_rows(plan[0]["Plan"]) <= 10


def test_the_lines_around_one_and_the_page_behind_it(engine: Engine, task_id: str) -> None:
    add_logs(engine, task_id, 1_100, 64)
    with engine.database.transaction() as tx:
        [place] = task_logs.matching(tx, task_id, LogFilter(text="300 ")).places
        page = task_logs.around(tx, task_id, place)
        lines = task_logs.LINES_AROUND
        assert numbers(page.entries) == list(range(300 - lines, 300 + lines + 1))
        assert page.places[lines] == place
        older = task_logs.newest(tx, task_id, before=page.older, limit=2)
        assert numbers(older.entries) == [298 - lines, 299 - lines]

        end = task_logs.end_of_next(tx, task_id, page.places[-1])
        behind = task_logs.newest(tx, task_id, before=end)
        assert numbers(behind.entries) == list(range(301 + lines, 801 + lines))
        assert task_logs.end_of_next(tx, task_id, behind.places[-1]) is None
        first = task_logs.newest(tx, task_id, before=page.older, limit=1_000).places[0]
        assert numbers(task_logs.around(tx, task_id, first).entries) == list(range(1, lines + 2))
