"""Many tasks are stored while they are being checked, where that makes no difference but to the time it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel, field_validator

from taskyard.core.errors import SubmissionError
from taskyard.core.postgres.store import holds
from taskyard.core.scheduling.holds import HoldKind, HoldMode
from taskyard.core.submission import many
from tests.engine import Engine
from tests.servers import wait_until

COUNT = 1_500
copying: list[bool] = []
asked: list[Callable[[], bool]] = []


class Numbered(BaseModel):
    n: int

    @field_validator("n")
    @classmethod
    def seen(cls, n: int) -> int:
        if n == COUNT - 1:
            copying.append(asked[-1]())
        return n


@pytest.fixture
def work(engine: Engine) -> Engine:
    engine.define("many.work", lambda given, context: given)
    engine.registry.add(replace(engine.registry.types["many.work"], input_model=Numbered))

    def is_copying() -> bool:
        with engine.database.transaction() as tx:
            text = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND starts_with(query, %(copy)s)"
            return bool(tx.rows(f"{text} AND state = 'active'", {"copy": "COPY tasks ("}))

    copying.clear()
    asked.append(is_copying)
    return engine


def items(count: int = COUNT, **of_the_last: Any) -> list[Mapping[str, Any]]:
    found = [{"type": "many.work", "input": {"n": n}} for n in range(count)]
    found[-1] |= of_the_last
    return found


def numbers(engine: Engine) -> list[int]:
    with engine.database.transaction() as tx:
        return [row[0] for row in tx.rows("SELECT (input->>'n')::int FROM tasks ORDER BY id", {})]


def test_a_list_is_stored_while_it_is_checked(work: Engine) -> None:
    ids = work.submitter.submit_many(items())
    assert copying == [True]
    assert numbers(work) == list(range(COUNT))
    assert sorted(ids) == ids
    assert work.events(ids[-1]) == ["submitted"]
    wait_until(lambda: list(work.broker.depths().values()) == [COUNT])


def test_an_iterator_is_not_read_in_a_transaction(work: Engine) -> None:
    work.submitter.submit_many(iter(items()))
    assert copying == [False]
    assert numbers(work) == list(range(COUNT))


@pytest.mark.parametrize("option", [{"idempotency_key": "k"}, {"delay_seconds": 60.0}])
def test_one_that_needs_more_than_a_copy_comes_late(option: dict[str, Any], work: Engine) -> None:
    ids = work.submitter.submit_many(items(**option))
    assert numbers(work) == list(range(COUNT))
    assert work.task(ids[-1]).input == {"n": COUNT - 1}


def test_tasks_with_keys_are_looked_up(work: Engine) -> None:
    given = items(1, idempotency_key="k") * 2
    assert len(set(work.submitter.submit_many(given))) == 1
    assert len(set(work.submitter.submit_many(items(2) + given))) == 3
    assert numbers(work) == [0, 0, 1]


def test_a_refused_one_leaves_its_portion_unstored(work: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "CHUNK_SIZE", 1_000)
    stored: list[int] = []
    with pytest.raises(SubmissionError, match=rf"^submissions\.{COUNT - 1}\.priority: 'now'"):
        work.submitter.submit_many(items(priority="now"), progress=stored.append)
    assert stored == [1_000]
    assert numbers(work) == list(range(1_000))


def test_one_whose_queue_drains_is_named(work: Engine) -> None:
    with work.database.transaction() as tx:
        holds.hold(tx, HoldKind.QUEUE, "closing", HoldMode.DRAINING, "ops", "moves")
    with pytest.raises(SubmissionError, match=rf"^submissions\.{COUNT - 1}\.queue: 'closing'"):
        work.submitter.submit_many(items(queue="closing"))
    assert numbers(work) == []
    work.submitter.submit_many(items())
    assert len(numbers(work)) == COUNT


def test_portions_end_with_enough_bytes(work: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "PORTION_BYTES", 100)
    stored: list[int] = []
    work.submitter.submit_many(items(30), progress=stored.append)
    assert stored == [14, 27, 30]
    assert numbers(work) == list(range(30))


def test_tasks_of_several_kinds_keep_what_is_theirs(work: Engine) -> None:
    texts = ["plain", "a\\b\tc\nd", "null", "\u00fc"]
    given = [
        {
            "type": "many.work",
            "input": {"n": n, "text": texts[n % 4]},
            "title": texts[n % 4],
            "queue": f"queue-{n % 3}",
            "priority": ("low", "urgent")[n % 2],
            "created_by": texts[n % 4],
        }
        for n in range(24)
    ]
    ids = work.submitter.submit_many(given)
    for id_, one in zip(ids, given, strict=True):
        task = work.task(id_)
        assert (task.input, task.title, task.queue) == (one["input"], one["title"], one["queue"])
        assert (task.priority.label, task.created_by) == (one["priority"], one["created_by"])
        with work.database.transaction() as tx:
            [event] = tx.rows("SELECT actor, queue, type FROM task_events WHERE task_id = %(id)s", {"id": id_})
        assert event == (one["created_by"], one["queue"], "many.work")
    wait_until(lambda: sorted(work.broker.depths().values()) == [8, 8, 8])
