"""The page Tasks: what is found, and how that is asked for."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from taskyard.core.config import Settings
from taskyard.core.embedded.servers import Endpoints
from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import saved_filters as saved_filters_store
from taskyard.core.submission.submit import Submitter
from taskyard.dashboard.components.task_facts import shortened_id
from taskyard.dashboard.pages.tasks import data, saved_filters
from taskyard.dashboard.pages.tasks.state_tabs import tab_of
from tests.dashboard.conftest import HOSTILE, OpenPage, refreshed
from tests.dashboard.dialogs import answered
from tests.dashboard.seen import audited, rendered, table, texts
from tests.outages import database_away
from tests.servers import wait_until

EVERYTHING = 9  # tasks of the fixture `loaded`


def found(page: AppTest) -> list[str]:
    """The short ids of the tasks that the page shows, in order."""
    return list(table(page, "Task")["Task"]) if page.dataframe else []


def asked(page: AppTest, name: str) -> str:
    """A parameter of the page's address."""
    value = page.query_params[name]
    return value if isinstance(value, str) else value[0]


def asks_about(page: AppTest, *asked: object) -> Callable[[], None]:
    """What opens a dialog about a saved filter."""
    return lambda: page.session_state.__setitem__(saved_filters.REQUESTED_KEY, asked)


def short(loaded: dict[str, str], *names: str) -> set[str]:
    return {shortened_id(loaded[name]) for name in names}


def test_the_newest_tasks_are_shown_first(open_page: OpenPage, loaded: dict[str, str]) -> None:
    page = open_page("tasks")

    assert not page.exception
    assert not page.error
    newest_first = sorted(loaded.values(), reverse=True)
    assert found(page) == [shortened_id(task_id) for task_id in newest_first]
    assert f"{EVERYTHING} tasks:" in texts(page)
    newest = newest_first[0]
    for text in (newest[-12:], newest[:18]):
        assert shortened_id(newest) in found(open_page("tasks", query={"text": text}))
    assert found(open_page("tasks", query={"text": newest[-12:]})) == [shortened_id(newest)]


def test_an_empty_installation_says_how_to_begin(open_page: OpenPage, submitter: Submitter) -> None:
    page = open_page("tasks")

    assert not page.exception
    assert page.container(key="empty")


def test_the_table_has_these_columns(open_page: OpenPage, loaded: dict[str, str]) -> None:
    assert list(table(open_page("tasks"), "Task").columns) == [
        "State", "Title", "Error", "Queue", "Agent", "Attempts", "Submitted at", "Ended", "Run time", "Task",
    ]  # fmt: skip
    chosen = open_page("tasks", query={"columns": "by,priority,nonsense,state"})
    assert list(table(chosen, "Task").columns) == ["State", "Priority", "Submitted by", "Task"]
    rows = table(open_page("tasks", query={"states": "failed"}), "Task").to_dict("records")
    assert [row["Error"] for row in rows] == ["permanent: no such file"]


def test_tabs_count_states_and_saved_filters(open_page: OpenPage, loaded: dict[str, str], database: Database) -> None:
    with database.transaction() as tx:
        saved_filters_store.save_filter(tx, "sleepers", TaskFilter(types=("diagnostic.sleep",)), "test")
    page = open_page("tasks", query={"types": "diagnostic.echo"})
    labels = {button.key: button.label for button in page.button}
    assert labels["tab_all"] == "All 5"
    assert labels["tab_waiting"] == "Waiting 1"
    assert labels["tab_running"] == "Running 2"
    assert labels["tab_failed"] == "Failed 1"
    [pinned] = [key for key in labels if key and key.startswith("pinned_")]
    assert labels[pinned] == "sleepers 1"

    page.button(key="tab_failed").click().run()
    assert set(found(page)) == short(loaded, "failed")
    assert asked(page, "states") == "failed"
    page.button(key="tab_all").click().run()
    assert "states" not in page.query_params
    page.button(key=pinned).click().run()
    assert set(found(page)) == short(loaded, "stuck")


