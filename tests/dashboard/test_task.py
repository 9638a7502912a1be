"""The page of one task."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from taskyard.core.config import Settings
from taskyard.core.embedded.servers import Endpoints
from taskyard.core.models import Task
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import submission, tasks, tick
from taskyard.core.redis.cache import RedisCache
from taskyard.core.submission.submit import Submitter
from taskyard.core.telemetry.live_snapshot import write_live
from taskyard.dashboard import timing
from taskyard.dashboard.navigation import SUBMIT
from taskyard.dashboard.pages.task.actions import REQUESTED_KEY
from tests.dashboard.conftest import AGENT_ID, OpenPage, refreshed
from tests.dashboard.dialogs import answered
from tests.dashboard.snapshots import agent, snapshot
from tests.outages import database_away

STATES = ("running", "completed", "assigned", "failed", "pending", "stuck", "blocked", "scheduled", "cancelled")


def shown(page: AppTest) -> str:
    """Every text of the page that knows no Markdown."""
    return "\n".join(str(element.value) for kind in ("text", "code") for element in page.get(kind))


def the_task(database: Database, task_id: str) -> Task:
    with database.transaction() as tx:
        return tasks.get_task(tx, task_id)


def last_event(database: Database, task_id: str):
    with database.transaction() as tx:
        return tasks.history(tx, task_id)[-1]


@pytest.mark.parametrize("name", STATES)
def test_a_task_in_any_state_is_shown(
    open_page: OpenPage, loaded: dict[str, str], cache: RedisCache, name: str
) -> None:
    write_live(cache, snapshot())
    page = open_page("task", query={"id": loaded[name]})

    assert not page.exception
    assert not page.error
    assert loaded[name] in shown(page)
    assert len(page.get("plotly_chart")) == (1 if name in ("blocked", "cancelled") else 2)
    assert [option.content for option in page.button_group(key="address_part").proto.options] == [
        "Input",
        "Output",
        "Logs",
        "Events",
        "Related tasks",
    ]


def test_a_running_task_shows_its_progress(open_page: OpenPage, loaded: dict[str, str]) -> None:
    page = open_page("task", query={"id": loaded["running"]})

    assert "40%  reading" in shown(page)
    assert page.button(key="retry").disabled
    assert not page.button(key="cancel").disabled


def test_a_failed_task_shows_why_and_who_failed_alike(
    open_page: OpenPage, loaded: dict[str, str], submitter: Submitter, database: Database
) -> None:
    other = submitter.submit("diagnostic.echo", {"value": 1})
    error = '{"class": "permanent", "message": "no such file", "fingerprint": "00aa11bb22cc33dd"}'
    with database.transaction() as tx:
        tick.claim(tx, [other], [AGENT_ID])
        tick.settle(tx, [tick.Settlement(other, 1, "failed", "failed", error=error, detail=error)])
    page = open_page("task", query={"id": loaded["failed"]})

    assert "no such file" in shown(page)
    assert "Traceback: line 1" in shown(page)
    assert "2 tasks failed with this error" in shown(page)


def test_what_keeps_a_task_waiting_is_explained(open_page: OpenPage, loaded: dict[str, str], cache: RedisCache) -> None:
    write_live(cache, snapshot(agents=[agent("builder")]))
    page = open_page("task", query={"id": loaded["stuck"]})

    assert "no agent can take it now: builder: missing tag: gpu" in shown(page)
    assert any("Reason" in frame.value.columns for frame in page.dataframe)


def test_json_keeps_its_digits(open_page: OpenPage, loaded: dict[str, str]) -> None:
    page = open_page("task", query={"id": loaded["pending"]})

    assert json.loads(page.json[0].value) == {"value": str(2**63 + 1)}
    page.segmented_control(key="json_form_input").set_value("Text").run()
    assert str(2**63 + 1) in page.code[-1].value


def ask(page: AppTest, database: Database, action: str, task_id: str) -> Callable[[], None]:
    """What opens the dialog of an action."""

    def open_() -> None:
        page.session_state[REQUESTED_KEY] = (action, the_task(database, task_id))

    return open_


def test_a_failed_task_is_retried_with_a_reason(
    open_page: OpenPage, loaded: dict[str, str], database: Database
) -> None:
    failed = loaded["failed"]
    page = open_page("task", query={"id": failed})
    page.button(key="retry").click().run()
    assert page.button(key=f"ask_send_retry_{failed}")  # the dialog is open

    answered(page, f"retry_{failed}", ask(page, database, "retry", failed), "the file is there now")

    assert not page.exception
    assert the_task(database, failed).state == "pending"
    event = last_event(database, failed)
    assert (event.event, event.detail) == ("retried", {"reason": "the file is there now"})
    assert event.actor.startswith("dashboard@")
    assert page.button(key="retry").disabled
    assert [toast.value for toast in page.toast] == ["The task is pending again."]


def test_a_retry_lists_what_runs_again_and_asks_how_far_it_goes(
    open_page: OpenPage, submitter: Submitter, database: Database
) -> None:
    parent = submitter.submit("diagnostic.noop", title="the <first>")
    child = submitter.submit("diagnostic.noop", after=[parent], title="the second")
    submitter.cancel(parent, actor="me")
    page = open_page("task", query={"id": parent})
    again = ask(page, database, "retry", parent)
    again()
    page.run()
    assert "1 task after it stays cancelled" in page.warning[0].value
    page.segmented_control(key=f"retry_scope_{parent}").set_value("downstream")
    again()
    page.run()
    assert not page.exception
    table = next(frame.value for frame in page.dataframe if "Then" in frame.value)
    assert table["Title"].tolist() == ["the <first>", "the second"]
    assert [*table["Then"]] == [["pending"], ["blocked"]]
    again()
    page.button(key=f"ask_send_retry_{parent}").click().run()
    assert [the_task(database, id_).state for id_ in (parent, child)] == ["pending", "blocked"]
    assert [toast.value for toast in page.toast] == ["2 tasks run again."]


def test_a_task_that_can_never_start_says_why_and_what_frees_it(open_page: OpenPage, submitter: Submitter) -> None:
    parent = submitter.submit("diagnostic.noop")
    child = submitter.submit("diagnostic.noop", after=[parent])
    submitter.cancel(parent, actor="me")
    page = open_page("task", query={"id": child, "part": "related"})
    assert any("Why can't it start?" in element.value for element in page.markdown)
    assert any(f"taskyard retry {parent} --scope downstream" in element.value for element in page.text)
    assert any("can't be met" in element.value for element in page.markdown)
    page = open_page("task", query={"id": parent, "part": "related"})
    assert not any("Why " in element.value for element in page.markdown)


def test_edges_that_are_waited_for_and_met_are_told_apart(
    open_page: OpenPage, submitter: Submitter, database: Database, loaded: dict[str, str]
) -> None:
    child = submitter.submit("diagnostic.noop", after=[loaded["completed"], loaded["pending"]], when="ended")
    page = open_page("task", query={"id": child, "part": "related"})
    assert not page.exception
    badges = [element.value for element in page.markdown if "badge[" in element.value]
    assert any("met" in badge and "green" in badge for badge in badges)
    assert any("waits" in badge and "orange" in badge for badge in badges)
    assert any("once ended" in caption.value for caption in page.caption)


def test_an_open_task_is_cancelled(open_page: OpenPage, loaded: dict[str, str], database: Database) -> None:
    pending = loaded["pending"]
    page = open_page("task", query={"id": pending})
    page.button(key="cancel").click().run()

    answered(page, f"cancel_{pending}", ask(page, database, "cancel", pending))

    assert the_task(database, pending).state == "cancelled"
    assert the_task(database, loaded["blocked"]).state == "cancelled"
    assert last_event(database, pending).event == "cancelled"


def test_a_late_result_does_not_change_who_cancelled_a_task(
    open_page: OpenPage, submitter: Submitter, loaded: dict[str, str], database: Database
) -> None:
    running = loaded["running"]
    submitter.cancel(running, actor="ann", reason="wrong page")
    with database.transaction() as tx:
        tick.note_stale(tx, [tick.Stale(running, 1, AGENT_ID, "completed")])
    assert last_event(database, running).event == "stale_result"

    page = open_page("task", query={"id": running})

    [told] = [element.value for element in page.markdown if "Cancelled by" in element.value]
    assert "Cancelled by ann," in told


def test_the_priority_of_a_waiting_task_is_changed(
    open_page: OpenPage, loaded: dict[str, str], database: Database
) -> None:
    stuck = loaded["stuck"]
    page = open_page("task", query={"id": stuck})
    page.button(key="priority").click().run()
    again = ask(page, database, "priority", stuck)
    again()
    page.run()
    page.segmented_control(key=f"ask_priority_{stuck}").set_value("urgent")
    page.text_input(key=f"ask_reason_priority_{stuck}").set_value("a customer waits")
    again()
    page.button(key=f"ask_send_priority_{stuck}").click().run()

    assert the_task(database, stuck).priority.label == "urgent"
    event = last_event(database, stuck)
    assert event.event == "reprioritised"
    assert (event.detail or {})["reason"] == "a customer waits"


def test_what_its_state_no_longer_allows_is_refused_clearly(
    open_page: OpenPage, loaded: dict[str, str], submitter: Submitter, database: Database
) -> None:
    pending = loaded["pending"]
    page = open_page("task", query={"id": pending})
    page.button(key="cancel").click().run()
    submitter.cancel(pending, actor="somebody else")

    answered(page, f"cancel_{pending}", ask(page, database, "cancel", pending), "too late")

    assert not page.exception
    assert "is cancelled; only unfinished tasks can be cancelled" in page.error[0].value.replace("\\", "")
    assert page.text_input(key=f"ask_reason_cancel_{pending}").value == "too late"


def test_a_copy_is_made_on_the_page_submit(
    open_page: OpenPage, loaded: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_page("task", query={"id": loaded["completed"]})
    went: list[tuple[object, object]] = []
    monkeypatch.setattr("streamlit.switch_page", lambda path, query_params: went.append((path, query_params)))

    page.button(key="duplicate").click().run()

    assert not page.exception
    assert went == [(SUBMIT.path, {"copy": loaded["completed"]})]


def test_related_tasks_are_linked(
    open_page: OpenPage, loaded: dict[str, str], submitter: Submitter, database: Database
) -> None:
    page = open_page("task", query={"id": loaded["pending"], "part": "related"})
    assert any("**Starting after it** (1)" in element.value for element in page.markdown)

    page = open_page("task", query={"id": loaded["blocked"], "part": "related"})
    assert any("**Starts after** (1)" in element.value for element in page.markdown)


def test_children_of_a_task_are_linked(
    open_page: OpenPage, loaded: dict[str, str], submitter: Submitter, database: Database
) -> None:
    parent = loaded["running"]
    child = submitter.check("diagnostic.noop", None, {"idempotency_key": f"{parent}/1", "parent_id": parent})
    with database.transaction() as tx:
        [child_id] = submission.insert(tx, [child]).ids

    page = open_page("task", query={"id": parent, "part": "related"})
    assert any("**Submitted by it** (1)" in element.value for element in page.markdown)

    page = open_page("task", query={"id": str(child_id), "part": "related"})
    assert any("**Submitted by the task** (1)" in element.value for element in page.markdown)


@pytest.mark.parametrize("query", [{}, {"id": ""}, {"id": "nonsense <b>"}, {"id": str(uuid.uuid4())}])
def test_without_a_task_there_is_a_door(open_page: OpenPage, loaded: dict[str, str], query: dict[str, str]) -> None:
    page = open_page("task", query=query)

    assert not page.exception
    assert not page.error
    assert bool(page.info) == bool(query.get("id"))
    page.text_input[0].set_value(loaded["failed"])
    page.button(key="open_task").click().run()
    assert loaded["failed"] in shown(page)


def test_a_task_that_is_removed_meanwhile_is_told(
    open_page: OpenPage, loaded: dict[str, str], database: Database
) -> None:
    page = open_page("task", query={"id": loaded["cancelled"]})
    with database.transaction() as tx:
        tx.rows("DELETE FROM tasks WHERE id = %(id)s::uuid", {"id": loaded["cancelled"]})

    refreshed(page)

    assert not page.exception
    assert "There is no task with the id" in page.info[0].value


def test_what_was_shown_of_one_task_is_neither_kept_nor_shown_for_another(
    open_page: OpenPage, loaded: dict[str, str], settings: Settings, server_endpoints: Endpoints
) -> None:
    page = open_page("task", query={"id": loaded["failed"]})
    page.query_params["id"] = loaded["completed"]
    page.run()
    assert page.session_state["last_task"][0] == loaded["completed"]
    assert loaded["failed"] not in repr(page.session_state)

    page.query_params["id"] = loaded["pending"]
    with database_away(settings.database_url, server_endpoints.database_url):
        refreshed(page)
        assert not page.exception
        assert loaded["completed"] not in shown(page)

    sections = {refresh.section for refresh in timing.refreshes()}
    assert {"task", "task_body"} <= sections
    assert not [section for section in sections if any(task_id in section for task_id in loaded.values())]
