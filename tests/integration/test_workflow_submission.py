"""Workflows are stored at once or not at all, and refused with all their problems."""

from __future__ import annotations

import pytest

from taskyard.core.errors import IdempotencyConflict, SubmissionError
from taskyard.core.workflows.making import ref, ref_all, task
from tests.engine import running_engine
from tests.workflow_types import workflow_registry

TASKS = {
    "extract": task("test.extract", {"count": 3}),
    "pages": [task("test.page", {"row": ref("extract", "rows", at)}) for at in range(3)],
    "sum": task("test.add_up", {"parts": ref_all("pages")}, priority="high"),
    "later": task("test.maybe", {"name": "x"}, after=["pages", "sum"], when="ended", delay_seconds=1000),
    "alone": task("test.maybe", {"name": "x"}, delay_seconds=1000),
}


@pytest.fixture
def engine(settings):
    with running_engine(settings, workflow_registry()) as engine:
        yield engine


@pytest.fixture
def workflows(engine):
    return engine.submitter.workflows


def rows(engine, statement):
    with engine.database.transaction() as tx:
        return tx.rows(statement, {})


def stored(engine):
    return [
        rows(engine, f"SELECT count(*) FROM {table}")[0][0]
        for table in ("workflows", "tasks", "task_dependencies", "task_inputs", "task_events")
    ]


def test_a_workflow_is_stored_with_its_edges_and_templates(engine, workflows):
    found = workflows.submit("nightly", TASKS, title="Tonight", created_by="ann")
    assert set(found.tasks) == set(TASKS)
    assert stored(engine) == [1, 7, 3 + 3 + 4, 4, 8]
    extract, pages = engine.task(found.tasks["extract"]), [engine.task(one) for one in found.tasks["pages"]]
    assert (extract.state, extract.workflow_id, extract.workflow_key) == ("pending", found.id, "extract")
    assert [(one.state, one.waiting_on, one.workflow_key) for one in pages] == [
        ("blocked", 2, f"pages/{at}") for at in range(3)
    ]
    assert engine.task(found.tasks["sum"]).waiting_on == 4
    later, alone = engine.task(found.tasks["later"]), engine.task(found.tasks["alone"])
    assert (later.state, later.waiting_on, alone.state) == ("blocked", 4, "scheduled")
    assert later.run_at is not None
    assert {one.created_by for one in (extract, *pages)} == {"ann"}
    assert engine.events(extract.id) == ["submitted"]
    [[kind, name, title, count]] = rows(engine, "SELECT kind, name, title, tasks FROM workflows")
    assert (kind, name, title, count) == ("workflow", "nightly", "Tonight", 7)


def test_a_group_has_its_ids_in_order(engine, workflows):
    found = workflows.submit_group("pages", [task("test.extract", {"count": n}) for n in range(5)])
    assert [engine.task(one).input for one in found.tasks["tasks"]] == [{"count": n} for n in range(5)]
    with pytest.raises(SubmissionError) as caught:
        workflows.submit_group("pages", [task("test.extract"), task("nope")])
    assert [one.field for one in caught.value.parts] == ["tasks.0.input.count", "tasks.1.type"]
    with pytest.raises(SubmissionError, match=r"tasks: .* a list of tasks"):
        workflows.submit_group("pages", {"a": 1})


def test_a_group_may_be_empty(engine, workflows):
    tasks = {
        "pages": [],
        "sum": task("test.add_up", {"parts": ref_all("pages")}),
        "after": task("test.extract", {"count": 1}, after=["pages", "sum"]),
    }
    found = workflows.submit("nightly", tasks)
    assert found.tasks["pages"] == []
    summed, after = engine.task(found.tasks["sum"]), engine.task(found.tasks["after"])
    assert (summed.state, summed.input["parts"], after.waiting_on) == ("pending", [], 1)


def test_the_same_call_is_the_same_workflow(engine, workflows):
    first = workflows.submit("nightly", TASKS, idempotency_key="k")
    assert workflows.submit("nightly", dict(reversed(TASKS.items())), idempotency_key="k") == first
    before = stored(engine)
    for name, tasks in (("other", TASKS), ("nightly", {"alone": TASKS["alone"]})):
        with pytest.raises(IdempotencyConflict, match=f"workflow {first.id} already uses it"):
            workflows.submit(name, tasks, idempotency_key="k")
    assert stored(engine) == before
    del engine.registry.types["test.add_up"]  # of a later release, which would refuse the call
    assert workflows.submit("nightly", TASKS, idempotency_key="k") == first


def test_draining_queues_and_limits_hold_for_all_of_it(engine, workflows):
    rows(engine, "INSERT INTO holds (kind, name, mode, actor) VALUES ('queue', 'nightly', 'draining', 'ann')")
    tasks = {"a": [task("test.extract", {"count": 1}, queue=queue) for queue in ("default", "nightly", "nightly")]}
    with pytest.raises(SubmissionError) as caught:
        workflows.submit("w", tasks)
    assert [one.field for one in caught.value.parts] == ["tasks.a.1.queue", "tasks.a.2.queue"]
    assert stored(engine)[:2] == [0, 0]


@pytest.mark.slow
def test_ten_thousand_tasks_are_one_call(engine, workflows):
    tasks = {
        "extract": task("test.extract", {"count": 3}),
        "pages": [task("test.page", {"row": ref("extract", "rows", at)}) for at in range(9_998)],
        "sum": task("test.add_up", {"parts": ref_all("pages")}),
    }
    workflows.submit("large", tasks, idempotency_key="k")
    assert stored(engine) == [1, 10_000, 9_998 * 2, 9_999, 10_001]
