"""A statement's columns of a task are those that Task reads."""

from __future__ import annotations

from dataclasses import fields

import pytest

from taskyard.core.models import TASK_COLUMNS, Task
from taskyard.core.postgres.store.task_columns import with_columns
from tests.unit.test_structure import STATEMENTS, queries


def selected(statement: str) -> list[str]:
    """The names of the columns that a SELECT gives."""
    columns = statement.removeprefix("SELECT ").partition(" FROM")[0].split(", ")
    return [column.rpartition(" AS ")[2] for column in columns]


def test_all_of_them_in_the_order_of_the_fields() -> None:
    assert selected(with_columns("SELECT <task> FROM tasks")) == [field.name for field in fields(Task)]


def test_a_column_that_is_given_otherwise_keeps_its_place() -> None:
    statement = with_columns("SELECT <task: NULL AS input, error - 'x' AS error> FROM tasks")
    assert "NULL AS input" in statement
    assert "error - 'x' AS error" in statement
    assert selected(statement) == list(TASK_COLUMNS)


def test_a_name_that_is_no_column_is_refused() -> None:
    with pytest.raises(ValueError, match="no columns of a task: inptu"):
        with_columns("SELECT <task: NULL AS inptu> FROM tasks")


def test_those_who_read_tasks_use_it() -> None:
    marked = {(topic, name) for topic, name in STATEMENTS if "<task" in queries(topic)[name]}
    assert marked == {("tasks", "task"), ("tasks", "list_tasks"), ("tasks", "tasks"), ("search", "page")}
