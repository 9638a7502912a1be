"""A task's log in pages: bounded in entries and in bytes, in order, and quick however long it is."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from taskyard.core.postgres.store import task_logs, tasks
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
        assert len(tasks.history(tx, task_id, with_log=False)) == 1


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
            tasks.history(tx, task_id, with_log=False)
        seconds.append(time.monotonic() - began)
    assert sum(len(entry.message) for entry in page.entries) <= task_logs.PAGE_BYTES
    assert page.older is not None
    assert min(seconds) < QUICK_SECONDS, seconds
    print(json.dumps({"characters": characters, "page_seconds": min(seconds)}))
