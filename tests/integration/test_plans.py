"""No statement of the tick reads more rows than it names, whatever the planner knew when it was prepared."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg2.extensions
import pytest

from core.database import Database, DriverTransaction, connect_leader, queries
from core.registry import registry
from core.store import submitting
from core.validation import Limits, validate_submission

ROWS = 3_000
VALUES = {
    "ids": f"{{{uuid.uuid4()}}}",
    "attempts": "{1}",
    "outputs": "{1}",
    "started": "{1}",
    "run_seconds": "{1}",
    "cpu_seconds": "{1}",
    "peaks": "{1}",
    "agents": "{a}",
    "to_states": "{failed}",
    "errors": "{1}",
    "delays": "{1}",
    "refunds": "{0}",
    "events": "{failed}",
    "details": "{1}",
    "reported": "{failed}",
    "fractions": "{1}",
    "messages": "{a}",
    "checkpoints": "{1}",
    "actors": "{a}",
    "actor": "a",
}
STATEMENTS = sorted(set(queries("tick")) - {"has_dependants"})


@pytest.fixture
def leader(database_url: str) -> Iterator[psycopg2.extensions.connection]:
    """A leader's connection that prepared every statement while the tables were empty, and has many rows now."""
    connection = connect_leader(database_url)
    with connection.cursor() as cursor:
        tx = DriverTransaction(cursor)
        for name in STATEMENTS:
            tx.rows(queries("tick")[name], VALUES)
    connection.rollback()
    limits = Limits(1 << 20, 1 << 20)
    registry.load()
    database = Database(database_url)
    submissions = [
        validate_submission("diagnostic.echo", {}, registry=registry, limits=limits, now=datetime.now(UTC))
        for _ in range(ROWS)
    ]
    with database.transaction() as tx:
        submitting.copy(tx, submissions)
    database.close()
    yield connection
    connection.close()


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_statement_reads_every_task(leader: psycopg2.extensions.connection, name: str):
    with leader.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON, ANALYZE) {queries('tick')[name].execution}", VALUES)
        plan = cursor.fetchone()[0][0]["Plan"]
    leader.rollback()
    visited = [(node["Node Type"], _rows_of(node)) for node in _nodes(plan) if node.get("Relation Name") == "tasks"]
    assert all(rows < ROWS / 10 for _, rows in visited), visited


def _rows_of(node: dict[str, Any]) -> float:
    removed = sum(value for key, value in node.items() if key.startswith("Rows Removed"))
    return (node["Actual Rows"] + removed) * node["Actual Loops"]


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)
