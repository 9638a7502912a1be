"""No statement of the tick reads more rows than it names, whatever the planner knew when it was prepared.

Searches find their windows by an index.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg2.extensions
import pytest

from taskyard.core.filters.audit_filter import EventFilter
from taskyard.core.filters.search_filter import Sort, TaskFilter
from taskyard.core.postgres.database import Database, DriverTransaction, connect_leader, queries
from taskyard.core.postgres.store import audit, search_query, seed, submission_copy
from taskyard.core.states import TaskState
from taskyard.core.submission.validate import Limits, validate_submission
from taskyard.core.task_types.registry import registry

ROWS = 3_000
VALUES = {
    "ids": f"{{{uuid.uuid4()}}}",
    "completed_here": f"{{{uuid.uuid4()}}}",
    "attempts": "{1}",
    "outputs": "{1}",
    "started": "{1}",
    "signals": "{NULL}",
    "run_seconds": "{1}",
    "cpu_seconds": "{1}",
    "peaks": "{1}",
    "agents": "{a}",
    "lanes": "{default|diagnostic.echo|}",
    "firsts": "{0}",
    "offers": "{1}",
    "to_states": "{failed}",
    "errors": "{1}",
    "delays": "{1}",
    "refunds": "{0}",
    "counted": "{0}",
    "counts": "{1}",
    "events": "{failed}",
    "details": "{1}",
    "reported": "{failed}",
    "fractions": "{1}",
    "messages": "{a}",
    "checkpoints": "{1}",
    "children": "{0}",
    "actors": "{a}",
    "besides": "{1}",
    "reasons": "{a}",
    "seconds": "{1}",
    "actor": "a",
    "limit": 1000,
    "after": str(uuid.uuid4()),
}
STATEMENTS = {
    name: queries(topic)[name]
    for topic, names in (
        ("tick", sorted(set(queries("tick")) - {"after_completed"})),
        ("dependants", sorted(set(queries("dependants")) - {"has_any"})),
        ("recovery", ["not_held"]),
    )
    for name in names
}


@pytest.fixture
def leader(database_url: str) -> Iterator[psycopg2.extensions.connection]:
    """A leader's connection that prepared every statement while the tables were empty, and has many rows now."""
    connection = connect_leader(database_url)
    with connection.cursor() as cursor:
        tx = DriverTransaction(cursor)
        for name in STATEMENTS:
            tx.rows(STATEMENTS[name], VALUES)
    connection.rollback()
    limits = Limits(1 << 20, 1 << 20)
    registry.load()
    database = Database(database_url)
    submissions = [
        validate_submission("diagnostic.echo", {}, registry=registry, limits=limits, now=datetime.now(UTC))
        for _ in range(ROWS)
    ]
    with database.transaction() as tx:
        submission_copy.copy(tx, submissions)
    database.close()
    yield connection
    connection.close()


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_statement_reads_every_task(leader: psycopg2.extensions.connection, name: str):
    with leader.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON, ANALYZE) {STATEMENTS[name].execution}", VALUES)
        plan = cursor.fetchone()[0][0]["Plan"]
    leader.rollback()
    visited = [(node["Node Type"], _rows_of(node)) for node in _nodes(plan) if node.get("Relation Name") == "tasks"]
    assert all(rows < ROWS / 10 for _, rows in visited), visited


@pytest.mark.parametrize("name", [name for name in STATEMENTS if "state_for_children" in STATEMENTS[name]])
def test_how_children_see_an_end_is_no_call(leader: psycopg2.extensions.connection, name: str):
    with leader.cursor() as cursor:
        cursor.execute(f"EXPLAIN (VERBOSE) {STATEMENTS[name].execution}", VALUES)
        lines = [row[0] for row in cursor.fetchall()]
    leader.rollback()
    assert any("CASE WHEN p.failed_before THEN 'failed'::text ELSE p.state END" in line for line in lines)
    assert not any("state_for_children" in line for line in lines)


