"""Idempotency: the same call gives the same task, whatever types, limits and parents have become in between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from taskyard.core.config import Settings
from taskyard.core.errors import Busy, IdempotencyConflict, SubmissionError
from taskyard.core.postgres.pools import connect_engine
from taskyard.core.postgres.store import submission
from taskyard.core.submission.submit import Submitter, open_submitter
from taskyard.core.task_types.registry import Registry
from tests.engine import Engine

CALL: dict[str, Any] = {"type": "demo.echo", "input": {"n": 1}, "idempotency_key": "k"}


class Stricter(BaseModel):
    """Takes nothing that was ever given."""

    model_config = ConfigDict(extra="forbid")
    other: int


@pytest.fixture
def first(engine: Engine) -> str:
    return engine.submitter.submit(**CALL)


@pytest.fixture
def later(engine: Engine, settings: Settings) -> Iterator[Submitter]:
    """A submitter after a deploy; its types are changed by the tests."""
    types = Registry(dict(engine.registry.types))
    submitter = open_submitter(settings, types, settings.database_url, settings.redis_url)
    yield submitter
    submitter._database.close()
    submitter._notifier._broker.redis.close()


def change(submitter: Submitter, **changes: Any) -> None:
    types = submitter._registry.types
    types["demo.echo"] = replace(types["demo.echo"], **changes)


def test_what_a_type_adds_does_not_count(first: str, later: Submitter) -> None:
    retry = replace(later._registry.types["demo.echo"].retry, max_attempts=9)
    change(later, timeout_seconds=7.0, requires=frozenset({"gpu"}), retry=retry)
    assert later.submit(**CALL) == first
    assert later.submit_many([CALL, CALL]) == [first, first]


def test_a_type_that_refuses_the_input_now_or_is_gone_does_not_count(first: str, later: Submitter) -> None:
    change(later, input_model=Stricter)
    assert later.submit(**CALL) == first
    assert later.submit_many([{"type": "demo.echo", "input": {"other": 1}}, CALL])[1] == first
    del later._registry.types["demo.echo"]
    assert later.submit(**CALL) == first
    with pytest.raises(SubmissionError, match="type"):
        later.submit(**{**CALL, "input": {"n": 2}})


def test_a_lower_limit_does_not_count(engine: Engine, first: str, settings: Settings) -> None:
    limited = Submitter(
        settings.model_copy(update={"input_limit_bytes": 3}), engine.registry, engine.database, engine.broker
    )
    assert limited.submit(**CALL) == first


@pytest.mark.parametrize("fate", ["failed", "gone"])
def test_what_became_of_a_parent_does_not_count(engine: Engine, fate: str) -> None:
    parent = engine.submit("demo.echo")
    call = {**CALL, "after": [parent]}
    child = engine.submitter.submit(**call)
    engine.submitter.cancel(parent, actor="me")
    if fate == "gone":
        with engine.database.transaction() as tx:
            tx.rows("DELETE FROM tasks WHERE id = %(id)s", {"id": parent})
    assert engine.submitter.submit(**call) == child
    assert engine.submitter.submit_many([call]) == [child]
    with pytest.raises(SubmissionError, match="after"):
        engine.submitter.submit(**{**call, "idempotency_key": "another"})


def test_a_hold_does_not_count(engine: Engine, first: str) -> None:
    with engine.database.transaction() as tx:
        tx.rows(
            "INSERT INTO holds (kind, name, mode, actor, reason) VALUES ('queue', 'default', 'draining', 'me', '')", {}
        )
    assert engine.submitter.submit(**CALL) == first


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"input": {"n": 2}}, "input"),
        ({"title": "another"}, "title"),
        ({"priority": "high"}, "priority"),
        ({"queue": "mail"}, "queue"),
        ({"timeout_seconds": 7}, "timeout_seconds"),
        ({"max_attempts": 9}, "max_attempts"),
        ({"requires": ["gpu"]}, "requires"),
        ({"delay_seconds": 60}, "delay_seconds"),
        ({"type": "demo.gate"}, "type"),
    ],
)
def test_a_conflict_names_what_differs(engine: Engine, first: str, options: dict[str, Any], field: str) -> None:
    with pytest.raises(IdempotencyConflict, match=f"task {first} already uses it with another {field}"):
        engine.submitter.submit(**{**CALL, **options})


@pytest.mark.parametrize(
    "same",
    [
        {"input": {"n": 1.0}},
        {"queue": "default", "priority": "medium"},
        {"timeout_seconds": None, "max_attempts": None, "title": None},
        {"created_by": "somebody"},
    ],
)
def test_what_means_the_same_is_the_same(engine: Engine, first: str, same: dict[str, Any]) -> None:
    assert engine.submitter.submit(**{**CALL, **same}) == first


def test_a_hash_from_before_counts_as_far_as_nothing_contradicts(engine: Engine, first: str) -> None:
    """Those covered what the type had added; the stored input may have defaults of its model."""
    with engine.database.transaction() as tx:
        tx.rows(
            "UPDATE tasks SET content_hash = 'abc', input = '{\"n\": 1, \"added\": true}' WHERE id = %(id)s",
            {"id": first},
        )
    assert engine.submitter.submit(**CALL) == first
    with pytest.raises(IdempotencyConflict, match="input"):
        engine.submitter.submit(**{**CALL, "input": {"n": 2}})


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_callers_snapshot_is_told_of_a_key_that_it_cannot_see(engine: Engine, level: str) -> None:
    callers = connect_engine(engine.database.url, pool_size=1).execution_options(isolation_level=level)
    with callers.connect() as connection:
        connection.exec_driver_sql("SELECT 1 FROM tasks")
        engine.submitter.submit(**CALL)
        with pytest.raises(Busy, match="try again"):
            engine.submitter.submit(**CALL, connection=connection)
        connection.rollback()


def test_a_key_is_free_again_when_its_task_is_gone(engine: Engine, first: str) -> None:
    with engine.database.transaction() as tx:
        assert submission.find_by_key(tx, "k") is not None
        tx.rows("DELETE FROM tasks", {})
    assert engine.submitter.submit(**CALL) != first
