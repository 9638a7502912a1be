"""What a task submits while it runs: once each, whatever attempt or thread asks, and only by the current attempt."""

from __future__ import annotations

import json
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from typer.testing import CliRunner

from taskyard.core.errors import Busy, IllegalTransition, PermanentError
from taskyard.core.submission import commands
from taskyard.worker.attempts.context import TaskContext
from taskyard.worker.cli.app import app
from tests.engine import Engine, Payload
from tests.gates import Gate
from tests.servers import wait_until


def echo(given: Payload, context: TaskContext) -> Payload:
    return given


Handler = Callable[[Payload, TaskContext], Payload]


@pytest.fixture
def engine(engine: Engine) -> Engine:
    """With a worker."""
    engine.define("demo.child", echo)
    engine.worker()
    return engine


def run_parent(engine: Engine, handler: Handler, **options: object) -> str:
    engine.define("demo.parent", handler)
    engine.agent(max_concurrency=2)
    return engine.submit("demo.parent", **options)


def children_of(engine: Engine, parent: str) -> list[str]:
    with engine.database.transaction() as tx:
        rows = tx.rows(
            "SELECT id, input->>'n' FROM tasks WHERE workflow_id = %(id)s AND id <> %(id)s ORDER BY id", {"id": parent}
        )
    return [str(n) for _, n in rows]


def test_children_of_several_threads_are_the_same_in_each_attempt(engine: Engine) -> None:
    found: dict[int, set[str]] = {}

    def parent(given: Payload, context: TaskContext) -> Payload:
        order = range(12) if context.attempt == 1 else reversed(range(12))
        with ThreadPoolExecutor(6) as threads:
            ids = threads.map(lambda n: context.submit("demo.child", {"n": n % 4}), order)
            found[context.attempt] = set(ids)
        if context.attempt == 1:
            raise RuntimeError("after all of them")
        return Payload()

    task_id = run_parent(engine, parent)
    assert engine.wait_for(task_id).state == "completed"
    assert found[1] == found[2]
    assert len(found[1]) == 12
    assert Counter(children_of(engine, task_id)) == {str(n): 3 for n in range(4)}


def test_equal_children_after_a_checkpoint_are_new_ones(engine: Engine) -> None:
    def parent(given: Payload, context: TaskContext) -> Payload:
        done = context.last_checkpoint or 0
        for number in range(done, 2):
            context.submit("demo.child", {"n": 7})
            context.submit("demo.child", {"n": 7})
            context.checkpoint(number + 1)
            if context.attempt == 1:
                raise RuntimeError("once")
        return Payload()

    task_id = run_parent(engine, parent)
    assert engine.wait_for(task_id).state == "completed"
    assert children_of(engine, task_id) == ["7"] * 4


def test_children_that_are_submitted_while_a_checkpoint_is_saved_are_all_made(engine: Engine) -> None:
    asked: list[str] = []

    def parent(given: Payload, context: TaskContext) -> Payload:
        is_over = threading.Event()

        def submit() -> None:
            while not is_over.is_set():
                asked.append(context.submit("demo.child", {"n": 1}))

        with ThreadPoolExecutor(1) as threads:
            submitting = threads.submit(submit)
            for state in range(30):
                context.checkpoint(state)
            is_over.set()
            submitting.result()
        return Payload()

    task_id = run_parent(engine, parent)
    assert engine.wait_for(task_id).state == "completed"
    assert len(asked) == len(set(asked)) == len(children_of(engine, task_id))


def test_the_readmes_example_makes_one_child(engine: Engine) -> None:
    """It saves a checkpoint and then submits, whatever it resumes from."""

    def parent(given: Payload, context: TaskContext) -> Payload:
        context.checkpoint({"page": 3})
        context.submit("demo.child", {"n": "booked"})
        if context.attempt < 3:
            raise RuntimeError("once more")
        return Payload()

    task_id = run_parent(engine, parent)
    assert engine.wait_for(task_id).state == "completed"
    assert children_of(engine, task_id) == ["booked"]