def _rows_of(node: dict[str, Any]) -> float:
    removed = sum(value for key, value in node.items() if key.startswith("Rows Removed"))
    return (node["Actual Rows"] + removed) * node["Actual Loops"]


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


# searches

HISTORY = 5_000
INDEXES = {  # what finds where the next window ends
    "tasks_pkey": TaskFilter(),
    "tasks_open": TaskFilter(states=(TaskState.PENDING, TaskState.IN_PROGRESS)),
    "tasks_with_error": TaskFilter(states=(TaskState.FAILED,)),
    "tasks_errors": TaskFilter(fingerprint="f1"),
}


@pytest.fixture
def history(database_url: str) -> Iterator[Database]:
    """Tasks that ended, some of them failed; nothing is open."""
    database = Database(database_url)
    with database.transaction() as tx:
        seed.seed(tx, HISTORY, datetime.now(UTC).timestamp() - 7200, 3600.0, 0.5)
        other = "UPDATE tasks SET error = error || '{\"fingerprint\": \"f1\"}' WHERE error->>'class' = 'crashed'"
        tx.rows(other, {})
    yield database
    database.close()


@pytest.mark.parametrize("is_analyzed", [True, False])
@pytest.mark.parametrize("index", INDEXES)
def test_searches_are_cut_out_of_an_index(history: Database, index: str, is_analyzed: bool):
    statement = search_query.assembled(queries("search")["edge"]).replace("<direction>", "DESC")
    with history.transaction() as tx:
        if is_analyzed:
            tx.rows("ANALYZE tasks", {})
        asked = search_query.parameters_of(INDEXES[index], datetime.now(UTC), Sort.NEWEST)
        [(explained,)] = tx.rows(f"EXPLAIN (FORMAT JSON, ANALYZE) {statement}", {**asked, "size": 100})
    plan = explained[0]["Plan"]
    used = {node.get("Index Name") for node in _nodes(plan)} - {None}
    assert used == {index}
    assert not is_analyzed or all(_rows_of(node) <= HISTORY / 10 for node in _nodes(plan))


@pytest.mark.parametrize("only", [EventFilter(only_operators=True), EventFilter(task_id=str(uuid.uuid4()))])
def test_what_people_did_is_found_by_an_index(history: Database, only: EventFilter):
    with history.transaction() as tx:
        tx.rows("INSERT INTO task_events (event, actor) VALUES ('paused', 'ann')", {})
        tx.rows("ANALYZE task_events", {})
        asked, low, high = audit.asked_of(tx, only, None)
        parameters = {**asked, "low": low, "high": high, "limit": 100}
        [(explained,)] = tx.rows(f"EXPLAIN (FORMAT JSON, ANALYZE) {queries('audit')['entries']}", parameters)
    visited = [_rows_of(node) for node in _nodes(explained[0]["Plan"]) if "Relation Name" in node]
    assert sum(visited) < HISTORY / 10, explained


@pytest.mark.parametrize(
    ("topic", "name", "asked"),
    [
        ("failures", "failed_now", {"fingerprints": ["f1", "none"], "limit": 500}),
        ("related_tasks", "similar_failures", {"fingerprint": "f1", "besides": None, "limit": 5}),
    ],
)
@pytest.mark.parametrize("is_analyzed", [True, False])
def test_failures_with_a_fingerprint_are_found_by_it(
    history: Database, topic: str, name: str, asked: dict[str, Any], is_analyzed: bool
):
    with history.transaction() as tx:
        if is_analyzed:
            tx.rows("ANALYZE tasks", {})
        [(explained,)] = tx.rows(f"EXPLAIN (FORMAT JSON, ANALYZE) {queries(topic)[name]}", asked)
    assert {node.get("Index Name") for node in _nodes(explained[0]["Plan"])} - {None} == {"tasks_errors"}
