"""The Workflows page: which there are, how each goes on, and what can be done about it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import plotly.graph_objects as go
import pytest
from streamlit.testing.v1 import AppTest

from taskyard.core.access.identity import Actor
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import tasks, workflows
from taskyard.core.submission.submit import Submitter
from taskyard.core.views.workflows import workflow_of
from taskyard.core.workflows.checked import Submitted
from taskyard.core.workflows.making import task
from taskyard.dashboard.components import device
from taskyard.dashboard.components.task_facts import shortened_id
from taskyard.dashboard.navigation import PANEL, TASK, WORKFLOWS
from taskyard.dashboard.pages.workflows import data
from taskyard.dashboard.shell.jump import places_for
from tests.dashboard.conftest import HOSTILE, OpenPage, SignIn, refreshed
from tests.dashboard.dialogs import answered
from tests.dashboard.seen import audited, rendered, table, texts, words
from tests.made_workflows import end, ids_of, move, submit

NO_WORKFLOW = "0199c0de-0000-7000-8000-000000000000"
# The longest message of a refresh: what a graph takes at most is 300 shapes and 600 lines.
MAX_FIGURE_BYTES = 200_000


@pytest.fixture
def running(submitter: Submitter, database: Database) -> Submitted:
    """Of twenty pages some are done, one failed, some run."""
    made = submit(submitter, 20, title="Report of the week")
    pages = ids_of(made, "pages")
    move(
        database,
        made,
        {
            "completed": [*ids_of(made, "extract"), *pages[:10]],
            "failed": pages[10:11],
            "in_progress": pages[11:13],
            "pending": pages[13:],
            "cancelled": ids_of(made, "total", "publish", "alarm"),
        },
    )
    return made


def figure(page: AppTest, key: str) -> dict[str, Any]:
    """The content of a chart."""
    [chart] = [one for one in page.get("plotly_chart") if key in one.proto.id]
    found: dict[str, Any] = json.loads(chart.proto.spec)
    go.Figure(found)  # plotly accepts it
    return found


def shapes(page: AppTest) -> dict[str, list[str]]:
    """What is told of each shape of the graph, and what a click on it opens, by its text."""
    [trace] = [one for one in figure(page, "workflow_figure")["data"] if "text" in one]
    return dict(zip(trace["text"], trace["customdata"], strict=True))


def shown(page: AppTest) -> list[str]:
    """The names of the listed workflows."""
    found = [element.value for element in page.dataframe if "Progress" in element.value.columns]
    return list(found[0]["Name"]) if found else []


def asked(page: AppTest, database: Database, action: str, workflow_id: str) -> Callable[[], None]:
    """Opens a dialog as its button does."""

    def ask() -> None:
        with database.transaction() as tx:
            known = workflow_of(tx, Actor("root", "admin", "test"), workflow_id)
        page.session_state["workflow_asked"] = (action, known)

    return ask


def test_a_row_says_how_far_a_workflow_is(open_page: OpenPage, running: Submitted) -> None:
    page = open_page("workflows")

    assert not page.exception
    [row] = table(page, "Progress").to_dict("records")
    assert (row["State"], row["Name"], row["Title"], row["By"]) == (["stuck"], "report", "Report of the week", "ann")
    assert row["Progress"] == round(12 / 24, 2)  # what was cancelled is not done
    assert row["Counts"] == "1 failed; 2 in progress; 7 pending; 3 cancelled; 11 completed"
    assert words(page, "Tasks") == ["24"]
    assert row["Id"] == shortened_id(running.id)


def test_they_are_found_by_state_name_and_text(
    open_page: OpenPage, submitter: Submitter, database: Database, running: Submitted
) -> None:
    done = submit(submitter, 1, name="weekly", title="Last week")
    move(database, done, {"completed": ids_of(done, *done.tasks)})
    end(database, done, "completed")
    submit(submitter, 1, name="nightly")

    assert shown(open_page("workflows")) == ["nightly", "weekly", "report"]
    for query, names in (
        ({"show": "running"}, ["nightly"]),
        ({"show": "stuck,completed"}, ["weekly", "report"]),
        ({"text": "LAST"}, ["weekly"]),
        ({"text": running.id[-8:]}, ["report"]),
        ({"name": "nightly"}, ["nightly"]),
        ({"before": done.id}, ["report"]),
    ):
        assert shown(open_page("workflows", query=query)) == names, query
    page = open_page("workflows", query={"name": "nightly", "text": "nobody"})
    assert "No workflow matches." in rendered(page)
    page.button(key="workflow_name").click().run()
    assert "name" not in page.query_params


def test_without_any_the_page_says_how_to_submit_one(open_page: OpenPage) -> None:
    page = open_page("workflows")
    assert not page.exception
    assert page.subheader[0].value == "There are no workflows yet"
    assert "submit_workflow(" in texts(page)


def test_pages_of_many(open_page: OpenPage, submitter: Submitter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskyard.dashboard.pages.workflows.data.PAGE_SIZE", 2)
    for at in range(5):
        submit(submitter, 1, name=f"w{at}")
    page = open_page("workflows")
    assert shown(page) == ["w4", "w3"]
    page.button(key="workflows_chevron_right").click().run()
    assert shown(page) == ["w2", "w1"]
    page.button(key="workflows_chevron_right").click().run()
    assert shown(page) == ["w0"]
    assert page.button(key="workflows_chevron_right").disabled
    page.button(key="workflows_first_page").click().run()
    assert shown(page) == ["w4", "w3"]


def test_the_graph_has_a_shape_for_each_task_or_stack(open_page: OpenPage, running: Submitted) -> None:
    page = open_page("workflows", query={"workflow": running.id})

    assert not page.exception
    assert page.title[0].value == "Report of the week"
    assert "12 of 24 tasks ran" in texts(page)
    found = shapes(page)
    assert list(found) == [
        "<b>extract</b><br>completed · 40 s",
        "<b>pages</b><br>10 of 20 · 1 failed",
        "<b>total</b><br>cancelled",
        "<b>publish</b><br>cancelled",
        "<b>alarm</b><br>cancelled",
    ]
    [(told, kind, id_)] = [parts for text, parts in found.items() if "pages" in text]
    assert (kind, id_) == ("stack", ids_of(running, "pages")[0])
    assert "failed 1; in progress 2; pending 7; completed 10" in told
    assert found["<b>extract</b><br>completed · 40 s"][1:] == ["task", running.tasks["extract"]]
    assert figure(page, "workflow_figure")["layout"]["meta"]["graph"] == list(PANEL)
    assert "24 tasks in 5 shapes" in rendered(page)
    assert "Estimated end: " in texts(page)


def test_what_is_searched_for_stands_out(open_page: OpenPage, running: Submitted) -> None:
    page = open_page("workflows", query={"workflow": running.id, "find": "pages/1"})

    assert not page.exception
    assert "11 tasks match:" in texts(page)
    traces = figure(page, "workflow_figure")["data"]
    [frames] = [one for one in traces if isinstance(one.get("marker", {}).get("color"), list)]
    assert [width == 4 for width in frames["marker"]["line"]["width"]] == [False, True, False, False, False]
    first = ids_of(running, "pages")[1]
    page.button(key=f"found_{first}").click().run()
    assert page.query_params["task"] == first


def test_the_timeline_has_a_bar_for_what_has_started(open_page: OpenPage, running: Submitted) -> None:
    page = open_page("workflows", query={"workflow": running.id, "view": "timeline"})

    assert not page.exception
    found = figure(page, "workflow_gantt")
    assert found["layout"]["yaxis"]["ticktext"] == ["extract", "pages"]
    assert sorted(trace["name"] for trace in found["data"]) == ["completed", "failed"]
    assert "3 have not started yet." in rendered(page)


def test_a_stack_opens_a_page_of_its_tasks(open_page: OpenPage, running: Submitted) -> None:
    pages = ids_of(running, "pages")
    page = open_page("workflows", query={"workflow": running.id, "view": "tasks", "stack": pages[0]})

    assert not page.exception
    rows = table(page, "Key")
    assert list(rows["Key"]) == [f"pages/{at}" for at in range(20)]
    assert list(rows["Task"]) == [shortened_id(id_) for id_ in pages]
    page.button(key="workflow_stack").click().run()
    assert len(table(page, "Key")) == 24

    page = open_page("workflows", query={"workflow": running.id, "view": "tasks", "state": "failed"})
    assert list(table(page, "Key")["Key"]) == ["pages/10"]
    page = open_page("workflows", query={"workflow": running.id})
    page.button(key="workflow_state_in_progress").click().run()
    assert (page.query_params["view"], page.query_params["state"]) == ("tasks", "in_progress")
    assert list(table(page, "Key")["Key"]) == ["pages/11", "pages/12"]


def test_children_of_handlers_are_counted_where_they_come_from(
    open_page: OpenPage, submitter: Submitter, database: Database, running: Submitted
) -> None:
    statement = (
        "UPDATE tasks SET workflow_id = %(workflow)s::uuid, idempotency_key = %(key)s, content_hash = 'x' "
        "WHERE id = %(id)s::uuid RETURNING 1"
    )
    for at in range(7):
        given = {"workflow": running.id, "key": f"{running.tasks['extract']}/{at}"}
        with database.transaction() as tx:
            tx.rows(statement, {"id": submitter.submit("diagnostic.noop"), **given})
    page = open_page("workflows", query={"workflow": running.id})

    assert not page.exception
    told = shapes(page)["<b>extract</b><br>completed · 40 s · +7"]
    assert "7 tasks submitted by it" in told[0]
    page = open_page("workflows", query={"workflow": running.id, "view": "tasks"})
    assert table(page, "Key")["Children"].iloc[0] == 7


def test_workflows_that_handlers_submitted_are_marked_and_lead_there(
    open_page: OpenPage, submitter: Submitter, database: Database, running: Submitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = [submit(submitter, 2, name=name) for name in ("inner", "other")]
    statement = "UPDATE workflows SET parent_task_id = %(task)s::uuid WHERE id = %(id)s::uuid RETURNING 1"
    with database.transaction() as tx:
        for one in inner:
            tx.rows(statement, {"id": one.id, "task": running.tasks["extract"]})
    page = open_page("workflows", query={"workflow": running.id})
    assert not page.exception
    told = shapes(page)["<b>extract</b><br>completed · 40 s · 2 workflows"]
    assert "2 workflows submitted by it" in told[0]
    page = open_page("workflows", query={"workflow": running.id, "view": "tasks"})
    label = f"{shortened_id(inner[0].id)} +1"
    assert list(table(page, "Key")["Workflows"].fillna(""))[:2] == [label, ""]
    monkeypatch.setattr(device, "is_narrow", lambda: True)
    page = open_page("workflows", query={"workflow": running.id, "state": "completed", "view": "tasks"})
    page.button(key=f"submitted_{inner[1].id}").click().run()
    assert not page.exception
    assert page.query_params["workflow"] == inner[1].id
    assert "state" not in page.query_params


def test_cancel_ends_all_unfinished_tasks(open_page: OpenPage, database: Database, running: Submitted) -> None:
    page = open_page("workflows", query={"workflow": running.id})
    page.button(key="workflow_cancel").click().run()
    assert "9 unfinished tasks are cancelled." in rendered(page)
    answered(page, f"workflow_cancel_{running.id}", asked(page, database, "cancel", running.id), "not needed")

    assert not page.exception
    assert "9 tasks are cancelled." in rendered(page)
    [entry] = audited(database, "workflow_cancelled")
    assert entry.detail is not None
    assert entry.detail["reason"] == "not needed"
    assert refreshed(page).button(key="workflow_cancel").disabled is False  # until the leader has stored its end


def test_retry_lists_what_runs_again(open_page: OpenPage, database: Database, running: Submitted) -> None:
    page = open_page("workflows", query={"workflow": running.id})
    page.button(key="workflow_retry").click().run()

    assert not page.exception
    assert "tasks run again:" in rendered(page)
    again = table(page, "Then")
    titles = ["Add all pages up", "diagnostic.echo", "diagnostic.noop", "diagnostic.noop"]
    assert sorted(again["Title"]) == titles
    assert sorted(again["Key"]) == ["alarm", "pages/10", "publish", "total"]
    answered(page, f"workflow_retry_{running.id}", asked(page, database, "retry", running.id))
    assert not page.exception
    [entry] = audited(database, "workflow_retried")
    with database.transaction() as tx:
        # its input is made once more
        assert tasks.find_task(tx, ids_of(running, "pages")[10]).state == "blocked"  # type: ignore[union-attr]
        assert workflows.get(tx, running.id).ended_at is None
    assert entry.actor.startswith("dashboard@")


def test_who_may_not_act_is_told_so_and_sees_only_their_own(
    open_page: OpenPage, submitter: Submitter, running: Submitted, sign_in: SignIn
) -> None:
    sign_in("viewer")
    page = open_page("workflows", query={"workflow": running.id})
    assert page.button(key="workflow_retry").disabled
    assert page.button(key="workflow_cancel").disabled

    sign_in("operator", types=("diagnostic.noop",))
    page = open_page("workflows", query={"workflow": running.id})
    assert not page.exception
    assert sorted(shapes(page)) == ["<b>alarm</b><br>cancelled", "<b>publish</b><br>cancelled"]
    page.button(key="workflow_retry").click().run()
    assert any("diagnostic.echo" in error.value.replace("\\", "") for error in page.error)

    sign_in("viewer", queues=("elsewhere",))
    assert shown(open_page("workflows")) == []
    page = open_page("workflows", query={"workflow": running.id})
    assert "There is no workflow with the id" in rendered(page)
    assert "Report of the week" not in texts(page)
    assert places_for(running.id) == ()


@pytest.mark.parametrize("given", [NO_WORKFLOW, "nothing", HOSTILE])
def test_a_workflow_that_nobody_knows(open_page: OpenPage, given: str) -> None:
    page = open_page("workflows", query={"workflow": given})
    assert not page.exception
    assert len(page.info) == 1
    assert "<script>" not in rendered(page)
    page.button(key="workflows_back").click().run()
    assert page.title[0].value == "Workflows"


def test_on_a_phone_there_is_a_list_instead_of_the_graph(
    open_page: OpenPage, running: Submitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "is_narrow", lambda: True)
    page = open_page("workflows")
    assert not page.exception
    [card] = [button for button in page.button if button.key == f"workflow_{running.id}"]
    assert "stuck" in card.label
    card.click().run()
    assert not page.exception
    assert not page.get("plotly_chart")
    cards = [button for button in page.button if (button.key or "").startswith("card_")]
    assert len(cards) == 24
    cards[0].click().run()
    assert page.query_params["task"] == running.tasks["extract"]


def test_the_box_leads_to_workflows(open_page: OpenPage, running: Submitted) -> None:
    open_page("overview")
    for text in (running.id, shortened_id(running.id), "report of the", "REPORT"):
        places = [place for place in places_for(text) if place.view is WORKFLOWS]
        assert [dict(place.parameters) for place in places] == [{"workflow": running.id}], text
    assert [place.view for place in places_for(str(running.tasks["total"]))] == [TASK]


def test_what_others_wrote_is_text_only(open_page: OpenPage, submitter: Submitter) -> None:
    made = submitter.workflows.submit(
        "odd name", {"a": task("diagnostic.noop", title=HOSTILE)}, title=HOSTILE, created_by=HOSTILE
    )
    for query in ({}, {"workflow": made.id}, {"workflow": made.id, "find": HOSTILE}):
        page = open_page("workflows", query=query)
        assert not page.exception
        assert "<script>" not in rendered(page)
        assert "**bold**" not in rendered(page)
    page = open_page("workflows", query={"workflow": made.id})
    assert "<script>" not in json.dumps(figure(page, "workflow_figure"))


def test_in_chinese(open_page: OpenPage, running: Submitted) -> None:
    page = open_page("workflows", query={"workflow": running.id}, locale="zh-CN")
    assert not page.exception
    assert "预计结束" in texts(page)
    assert "受阻" in rendered(page)


def test_thousands_of_tasks_are_a_small_message(open_page: OpenPage, submitter: Submitter) -> None:
    made = submit(submitter, 5_000)
    page = open_page("workflows", query={"workflow": made.id})
    assert not page.exception
    assert len(shapes(page)) == 5
    [chart] = page.get("plotly_chart")
    assert len(chart.proto.spec) < 10_000

    after = [[f"step-{max(0, at - 1 - at % 7)}"] if at else [] for at in range(600)]
    steps = {f"step-{at}": task("diagnostic.noop", after=after[at]) for at in range(600)}
    page = open_page("workflows", query={"workflow": submitter.workflows.submit("wild", steps).id})
    assert not page.exception
    [chart] = page.get("plotly_chart")
    assert len(chart.proto.spec) < MAX_FIGURE_BYTES


def test_a_task_leads_up_and_says_what_its_input_is_made_of(
    open_page: OpenPage, database: Database, running: Submitted
) -> None:
    pages = ids_of(running, "pages")
    page = open_page("task", query={"id": pages[13]})
    assert not page.exception
    link = page.get("page_link")[0].proto
    assert (link.label, link.query_string) == (r"pages\/13", f"workflow={running.id}")
    assert "input.value ← ref(extract/value)" in texts(page)
    assert "The outputs are put in once all of these have completed." in rendered(page)
    page.button(key="source_input.value").click().run()
    assert page.query_params["id"] == running.tasks["extract"]

    with database.transaction() as tx:
        tx.rows("UPDATE task_inputs SET resolved_at = now() WHERE task_id = %(id)s::uuid RETURNING 1", {"id": pages[0]})
        tx.rows("UPDATE tasks SET input = '{\"value\": 7}' WHERE id = %(id)s::uuid RETURNING 1", {"id": pages[0]})
    page = open_page("task", query={"id": pages[0]})
    assert [json.loads(element.value) for element in page.get("json")] == [{"value": 7}]
    page = open_page("task", query={"id": pages[0], "made": "template"})
    [element] = page.get("json")
    assert json.loads(element.value) == {"value": {"$ref": "extract", "at": "/value"}}

    page = open_page("task", query={"id": str(running.tasks["total"])})
    assert "input.value ← ref_all(pages)" in texts(page)


@pytest.mark.parametrize("reading", [data.now, data.drawn])
def test_counts_and_tasks_of_a_reading_are_of_one_moment(
    running: Submitted, database: Database, monkeypatch: pytest.MonkeyPatch, reading: Any
) -> None:
    """Tasks move between the statements of a reading: the counts in the head are those of the tasks in the graph."""

    def then_move(*given: Any) -> Any:
        found = workflow_of(*given)
        move(database, running, {"completed": ids_of(running, "pages")[13:]})
        return found

    monkeypatch.setattr(data, "workflow_of", then_move)
    monkeypatch.setattr("taskyard.core.views.workflows.workflow_of", then_move)
    monkeypatch.setattr(data, "drawing_of", lambda nodes, edges: Counter(node.state.value for node in nodes))
    servers = SimpleNamespace(database=database)
    found = reading.__wrapped__(servers, Actor("root", "admin", frozenset()), running.id)
    if reading is data.now:
        drawn = Counter(node.state.value for node in found.nodes.values())
        assert drawn == found.workflow.counts
    else:
        drawn = found.drawing
    assert drawn["pending"] == 7
