"""The Failures page."""

from __future__ import annotations

import time

import orjson
import pytest

from taskyard.core.config import Settings
from taskyard.core.embedded.servers import Endpoints
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import failures, tasks, tick
from taskyard.core.postgres.store.failures import FailureGroup
from taskyard.core.states import TaskState
from taskyard.core.submission.submit import Submitter
from taskyard.dashboard.components.ranges import RANGES_SECONDS
from taskyard.dashboard.components.task_facts import shortened_id
from taskyard.dashboard.pages.failures import data
from taskyard.worker.monitor.rollup import RollUp
from tests.dashboard.conftest import AGENT_ID, HOSTILE, OpenPage, refreshed
from tests.dashboard.dialogs import answered
from tests.dashboard.seen import audited, plain_texts, rendered, table
from tests.outages import database_away
from tests.servers import wait_until

FINGERPRINT = "00aa11bb22cc33dd"  # of the fixture `loaded`


@pytest.fixture
def counted(loaded: dict[str, str], database: Database) -> dict[str, str]:
    """The fixture `loaded`, and its failure counted."""
    RollUp(database).run(lambda: True)
    return loaded


def fail_more(submitter: Submitter, database: Database, message: str, fingerprint: str, error_class: str) -> str:
    """Another task that failed, counted; returns its id. Needs the agent of `loaded`."""
    task_id = submitter.submit("diagnostic.noop")
    error = {"class": error_class, "message": message, "traceback": message, "fingerprint": fingerprint}
    text = orjson.dumps(error).decode()
    with database.transaction() as tx:
        [claim] = tick.claim(tx, [task_id], [AGENT_ID])
        tick.settle(
            tx,
            [tick.Settlement(task_id, claim.attempt, "failed", "failed", error=text, detail=text, started_at=None)],
        )
    RollUp(database).run(lambda: True)
    return task_id


def group_of(database: Database, fingerprint: str = FINGERPRINT) -> FailureGroup:
    now = time.time()
    with database.transaction() as tx:
        [group] = failures.groups(tx, now - 3600, now + 60, fingerprint=fingerprint, include_muted=True)
    return group


def test_no_failures(open_page: OpenPage, database: Database) -> None:
    page = open_page("failures")

    assert not page.exception
    assert "No failures in this time range." in rendered(page)


def test_a_group_has_its_figures(open_page: OpenPage, counted: dict[str, str]) -> None:
    page = open_page("failures")

    assert not page.exception
    [row] = table(page, "attempts").to_dict("records")
    assert (row["attempts"], row["tasks"], row["failed_now"], sum(row["trend"])) == (1, 1, 1, 1)
    assert (row["type"], row["message"], row["agents"]) == ("diagnostic.echo", "no such file", "builder (1)")
    assert list(row["class"]) == ["permanent", "new"]
    assert row["example"] == shortened_id(counted["failed"])
    assert "1 group · 1 failed attempt · 1 failed task" in rendered(page)


def test_every_range_counts_it_once(open_page: OpenPage, counted: dict[str, str]) -> None:
    open_page("failures")

    for seconds in RANGES_SECONDS.values():
        found, one = data.find(seconds, data.Choice()).value, data.one_group(FINGERPRINT, seconds).value
        assert found is not None
        assert one is not None
        assert (found.attempts, sum(found.groups[0].trend)) == (1, 1)
        assert sum(one.counts) == 1
        assert len(one.at) == len(one.counts)


def test_filters_and_order(
    open_page: OpenPage, counted: dict[str, str], submitter: Submitter, database: Database
) -> None:
    for _again in range(2):
        fail_more(submitter, database, HOSTILE, "1111111111111111", "transient")

    def messages(**query: str) -> list[str]:
        page = open_page("failures", query=query)
        assert not page.exception
        found = [element.value for element in page.dataframe]
        return [str(text) for text in found[0]["message"]] if found else []

    assert messages() == [HOSTILE, "no such file"]
    assert messages(sort="new") == [HOSTILE, "no such file"]
    assert messages(**{"class": "permanent"}) == ["no such file"]
    assert messages(type="diagnostic.noop") == [HOSTILE]
    assert messages(text="SUCH file") == ["no such file"]
    assert messages(text="1111111111111111") == [HOSTILE]
    assert messages(text="nowhere") == []


def test_what_fits_nothing_is_said(open_page: OpenPage, counted: dict[str, str]) -> None:
    page = open_page("failures", query={"text": "nowhere"})

    assert "No failure in this time range matches the filters." in rendered(page)


def test_one_group(open_page: OpenPage, counted: dict[str, str]) -> None:
    page = open_page("failures", query={"group": FINGERPRINT})

    assert not page.exception
    assert {m.label: m.value for m in page.metric} == {
        "Failed attempts": "1",
        "Failed tasks": "1",
        "Still failed": "1",
        "Agents": "1",
    }
    assert {"no such file", "Traceback: line 1", FINGERPRINT} <= set(plain_texts(page))
    assert len(page.get("plotly_chart")) == 2
    [task] = table(page, "submitted").to_dict("records")
    assert (task["task"], task["state"], task["title"]) == (shortened_id(counted["failed"]), ["failed"], HOSTILE[:200])

    page.button(key="failures_back").click().run()
    assert "group" not in page.query_params
    assert len(table(page, "attempts")) == 1