@pytest.mark.parametrize("states", ["", "failed", "completed"])
def test_one_filter_has_one_figure_on_a_page(
    open_page: OpenPage, loaded: dict[str, str], monkeypatch: pytest.MonkeyPatch, states: str
) -> None:
    """Also if there was no time to count everything."""
    monkeypatch.setattr("taskyard.core.postgres.store.search_query.FIRST_WINDOW", 2)
    monkeypatch.setattr(data, "COUNT_BUDGET_SECONDS", 0.0)
    page = open_page("tasks", query={"states": states, "types": "diagnostic.echo"})
    matching = re.search(r"([\d,]+\+?) tasks? match(?:es)?:", texts(page))
    assert matching is not None
    with_states = TaskFilter(states=tuple(states.split(",")) if states else (), types=("diagnostic.echo",))
    labels = {button.key: button.label for button in page.button}
    shown = {name: labels[f"tab_{name}"].split()[-1] for name in ("all", "failed", "completed")}
    assert "+" in shown["all"]
    tab = tab_of(with_states)
    assert matching[1] == shown[tab]


def test_phones_get_cards(open_page: OpenPage, loaded: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskyard.dashboard.components.device.is_narrow", lambda: True)
    page = open_page("tasks", query={"states": "failed"})
    card = page.button(key=f"card_{loaded['failed']}")
    assert "permanent: no such file" in card.label.replace("\\", "")
    assert "<script>" not in card.label.replace("\\<", "")
    card.click().run()
    assert asked(page, "task") == loaded["failed"]
    page.button(key="filters_toggle").click().run()
    assert page.container(key="filter_bar_open")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"states": "failed,cancelled"}, ("failed", "cancelled")),
        ({"types": "diagnostic.sleep"}, ("stuck",)),
        ({"priorities": "urgent"}, ("pending",)),
        ({"agent": "builder", "states": "in_progress"}, ("running",)),
        ({"error_class": "permanent"}, ("failed",)),
        ({"fingerprint": "00aa11bb22cc33dd"}, ("failed",)),
        ({"tag": "gpu"}, ("stuck",)),
        ({"text": "the RUNNING one"}, ("running",)),
        ({"text": "<script>alert(1)</script> **bold**"}, ("failed",)),
        ({"input_path": '$.value == "completed"'}, ("completed",)),
        ({"output_path": '$.value == "done"'}, ("completed",)),
        ({"since": "1h", "states": "scheduled"}, ("scheduled",)),
        ({"ended_since": "1h", "states": "failed"}, ("failed",)),
        ({"ended_until": "1h"}, ()),
        ({"min_run_seconds": "86400"}, ()),
        ({"queues": "elsewhere"}, ()),
    ],
)
def test_an_address_opened_cold_shows_what_it_asks_for(
    open_page: OpenPage, loaded: dict[str, str], query: dict[str, str], names: tuple[str, ...]
) -> None:
    page = open_page("tasks", query=query)

    assert not page.exception
    assert not page.error
    assert set(found(page)) == short(loaded, *names)
    assert {name: asked(page, name) for name in query} == query


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"states": "nonsense"}, "states"),
        ({"priorities": "1"}, "priorities"),
        ({"error_class": "<b>"}, "error_class"),
        ({"since": "yesterday"}, "since"),
        ({"until": "2030-01-01"}, "until"),
        ({"workflow_id": "12"}, "workflow_id"),
        ({"input_path": "$.["}, "input_path"),
        ({"text": "x" * 500}, "text"),
        ({"after": "somewhere"}, "after"),
        ({"after": "f~01a20f45-9148-70e3-8a3c-40798cd8f2bd~~~~", "sort": "priority"}, "after"),
    ],
)
def test_an_address_that_makes_no_sense_is_explained(
    open_page: OpenPage, loaded: dict[str, str], query: dict[str, str], field: str
) -> None:
    page = open_page("tasks", query=query)

    assert not page.exception
    assert len(page.error) == 1
    assert page.error[0].value.replace("\\", "").startswith(f"{field}:")
    assert found(page) == []


