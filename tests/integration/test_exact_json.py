"""What goes in comes out, end to end; and which children a parent finds again when it resumes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.postgres.store import search
from taskyard.worker.attempts.context import TaskContext
from tests.engine import Engine, Payload


@pytest.fixture
def engine(engine: Engine) -> Engine:
    """With a worker and an agent."""
    engine.worker()
    engine.agent()
    return engine


@pytest.mark.parametrize("value", [1e20, 1e16, -0.0, 1.0, 2**64 - 1, {"zz": 1, "a": {"": 2}}, '\u2028\\"é'])
def test_an_echo_is_what_was_handed_in_and_is_found_by_it(engine: Engine, value: Any) -> None:
    given = {"z": 1, "value": value, "a": 2}
    task_id = engine.submit("demo.echo", given)
    ending = engine.submitter.result(task_id, 10)
    assert ending.state == "completed", ending
    assert json.dumps(ending.output) == json.dumps(engine.task(task_id).input) == json.dumps(given)
    with engine.database.transaction() as tx:
        found = search.find(tx, TaskFilter(input_path="$.z == 1", output_path="$.a == 2"))
    assert [task.id for task in found.tasks] == [task_id]


@pytest.mark.parametrize("are_equal", [True, False])
def test_a_parent_that_resumes_finds_its_child_and_makes_the_others(engine: Engine, are_equal: bool) -> None:
    submitted: list[tuple[int, int, str]] = []

    def parent(given: Payload, context: TaskContext) -> Payload:
        for page in range(context.last_checkpoint or 0, 4):
            child = context.submit("demo.echo", {"n": 0 if are_equal else page})
            submitted.append((context.attempt, page, child))
            if page == 2 and context.attempt == 1:
                raise RuntimeError("between a child and its checkpoint")
            context.checkpoint(page + 1)
        return Payload()

    engine.define("demo.parent", parent)
    assert engine.wait_for(engine.submit("demo.parent")).state == "completed"
    first, second = ({page: child for attempt, page, child in submitted if attempt == n} for n in (1, 2))
    assert (list(first), list(second)) == ([0, 1, 2], [2, 3])
    assert second[2] == first[2]
    assert len({*first.values(), *second.values()}) == 4