def test_a_button_of_the_table_opens_a_group(open_page: OpenPage, counted: dict[str, str]) -> None:
    page = open_page("failures")
    page.query_params["group"] = FINGERPRINT  # what the button's callback does
    page.run()

    assert page.metric


def test_what_others_wrote_is_shown_as_it_is(
    open_page: OpenPage, counted: dict[str, str], submitter: Submitter, database: Database
) -> None:
    fail_more(submitter, database, HOSTILE, "1111111111111111", "permanent")
    with database.transaction() as tx:
        failures.mute(tx, "1111111111111111", 60, HOSTILE, HOSTILE)

    page = open_page("failures", query={"group": "1111111111111111"})

    assert not page.exception
    assert plain_texts(page).count(HOSTILE) == 2  # message and traceback
    assert any(text.startswith("until ") and text.endswith(HOSTILE) for text in plain_texts(page))
    for hostile in ("<script>", "**bold**", ":red["):
        assert hostile not in rendered(page)


@pytest.mark.parametrize("group", ["x", HOSTILE, "1" * 300, "'; DROP"])
def test_an_address_that_names_no_group(open_page: OpenPage, database: Database, group: str) -> None:
    page = open_page("failures", query={"group": group})

    assert not page.exception
    assert "The address contains no valid fingerprint" in rendered(page)


def test_a_group_that_did_not_happen(open_page: OpenPage, counted: dict[str, str]) -> None:
    page = open_page("failures", query={"group": "f" * 16})

    assert not page.exception
    assert "It did not occur in this time range." in rendered(page)
    assert page.button(key="retry_group").disabled


def test_a_group_is_muted_and_shown_again(open_page: OpenPage, counted: dict[str, str], database: Database) -> None:
    page = open_page("failures", query={"group": FINGERPRINT})

    answered(page, f"mute_{FINGERPRINT}", lambda: page.button(key="mute").click(), "")
    assert [error.value for error in page.error] == ["Enter a reason"]
    assert group_of(database).muted_until is None

    answered(page, f"mute_{FINGERPRINT}", lambda: page.button(key="mute").click(), "known, fixed next week")
    assert not page.exception
    group = group_of(database)
    assert group.muted_until is not None
    assert group.mute_reason == "known, fixed next week"
    [event] = audited(database, "failures_muted")
    assert event.actor.startswith("dashboard@")
    assert any(text.endswith("known, fixed next week") for text in plain_texts(page))

    page = open_page("failures")
    assert "1 more is muted." in rendered(page)
    assert not page.dataframe
    page.toggle(key="address_muted").set_value(True).run()
    assert [list(marks) for marks in table(page, "class")["class"]] == [["permanent", "muted"]]

    page = open_page("failures", query={"group": FINGERPRINT})
    answered(page, f"unmute_{FINGERPRINT}", lambda: page.button(key="unmute").click())
    assert not page.exception
    assert group_of(database).muted_until is None
    assert len(audited(database, "failures_unmuted")) == 1


def test_what_is_failed_now_is_retried(open_page: OpenPage, counted: dict[str, str], database: Database) -> None:
    page = open_page("failures", query={"group": FINGERPRINT})
    page.button(key="retry_group").click().run()
    assert any("1 task matches; 1 can be retried." in markdown.value for markdown in page.markdown)

    page.text_input(key="bulk_reason").set_value("the file is there now")
    page.button(key="retry_group").click()
    page.button(key="bulk_send").click().run()
    assert not page.exception

    def state() -> str:
        with database.transaction() as tx:
            return tasks.get_task(tx, counted["failed"]).state

    wait_until(lambda: state() == TaskState.PENDING, message="the task is pending again")
    wait_until(lambda: audited(database, "bulk_finished"), message="the end is in the audit log")
    [event] = audited(database, "retried")
    assert event.task_id == counted["failed"]
    assert event.detail is not None
    assert event.detail["reason"] == "the file is there now"
    assert event.actor.startswith("dashboard@")
    refreshed(page)
    assert "Retried 1" in rendered(page)
    assert page.button(key="retry_group").disabled
    assert "No task has this error any more" in rendered(page)
    assert "That task has been retried since" in rendered(page)


def test_without_its_database_what_was_known_stays(
    open_page: OpenPage, settings: Settings, counted: dict[str, str], server_endpoints: Endpoints
) -> None:
    page = open_page("failures")
    with database_away(settings.database_url, server_endpoints.database_url):
        refreshed(page)

        assert not page.exception
        assert "Data as of" in page.warning[0].value
        assert len(table(page, "attempts")) == 1