def test_an_unknown_order_is_the_newest_first(open_page: OpenPage, loaded: dict[str, str]) -> None:
    page = open_page("tasks", query={"sort": "random"})

    assert not page.exception
    assert len(found(page)) == EVERYTHING


def test_filters_are_set_and_cleared(open_page: OpenPage, loaded: dict[str, str]) -> None:
    page = open_page("tasks")

    page.multiselect(key="address_states").set_value(["failed", "cancelled"]).run()
    page.selectbox(key="address_error_class").set_value("permanent").run()

    assert set(found(page)) == short(loaded, "failed")
    assert asked(page, "states") == "failed,cancelled"
    page.button(key="drop_error_class").click().run()
    assert set(found(page)) == short(loaded, "failed", "cancelled")
    page.button(key="clear").click().run()
    assert len(found(page)) == EVERYTHING
    assert "states" not in page.query_params
    assert page.multiselect(key="address_states").value == []


def test_nothing_that_matches_offers_to_show_all(open_page: OpenPage, loaded: dict[str, str]) -> None:
    page = open_page("tasks", query={"text": "nothing of this kind"})
    assert "No task matches." in texts(page)

    page.button(key="show_all").click().run()

    assert len(found(page)) == EVERYTHING


def test_the_order_is_kept_in_the_address(open_page: OpenPage, loaded: dict[str, str]) -> None:
    page = open_page("tasks")

    page.selectbox(key="address_sort").set_value("priority").run()

    assert found(page)[0] == shortened_id(loaded["pending"])
    assert asked(page, "sort") == "priority"


def test_pages_go_on_and_back(open_page: OpenPage, submitter: Submitter) -> None:
    ids = submitter.submit_many([{"type": "diagnostic.noop"}] * (2 * data.PAGE_SIZE + 3))
    newest_first = [shortened_id(task_id) for task_id in sorted(ids, reverse=True)]
    first, second = newest_first[: data.PAGE_SIZE], newest_first[data.PAGE_SIZE : 2 * data.PAGE_SIZE]
    page = open_page("tasks")
    assert found(page) == first

    page.button(key="page_chevron_right").click().run()
    assert found(page) == second
    submitter.submit("diagnostic.noop")
    assert found(refreshed(page)) == second

    place = asked(page, "after")
    assert found(open_page("tasks", query={"after": place})) == second

    page.button(key="page_chevron_right").click().run()
    assert len(found(page)) == 3
    assert page.button(key="page_chevron_right").disabled
    page.button(key="page_chevron_left").click().run()
    assert found(page) == second
    page.button(key="page_first_page").click().run()
    assert found(page)[1:] == first[:-1]
    assert "after" not in page.query_params


def test_a_search_that_ran_out_of_time_goes_on(
    open_page: OpenPage, loaded: dict[str, str], monkeypatch: pytest.MonkeyPatch, submitter: Submitter
) -> None:
    monkeypatch.setattr(data, "FIRST_BUDGET_SECONDS", 0.0)
    submitter.submit_many([{"type": "diagnostic.noop"}] * 2_100)
    page = open_page("tasks", query={"types": "diagnostic.sleep"})
    assert found(page) == []
    assert "No match so far. Searched back to" in rendered(page)

    wait_until(lambda: found(refreshed(page)) != [], message="it went on by itself")
    assert set(found(page)) == short(loaded, "stuck")


