"""What has to do with a task, from rows as the engine leaves them."""

from __future__ import annotations

from taskyard.core.postgres.store import related_tasks
from taskyard.worker.attempts.context import TaskContext
from tests.engine import Engine, Payload


def test_children_are_what_the_handler_submitted(engine: Engine) -> None:
    def parent(given: Payload, context: TaskContext) -> Payload:
        return Payload(children=[context.submit("demo.echo", {"n": number}) for number in range(3)])

    engine.define("demo.parent", parent)
    engine.worker()
    engine.agent()
    one, other = engine.submit("demo.parent"), engine.submit("demo.parent")
    engine.wait_for_all([one, other])
    with engine.database.transaction() as tx:
        found = related_tasks.submitted_by(tx, one)
        assert [child.id for child in found] == engine.task(one).output["children"]
        assert {child.type for child in found} == {"demo.echo"}
        assert len(related_tasks.submitted_by(tx, one, limit=2)) == 2
        assert related_tasks.submitted_by(tx, found[0].id) == []


def test_dependants_are_what_waits(engine: Engine) -> None:
    parent = engine.submit("demo.gate")
    child = engine.submit("demo.echo", after=[parent], title="later")
    grandchild = engine.submit("demo.echo", after=[child])
    with engine.database.transaction() as tx:
        edge = ("completed", "waits", None)
        assert related_tasks.after_it(tx, parent) == [(child, "demo.echo", "later", "blocked", *edge)]
        assert related_tasks.before_it(tx, child) == [(parent, "demo.gate", None, "pending", *edge)]
        assert [task.id for task in related_tasks.after_it(tx, child)] == [grandchild]
        assert related_tasks.after_it(tx, grandchild) == []


def test_similar_failures_are_the_newest_of_the_group(engine: Engine) -> None:
    ids = engine.submitter.submit_many([{"type": "demo.echo"}] * 4)
    fail = (
        "UPDATE tasks SET state = 'failed', finished_at = now(), assigned_agent_id = 'coder-1:b', "
        "error = jsonb_build_object('fingerprint', %(fingerprint)s::text) WHERE id = ANY(%(ids)s::uuid[])"
    )
    with engine.database.transaction() as tx:
        tx.rows(fail, {"ids": ids[:3], "fingerprint": "f1"})
        tx.rows(fail, {"ids": ids[3:], "fingerprint": "f2"})
        found = related_tasks.similar_failures(tx, "f1", besides=ids[1])
        assert [(task.id, task.agent_id) for task in found] == [(ids[2], "coder-1:b"), (ids[0], "coder-1:b")]
        assert [task.id for task in related_tasks.similar_failures(tx, "f1", limit=1)] == [ids[2]]
        assert related_tasks.similar_failures(tx, "f3") == []