def test_a_key_of_the_handlers_finds_its_child_in_any_order(engine: Engine) -> None:
    found: dict[int, dict[str, str]] = {1: {}, 2: {}}

    def parent(given: Payload, context: TaskContext) -> Payload:
        for name in ("a", "b") if context.attempt == 1 else ("b", "c", "a"):
            found[context.attempt][name] = context.submit("demo.child", {"n": name}, key=name)
        if context.attempt == 1:
            context.checkpoint(1)
            raise RuntimeError("once")
        return Payload()

    task_id = run_parent(engine, parent)
    assert engine.wait_for(task_id).state == "completed"
    assert {name: found[2][name] for name in ("a", "b")} == found[1]
    assert sorted(children_of(engine, task_id)) == ["a", "b", "c"]


def test_a_key_for_something_else_names_what_differs(engine: Engine) -> None:
    def parent(given: Payload, context: TaskContext) -> Payload:
        context.submit("demo.child", {"n": 1}, key="x")
        context.submit("demo.child", {"n": 2}, key="x")
        return Payload()

    task = engine.wait_for(run_parent(engine, parent, max_attempts=1))
    assert task.error is not None
    assert "already uses it with another input" in task.error["message"]


@pytest.mark.parametrize("key", ["", "x" * 101, "a\nb", 7])
def test_an_odd_key_is_refused(engine: Engine, key: object) -> None:
    def parent(given: Payload, context: TaskContext) -> Payload:
        context.submit("demo.child", {}, key=key)  # type: ignore[arg-type]
        return Payload()

    task_id = run_parent(engine, parent, max_attempts=1)
    task = engine.wait_for(task_id)
    assert task.error is not None
    assert "expected a printable text of 1 to 100 characters" in task.error["message"]
    assert children_of(engine, task_id) == []


def test_a_cancelled_attempt_submits_nothing(engine: Engine) -> None:
    go_on, outcome = threading.Event(), []

    def parent(given: Payload, context: TaskContext) -> Payload:
        go_on.wait(20)
        try:
            outcome.append(context.submit("demo.child", {"n": 1}))
        except PermanentError as error:
            outcome.append(str(error))
        return Payload()

    task_id = run_parent(engine, parent)
    engine.wait_for(task_id, "in_progress")
    with engine.database.transaction() as tx:  # the leader has not heard of it when the child arrives
        tx.rows("UPDATE tasks SET state = 'cancelled', finished_at = now() WHERE id = %(id)s", {"id": task_id})
    go_on.set()
    wait_until(lambda: outcome, 10)
    assert outcome == ["submit: this attempt is no longer the current one"]
    assert children_of(engine, task_id) == []


def test_a_child_waits_for_whoever_holds_its_parents_row(engine: Engine) -> None:
    go_on, outcome = threading.Event(), []

    def parent(given: Payload, context: TaskContext) -> Payload:
        go_on.wait(20)
        outcome.append(context.submit("demo.child", {"n": 1}))
        return Payload()

    task_id = run_parent(engine, parent)
    engine.wait_for(task_id, "in_progress")
    with engine.database.transaction() as tx:
        tx.rows("SELECT id FROM tasks WHERE id = %(id)s FOR UPDATE", {"id": task_id})
        go_on.set()
        other = engine.submit("demo.child", {"n": 2})  # the tick goes on meanwhile
        engine.wait_for(other, "completed")
        assert not outcome
    wait_until(lambda: outcome, 10)
    engine.wait_for(outcome[0], "completed")


def tree(engine: Engine, gate: Gate) -> tuple[str, list[str]]:
    """A parent that runs, its two children that run, and what these submitted: two that wait for an agent."""

    def parent(given: Payload, context: TaskContext) -> Payload:
        for n in range(2):
            context.submit("demo.middle", {"n": n})
        gate.open.wait(20)
        return Payload()

    def middle(given: Payload, context: TaskContext) -> Payload:
        context.submit("demo.leaf", {"n": 1})
        gate.open.wait(20)
        return Payload()

    engine.define("demo.leaf", echo)
    engine.define("demo.middle", middle)
    engine.define("demo.parent", parent)
    engine.agent("coder-1", types=("demo.parent", "demo.middle"), max_concurrency=4)
    task_id = engine.submit("demo.parent")
    wait_until(lambda: len(engine.submitter.commands.open_below(task_id)) == 4, 20)
    return task_id, engine.submitter.commands.open_below(task_id)