def test_a_task_opens_in_a_panel_and_the_list_stays(open_page: OpenPage, loaded: dict[str, str]) -> None:
    query = {"states": "failed,cancelled", "sort": "oldest"}
    page = open_page("tasks", query={**query, "task": loaded["failed"]})
    assert not page.exception
    assert set(found(page)) == short(loaded, "failed", "cancelled")
    assert page.container(key="task_panel")
    assert "no such file" in texts(page)
    assert page.button(key="retry")

    page.button(key="close_task").click().run()
    assert not page.exception
    assert "no such file" not in texts(page)
    assert {name: asked(page, name) for name in page.query_params} == query

    assert "is not a valid task ID" in rendered(open_page("tasks", query={"task": "<b>"}))
    nobody = "0199c0de-0000-7000-8000-000000000000"
    assert "There is no task with the id" in rendered(open_page("tasks", query={"task": nobody}))


def test_hostile_texts_change_nothing(open_page: OpenPage, loaded: dict[str, str], submitter: Submitter) -> None:
    submitter.submit("diagnostic.noop", title="=1+1")
    page = open_page("tasks", query={"created_by": HOSTILE, "tag": "=cmd()"})
    assert not page.exception
    assert HOSTILE not in rendered(page)
    assert all("<script>" not in button.label.replace("\\<", "") for button in page.button)

    page.button(key="clear").click().run()

    titles = list(table(page, "Task")["Title"])
    assert "'=1+1 · diagnostic.noop" in titles
    assert f"{' '.join(HOSTILE.split())} · diagnostic.echo" in titles


def test_a_filter_is_saved_used_replaced_and_deleted(
    open_page: OpenPage, loaded: dict[str, str], database: Database
) -> None:
    page = open_page("tasks", query={"states": "failed"})
    page.text_input(key="filter_name").set_value("broken **ones**")
    page.button(key="save_filter_send").click().run()
    assert not page.exception
    with database.transaction() as tx:
        [saved] = saved_filters_store.saved_filters(tx)
    assert (saved.name, saved.filter) == ("broken **ones**", TaskFilter(states=("failed",)))
    assert audited(database, "filter_saved")[0].actor.startswith("dashboard@")

    page = open_page("tasks")
    page.selectbox(key="filter_picked").set_value("broken **ones**").run()
    assert set(found(page)) == short(loaded, "failed")
    assert asked(page, "states") == "failed"

    page.multiselect(key="address_states").set_value(["cancelled"]).run()
    page.text_input(key="filter_name").set_value("broken **ones**")
    page.button(key="save_filter_send").click().run()
    assert "already exists" in rendered(page)
    only = TaskFilter(states=("cancelled",))
    answered(page, "overwrite_filter", asks_about(page, "overwrite", "broken **ones**", only))
    with database.transaction() as tx:
        [saved] = saved_filters_store.saved_filters(tx)
    assert saved.filter == only

    page = open_page("tasks")
    page.selectbox(key="filter_picked").set_value("broken **ones**").run()
    page.button(key="delete_filter").click().run()
    assert "is deleted for all users" in rendered(page)
    answered(page, "delete_filter", asks_about(page, "delete", "broken **ones**", only))
    with database.transaction() as tx:
        assert saved_filters_store.saved_filters(tx) == []
    assert audited(database, "filter_deleted")[0].actor.startswith("dashboard@")


def test_it_outlives_the_database(
    open_page: OpenPage, loaded: dict[str, str], settings: Settings, server_endpoints: Endpoints
) -> None:
    page = open_page("tasks", query={"states": "failed"})
    with database_away(settings.database_url, server_endpoints.database_url):
        refreshed(page)
        assert not page.exception
        assert "Data as of" in page.warning[0].value
        assert set(found(page)) == short(loaded, "failed")

    wait_until(lambda: not refreshed(page).warning, message="the banner is gone")
    assert set(found(page)) == short(loaded, "failed")


def test_a_time_in_the_address_bounds_the_search(open_page: OpenPage, loaded: dict[str, str]) -> None:
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="minutes")

    assert found(open_page("tasks", query={"since": later})) == []
    assert len(found(open_page("tasks", query={"until": later}))) == EVERYTHING
