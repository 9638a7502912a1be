"""What a handler submits as a workflow: once, whatever attempt asks, and only while it is the current one."""

from __future__ import annotations

import threading

import pytest

from taskyard.core.errors import PermanentError, TransientError
from taskyard.core.postgres.database import connect_driver
from taskyard.core.workflows.making import ref, ref_all, task
from taskyard.worker.attempts.context import TaskContext
from taskyard.worker.dispatch.child_workflows import ChildWorkflows
from tests.engine import Payload, running_engine
from tests.servers import wait_until
from tests.workflow_types import workflow_registry


@pytest.fixture
def engine(settings):
    with running_engine(settings, workflow_registry()) as engine:
        engine.worker()
        yield engine


def tasks(count=3):
    return {
        "extract": task("test.extract", {"count": count}),
        "pages": [task("test.page", {"row": ref("extract", "rows", at)}) for at in range(count)],
        "sum": task("test.add_up", {"parts": ref_all("pages")}),
    }


def run(engine, handler):
    engine.define("demo.parent", handler)
    engine.agent(max_concurrency=2)
    return engine.wait_for(engine.submit("demo.parent", max_attempts=3))


def rows(engine, statement):
    with engine.database.transaction() as tx:
        return tx.rows(statement, {})


def test_a_workflow_of_a_handler_runs_and_is_its_own(engine):
    def parent(given: Payload, context: TaskContext) -> Payload:
        found = context.submit_workflow("inner", tasks(), title="Inner")
        group = context.submit_group("group", [task("test.maybe", {"name": "x"})] * 2)
        return Payload(id=found.id, sum=found.tasks["sum"], group=group.tasks["tasks"])

    done = run(engine, parent)
    assert done.state == "completed", done.error
    assert engine.wait_for(done.output["sum"]).output == {"total": 3}
    assert len(set(done.output["group"])) == 2
    [inner, group] = rows(engine, "SELECT id, name, kind, parent_task_id, created_by FROM workflows ORDER BY id")
    assert inner == (done.output["id"], "inner", "workflow", done.id, f"task:{done.id}")
    assert group[1:4] == ("group", "group", done.id)
    member = engine.task(done.output["sum"])
    assert (member.workflow_id, member.created_by) == (done.output["id"], f"task:{done.id}")
    assert member.creator_agent_id.startswith("agent-1:")


@pytest.mark.parametrize("key", [None, "mine"])
def test_another_attempt_gets_the_same_workflow_and_continues_behind_its_checkpoint(engine, key):
    seen = []

    def parent(given: Payload, context: TaskContext) -> Payload:
        if context.last_checkpoint is None:
            seen.append(context.submit_workflow("inner", tasks(), key=key).id)
            if context.attempt == 1:
                raise TransientError("again")
            context.checkpoint({"step": 1})
            raise TransientError("once more")
        later = key and f"{key}-2"
        seen.append(context.submit_workflow("inner", tasks(), key=later).id)
        return Payload()

    assert run(engine, parent).state == "completed"
    assert seen[0] == seen[1] != seen[2]
    assert rows(engine, "SELECT count(*) FROM workflows") == [(2,)]


def test_a_key_with_other_content_is_a_conflict(engine):
    def parent(given: Payload, context: TaskContext) -> Payload:
        first = context.submit_workflow("inner", tasks(2), key="mine")
        with pytest.raises(PermanentError, match=f"workflow {first.id} already uses it"):
            context.submit_workflow("inner", tasks(3), key="mine")
        return Payload()

    assert run(engine, parent).state == "completed"


def test_what_is_refused_is_refused_with_all_problems(engine):
    def parent(given: Payload, context: TaskContext) -> Payload:
        with pytest.raises(PermanentError) as caught:
            context.submit_workflow(
                "", {"a": task("nope"), "b": task("test.page", {"row": ref("a", "x")}, after=["c"])}
            )
        assert str(caught.value).split("; ")[0].startswith("name: ''")
        assert "tasks.a.type: 'nope'" in str(caught.value)
        assert "tasks.b.after.0: 'c'" in str(caught.value)
        with pytest.raises(PermanentError, match="at most 10,000 tasks"):
            context.submit_group("large", [task("test.maybe", {"name": "x"})] * 10_001)
        with pytest.raises(PermanentError, match="tasks"):
            context.submit_workflow("inner", 3)
        with pytest.raises(PermanentError, match=r"tasks\.a\.input"):
            context.submit_workflow("inner", {"a": task("test.maybe", {"name": {1, 2}})})
        return Payload()

    done = run(engine, parent)
    assert done.state == "completed", done.error
    assert rows(engine, "SELECT count(*) FROM workflows") == [(0,)]


def test_ten_thousand_tasks_keep_no_tick_waiting(engine):
    def parent(given: Payload, context: TaskContext) -> Payload:
        plain = {
            "many": [task("test.maybe", {"name": "x"}, delay_seconds=3600)] * 9_999,
            "last": task("test.maybe", {"name": "y"}),
        }
        return Payload(id=context.submit_workflow("large", plain).id)

    done = run(engine, parent)
    assert done.state == "completed", done.error
    assert rows(engine, "SELECT count(*) FROM tasks WHERE workflow_key IS NOT NULL") == [(10_000,)]


def test_a_takeover_answers_what_was_asked(engine, monkeypatch):
    """The request stays in the results stream until it is answered: the next leader finds it."""
    stored = threading.Event()
    take = ChildWorkflows.take

    def taken(self, batch):
        if stored.is_set():
            return take(self, batch)
        if self._answered:
            stored.set()
            engine.kill_leader_connection()
        return []

    monkeypatch.setattr(ChildWorkflows, "take", taken)

    def parent(given: Payload, context: TaskContext) -> Payload:
        return Payload(id=context.submit_workflow("inner", tasks()).id)

    done = run(engine, parent)
    assert done.state == "completed", done.error
    assert stored.is_set()
    assert rows(engine, "SELECT id FROM workflows") == [(done.output["id"],)]


def test_a_locked_parent_is_waited_for(engine):
    asks, waited = threading.Event(), threading.Event()

    def parent(given: Payload, context: TaskContext) -> Payload:
        asks.set()
        assert waited.wait(20)
        return Payload(id=context.submit_workflow("inner", tasks()).id)

    engine.define("demo.parent", parent)
    engine.agent(max_concurrency=2)
    task_id = engine.submit("demo.parent")
    assert asks.wait(20)
    wait_until(lambda: engine.task(task_id).state == "in_progress")
    other = connect_driver(engine.database.url)
    with other, other.cursor() as cursor:
        cursor.execute("SELECT FROM tasks WHERE id = %s FOR UPDATE", [task_id])
        waited.set()
        other_id = engine.submit("test.maybe", {"name": "x"})
        engine.wait_for(other_id, "completed")
        assert rows(engine, "SELECT count(*) FROM workflows") == [(0,)]
    other.close()
    assert engine.wait_for(task_id).state == "completed"
    assert rows(engine, "SELECT count(*) FROM workflows") == [(1,)]
