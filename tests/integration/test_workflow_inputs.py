"""Results flow: inputs are made of parents' outputs when the last parent ends."""

from __future__ import annotations

import pytest

from taskyard.core.workflows.making import ref, ref_all, task
from tests.engine import running_engine
from tests.servers import wait_until
from tests.workflow_types import Gates, workflow_registry


@pytest.fixture
def gates():
    return Gates()


@pytest.fixture
def engine(settings, gates):
    with running_engine(settings, workflow_registry(gates)) as engine:
        yield engine


def pages(count):
    return {
        "extract": task("test.extract", {"count": count, "text": 'a "quoted" \\ text'}),
        "pages": [task("test.page", {"row": ref("extract", "rows", at), "size": 2}) for at in range(count)],
        "sum": task("test.add_up", {"parts": ref_all("pages")}),
    }


def test_outputs_flow_through_a_fan_out_and_in(engine):
    found = engine.submitter.workflows.submit("nightly", pages(20))
    engine.worker()
    engine.agent()
    assert engine.wait_for(found.tasks["sum"]).output == {"total": 2 * sum(range(20))}
    seventh = engine.task(found.tasks["pages"][7])
    assert seventh.input == {"row": {"number": 7, "text": 'a "quoted" \\ text'}, "size": 2}
    assert engine.events(seventh.id)[:3] == ["submitted", "unblocked", "assigned"]
    assert [one["length"] for one in engine.task(found.tasks["sum"]).input["parts"]] == [2 * n for n in range(20)]


def test_a_part_that_is_not_there_fails_the_child_and_cancels_what_is_below(engine):
    tasks = pages(2)
    tasks["extract"] = task("test.extract", {"count": 1})
    found = engine.submitter.workflows.submit("nightly", tasks)
    engine.worker()
    engine.agent()
    failed = engine.wait_for(found.tasks["pages"][1])
    assert failed.state == "failed"
    assert failed.error["class"] == "invalid_input"
    extract = found.tasks["extract"]
    expected = f"input.row: ref(extract/rows/1): the output of task {extract} has no such part"
    assert failed.error["message"] == expected
    assert engine.wait_for(found.tasks["sum"]).state == "cancelled"
    assert engine.wait_for(found.tasks["pages"][0]).state == "completed"


def test_what_does_not_fit_names_the_reference_and_its_task(engine):
    tasks = {
        "echo": task("test.echo", {"value": "many"}),
        "extract": task("test.extract", {"count": ref("echo", "value")}),
    }
    found = engine.submitter.workflows.submit("nightly", tasks)
    engine.worker()
    engine.agent()
    failed = engine.wait_for(found.tasks["extract"])
    assert failed.error["message"] == (
        "input.count: 'many' is not accepted, expected a whole number "
        f"(input.count is ref(echo/value), of task {found.tasks['echo']})"
    )


def test_the_limit_on_inputs_holds_for_what_is_made(settings, gates):
    limited = settings.model_copy(update={"input_limit_bytes": 2_000})
    with running_engine(limited, workflow_registry(gates)) as engine:
        echoes = [task("test.echo", {"value": "x" * 600}) for _ in range(4)]
        tasks = {"echoes": echoes, "all": task("test.echo", {"value": ref_all("echoes")})}
        tasks["some"] = task(
            "test.echo", {"value": [ref("echoes/0"), ref("echoes/1", "value"), {"$literal": {"$ref": 1}}]}
        )
        found = engine.submitter.workflows.submit("nightly", tasks)
        engine.worker()
        engine.agent()
        failed = engine.wait_for(found.tasks["all"])
        assert failed.error["class"] == "invalid_input"
        assert "ref_all(echoes)" in failed.error["message"]
        assert "the limit of 2000 bytes" in failed.error["message"]
        made = engine.wait_for(found.tasks["some"])
        assert made.input == {"value": [{"value": "x" * 600}, "x" * 600, {"$ref": 1}]}


def test_what_is_due_is_found_by_the_next_leader(engine):
    found = engine.submitter.workflows.submit("nightly", pages(3))
    with engine.database.transaction() as tx:  # as a leader does that dies before it makes the inputs
        tx.rows(
            "UPDATE tasks SET state = 'completed', finished_at = now(), "
            """output = '{"rows": [{"number": 1, "text": ""}]}' WHERE workflow_key = 'extract'""",
            {},
        )
        tx.rows(
            "UPDATE task_dependencies SET is_open = false, met_at = now() "
            "WHERE parent_id = (SELECT id FROM tasks WHERE workflow_key = 'extract')",
            {},
        )
        tx.rows("UPDATE tasks SET waiting_on = waiting_on - 1 WHERE workflow_key LIKE 'pages/%%'", {})
        tx.rows(
            "UPDATE task_inputs SET is_due = true WHERE task_id IN "
            "(SELECT id FROM tasks WHERE workflow_key LIKE 'pages/%%')",
            {},
        )
    engine.worker()
    wait_until(lambda: engine.task(found.tasks["pages"][0]).state == "pending")
    assert engine.task(found.tasks["pages"][1]).state == "failed"


def test_the_time_of_a_task_is_kept(engine):
    tasks = {
        "extract": task("test.extract", {"count": 1}),
        "page": task("test.page", {"row": ref("extract", "rows", 0)}, delay_seconds=1000),
    }
    found = engine.submitter.workflows.submit("nightly", tasks)
    engine.worker()
    engine.agent()
    assert engine.wait_for(found.tasks["page"], "scheduled").input == {"row": {"number": 0, "text": "row"}}
