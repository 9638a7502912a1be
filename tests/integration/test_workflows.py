"""A workflow has a state, counts and progress; its end is stored by the leader; it is cancelled as one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from taskyard.core.access.identity import Actor
from taskyard.core.errors import IllegalTransition, SubmissionError, WorkflowNotFound
from taskyard.core.postgres.database import DriverTransaction
from taskyard.core.postgres.store import workflows
from taskyard.core.postgres.store.recovery import NIL
from taskyard.core.postgres.store.workflows import WorkflowFilter
from taskyard.core.submission.workflow_commands import WorkflowCommands
from taskyard.core.views.workflows import graph_of, page_of, workflow_of
from taskyard.core.workflows.making import ref, ref_all, task
from taskyard.core.workflows.states import WorkflowState
from tests.engine import running_engine
from tests.servers import wait_until
from tests.workflow_types import Gates, workflow_registry

ROOT = Actor("root", "admin", "test")


@pytest.fixture
def gates():
    return Gates()


@pytest.fixture
def engine(settings, gates):
    with running_engine(settings, workflow_registry(gates)) as engine:
        yield engine


def seen(engine, workflow_id, actor=ROOT):
    with engine.database.transaction() as tx:
        return workflow_of(tx, actor, workflow_id)


def ended(engine, workflow_id):
    return wait_until(lambda: (one := seen(engine, workflow_id)).ended_at and one)


def maybe(name, **options):
    return task("test.maybe", {"name": name}, **options)


def test_the_end_is_stored_with_its_counts(engine):
    tasks = {"a": maybe("a"), "b": [maybe("b", after=["a"]) for _ in range(3)]}
    found = engine.submitter.workflows.submit("nightly", tasks, title="Tonight", created_by="ann")
    before = seen(engine, found.id)
    assert (before.state, before.tasks, before.progress) == (WorkflowState.RUNNING, 4, 0.0)
    assert before.counts == {"pending": 1, "blocked": 3}
    engine.worker()
    engine.agent()
    over = ended(engine, found.id)
    assert (over.state, over.counts, over.progress) == (WorkflowState.COMPLETED, {"completed": 4}, 1.0)
    assert (over.name, over.title, over.created_by) == ("nightly", "Tonight", "ann")
    assert over.ended_at == max(engine.task(id_).finished_at for id_ in [found.tasks["a"], *found.tasks["b"]])
    with engine.database.transaction() as tx:
        statement = "SELECT event, actor, detail->>'state' FROM task_events WHERE event LIKE 'workflow%%' ORDER BY at"
        events = tx.rows(statement, {})
    assert events == [("workflow_submitted", "ann", None), ("workflow_ended", "dispatcher", "completed")]


@pytest.mark.parametrize(
    ("fails", "state", "counts"),
    [
        ({"a"}, "failed", {"failed": 1, "cancelled": 1, "completed": 2}),
        (set(), "completed", {"completed": 3, "cancelled": 1}),
    ],
)
def test_what_is_not_needed_is_no_failure(engine, gates, fails, state, counts):
    gates.fails |= fails
    tasks = {"a": maybe("a"), "b": maybe("b", after=["a"]), "alarm": maybe("c", after=["a"], when="failed")}
    tasks["last"] = maybe("d", after=["a"], when="ended")
    found = engine.submitter.workflows.submit("nightly", tasks)
    engine.worker()
    engine.agent()
    over = ended(engine, found.id)
    assert (over.state, over.counts) == (state, counts)


def test_it_is_stuck_while_something_failed_and_others_run(engine, gates):
    gates.fails.add("a")
    tasks = {"a": maybe("a"), "b": maybe("b", after=["a"]), "other": maybe("c", delay_seconds=1000)}
    found = engine.submitter.workflows.submit("nightly", tasks)
    engine.worker()
    engine.agent()
    engine.wait_for(found.tasks["b"])
    stuck = seen(engine, found.id)
    assert (stuck.state, stuck.counts) == (WorkflowState.STUCK, {"failed": 1, "cancelled": 1, "scheduled": 1})
    assert stuck.progress == pytest.approx(1 / 3)  # what was cancelled is not done
    with engine.database.transaction() as tx:
        for states, ids in (([WorkflowState.STUCK], [found.id]), ([WorkflowState.RUNNING], []), (None, [found.id])):
            assert [one.id for one in page_of(tx, ROOT, WorkflowFilter(states)).workflows] == ids


def test_it_is_cancelled_as_one(engine, gates):
    gates.open.clear()
    tasks = {"a": maybe("a"), "b": [maybe("b", after=["a"]) for _ in range(700)], "c": maybe("c", delay_seconds=1000)}
    found = engine.submitter.workflows.submit("nightly", tasks)
    engine.worker()
    engine.agent()
    engine.wait_for(found.tasks["a"], "in_progress")
    commands = WorkflowCommands(engine.database, engine.submitter.commands)
    assert commands.cancel(found.id, actor="ann", reason="wrong data") == 702
    gates.open.set()
    over = ended(engine, found.id)
    assert (over.state, over.counts) == (WorkflowState.CANCELLED, {"cancelled": 702})
    with pytest.raises(IllegalTransition, match=f"workflow {found.id} is cancelled; only unfinished workflows"):
        commands.cancel(found.id, actor="ann")
    with pytest.raises(SubmissionError, match="workflow: 'x' is not accepted"):
        commands.cancel("x", actor="ann")
    with pytest.raises(WorkflowNotFound, match="does not exist"):
        commands.cancel(found.tasks["a"], actor="ann")


def rows_of(engine, statement):
    with engine.database.transaction() as tx:  # a transaction of its own sees what is so now
        return tx.rows(statement, {})


def test_one_that_ends_at_the_same_time_is_not_said_to_be_cancelled(engine):
    found = engine.submitter.workflows.submit("nightly", {"a": maybe("a")})
    commands = WorkflowCommands(engine.database, engine.submitter.commands)
    waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with ThreadPoolExecutor(1) as pool:
        with engine.database.transaction() as tx:
            tx.rows("UPDATE tasks SET state = 'completed', finished_at = now() RETURNING 1", {})
            assert workflows.end_some(tx, NIL).ended == [found.id]
            cancelling = pool.submit(commands.cancel, found.id, actor="ann")
            wait_until(lambda: rows_of(engine, waits)[0][0])
        with pytest.raises(IllegalTransition, match=f"workflow {found.id} is completed; only unfinished workflows"):
            cancelling.result()


def test_it_is_found_by_name_title_and_id(engine):
    submit = engine.submitter.workflows.submit
    ids = [submit(f"w{n % 2}", {"a": maybe("a")}, title=f"Title {n}", created_by=f"u{n}").id for n in range(5)]
    with engine.database.transaction() as tx:
        first = page_of(tx, ROOT, WorkflowFilter(), limit=2)
        assert [one.id for one in first.workflows] == [ids[4], ids[3]]
        rest = page_of(tx, ROOT, WorkflowFilter(), before=first.next, limit=5)
        assert ([one.id for one in rest.workflows], rest.next) == ([ids[2], ids[1], ids[0]], None)
        for only, expected in (
            (WorkflowFilter(name="w1"), [ids[3], ids[1]]),
            (WorkflowFilter(text="title 2"), [ids[2]]),
            (WorkflowFilter(text=ids[0][-12:]), [ids[0]]),
            (WorkflowFilter(created_by="u4"), [ids[4]]),
            (WorkflowFilter(text="100%"), []),
        ):
            assert [one.id for one in page_of(tx, ROOT, only).workflows] == expected


def test_its_graph_has_tasks_and_edges(engine):
    tasks = {
        "extract": task("test.extract", {"count": 2}),
        "pages": [task("test.page", {"row": ref("extract", "rows", at)}) for at in range(2)],
        "sum": task("test.add_up", {"parts": ref_all("pages")}),
    }
    found = engine.submitter.workflows.submit("nightly", tasks)
    engine.worker()
    engine.agent()
    ended(engine, found.id)
    with engine.database.transaction() as tx:
        graph = graph_of(tx, ROOT, found.id)
    keys = {node.id: node.key for node in graph.nodes}
    assert list(keys.values()) == ["extract", "pages/0", "pages/1", "sum"]
    drawn = {(keys[edge.parent], keys[edge.child], edge.is_open, edge.met_at is not None) for edge in graph.edges}
    pages = ("pages/0", "pages/1")
    assert drawn == {("extract", page, False, True) for page in pages} | {(page, "sum", False, True) for page in pages}


def test_the_narrowed_see_what_is_theirs(engine):
    tasks = {"a": maybe("a"), "b": maybe("b", queue="other", after=["a"])}
    found = engine.submitter.workflows.submit("nightly", tasks)
    some = Actor("ann", "viewer", "test", queues=("other",))
    assert seen(engine, found.id, some).counts == {"blocked": 1}
    with engine.database.transaction() as tx:
        graph = graph_of(tx, some, found.id)
        assert ([node.key for node in graph.nodes], graph.edges) == (["b"], [])
        nobody = Actor("bob", "viewer", "test", queues=("third",))
        assert not page_of(tx, nobody, WorkflowFilter()).workflows
        with pytest.raises(WorkflowNotFound):
            workflow_of(tx, nobody, found.id)


def test_the_end_is_not_stored_while_a_task_is_open_or_the_row_is_locked(engine):
    found = engine.submitter.workflows.submit("nightly", {"a": maybe("a")})
    with (
        engine.leader_connection() as connection,
        engine.database.transaction() as other,
        connection.cursor() as cursor,
    ):
        tx = DriverTransaction(cursor)
        assert workflows.end_some(tx, NIL) == ([], None)
        connection.commit()
        with engine.database.transaction() as third:
            third.rows("UPDATE tasks SET state = 'completed', finished_at = now()", {})
        workflows.note_retry(other, found.id, "ann", "", 0)  # which has not committed
        assert workflows.end_some(tx, NIL).ended == []
        connection.commit()
        other.cursor.connection.commit()
        assert workflows.end_some(tx, NIL).ended == [found.id]
        connection.commit()


def test_it_is_retried_as_one_in_the_order_of_its_edges(engine, gates):
    gates.fails.add("a")
    tasks = {
        "first": maybe("x"),
        "a": maybe("a", after=["first"]),
        "b": maybe("b", after=["a"]),
        "c": maybe("c", after=["b"]),
    }
    tasks["alarm"] = maybe("alarm", after=["first"], when="failed")
    found = engine.submitter.workflows.submit("nightly", tasks)
    engine.worker()
    engine.agent()
    over = ended(engine, found.id)
    assert (over.state, over.counts) == (WorkflowState.FAILED, {"completed": 1, "failed": 1, "cancelled": 3})
    gates.fails.clear()
    gates.open.clear()
    commands = WorkflowCommands(engine.database, engine.submitter.commands)
    assert commands.retry(found.id, actor="ann", reason="the disk is back") == 3
    again = seen(engine, found.id)
    assert (again.state, again.ended_at) == (WorkflowState.RUNNING, None)
    assert engine.task(found.tasks["b"]).state == "blocked"
    gates.open.set()
    over = ended(engine, found.id)
    assert (over.state, over.counts) == (WorkflowState.COMPLETED, {"completed": 4, "cancelled": 1})
    assert engine.task(found.tasks["first"]).attempt == 1
    with pytest.raises(IllegalTransition, match=r"workflow .* is completed; only failed or cancelled tasks"):
        commands.retry(found.id, actor="ann")


def test_inputs_are_made_again_by_a_retry(engine):
    tasks = {
        "echo": task("test.echo", {"value": "many"}),
        "extract": task("test.extract", {"count": ref("echo", "value")}),
        "sum": task("test.maybe", {"name": "x"}, after=["extract"]),
    }
    found = engine.submitter.workflows.submit("nightly", tasks)
    engine.worker()
    engine.agent()
    assert ended(engine, found.id).state is WorkflowState.FAILED
    with engine.database.transaction() as tx:  # as if another release of the type had returned something else
        tx.rows("""UPDATE tasks SET output = '{"value": 2}' WHERE workflow_key = 'echo'""", {})
    WorkflowCommands(engine.database, engine.submitter.commands).retry(found.id, actor="ann")
    assert ended(engine, found.id).state is WorkflowState.COMPLETED
    assert engine.task(found.tasks["extract"]).input == {"count": 2}