def test_cancel_says_what_lives_on_and_cancels_it_when_asked(engine: Engine, gate: Gate) -> None:
    task_id, below = tree(engine, gate)
    engine.submitter.cancel(task_id, actor="me")
    assert engine.submitter.commands.open_below(task_id) == below
    assert engine.submitter.commands.cancel_tree(task_id, actor="me", reason="all of it") == 4
    assert {engine.task(id_).state for id_ in (task_id, *below)} == {"cancelled"}
    assert engine.submitter.commands.open_below(task_id) == []
    with pytest.raises(IllegalTransition):
        engine.submitter.commands.cancel_tree(task_id, actor="me")


def test_workflows_of_a_handler_belong_to_its_tree(engine: Engine) -> None:
    """And what their tasks submitted, workflows too; not what others did."""
    root, member, child, inner, other = (engine.submit("demo.echo", delay_seconds=3600) for _ in range(5))
    outer_id, inner_id, other_id = (str(uuid.uuid4()) for _ in range(3))
    with engine.database.transaction() as tx:
        for id_, parent, tasks in (
            (outer_id, root, [member, child]),
            (inner_id, child, [inner]),
            (other_id, str(uuid.uuid4()), [other]),
        ):
            tx.rows(
                "INSERT INTO workflows (id, kind, name, tasks, parent_task_id)"
                " VALUES (%(id)s, 'workflow', 'w', 1, %(parent)s)",
                {"id": id_, "parent": parent},
            )
            tx.rows(
                "UPDATE tasks SET workflow_id = %(id)s WHERE id = ANY(%(tasks)s::uuid[])",
                {"id": id_, "tasks": tasks},
            )
    assert sorted(engine.submitter.commands.open_below(root)) == sorted([member, child, inner])
    assert engine.submitter.commands.cancel_tree(root, actor="me") == 3
    assert engine.task(other).state == "scheduled"


def test_a_row_that_somebody_holds_keeps_only_its_own_task_from_being_cancelled(
    engine: Engine, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "TREE_PATIENCE_SECONDS", 1.0)
    task_id, below = tree(engine, gate)
    with engine.database.transaction() as tx:
        tx.rows("SELECT id FROM tasks WHERE id = %(id)s FOR UPDATE", {"id": below[1]})
        with pytest.raises(Busy, match="1 unfinished tasks that it submitted are locked"):
            engine.submitter.commands.cancel_tree(task_id, actor="me")
        states = {id_: engine.task(id_).state for id_ in (task_id, *below)}
        assert {id_ for id_, state in states.items() if state != "cancelled"} == {below[1]}
    assert engine.submitter.commands.cancel_tree(task_id, actor="me") == 1
    assert engine.task(below[1]).state == "cancelled"


def test_a_part_of_a_tree_is_cancelled_alone(engine: Engine, gate: Gate) -> None:
    task_id, below = tree(engine, gate)
    middle = next(id_ for id_ in below if engine.task(id_).type == "demo.middle")
    assert engine.submitter.commands.cancel_tree(middle, actor="me") == 1
    assert engine.task(task_id).state in ("assigned", "in_progress")
    assert len(engine.submitter.commands.open_below(task_id)) == 2


def test_the_command_says_it_too(engine: Engine, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    task_id, below = tree(engine, gate)
    for name, value in (("DATABASE_URL", engine.settings.database_url), ("REDIS_URL", engine.settings.redis_url)):
        monkeypatch.setenv(f"TASKYARD_{name}", str(value))
    monkeypatch.setenv("TASKYARD_NAMESPACE", engine.settings.namespace)
    said = CliRunner().invoke(app, ["cancel", task_id])
    assert said.exit_code == 0, said.output
    assert "4 unfinished tasks that it or its children submitted: not cancelled (--scope tree" in said.output
    done = CliRunner().invoke(app, ["cancel", task_id, "--tree", "--json"])
    assert json.loads(done.stdout)["cancelled_below"] == {task_id: 4}
    assert {engine.task(id_).state for id_ in below} == {"cancelled"}
