"""The Submit page over time: copies, addresses, leaving and coming back, servers that go away, following."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from html import unescape
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from streamlit.testing.v1 import AppTest

from taskyard.core.embedded.servers import Endpoints
from taskyard.core.errors import SubmissionError
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import commands
from taskyard.core.submission.submit import Submitter
from taskyard.dashboard.pages.submit import start_time
from tests.dashboard.conftest import HOSTILE, NOBODY_URLS, OpenPage, refreshed
from tests.dashboard.test_submit import field, press, said, tasks
from tests.outages import database_away


def test_a_task_is_copied_to_be_changed_and_submitted_again(
    open_page: OpenPage, database: Database, submitter: Submitter
) -> None:
    source = submitter.submit(
        "diagnostic.echo",
        {"value": 2**63 + 1},
        title=HOSTILE,
        queue="nightly",
        priority="urgent",
        timeout_seconds=7,
        requires=["gpu"],
        idempotency_key="only-once",
    )
    page = open_page("submit", query={"copy": source})
    assert not page.exception
    assert page.text_input(key="submit_option_title").value == HOSTILE
    assert any("Copied from a task" in caption.value for caption in page.caption)
    assert not page.query_params

    press(page)

    first, second = tasks(database)
    assert first.id == source
    same = ("type", "input", "title", "queue", "priority", "timeout_seconds", "max_attempts", "requires")
    assert [getattr(second, name) for name in same] == [getattr(first, name) for name in same]
    assert second.idempotency_key != first.idempotency_key


@pytest.mark.parametrize(
    "query", [{"type": HOSTILE}, {"copy": HOSTILE}, {"copy": "0" * 8 + "-0000-7000-8000-" + "0" * 12}]
)
def test_what_the_address_names_may_not_exist(open_page: OpenPage, database: Database, query: dict[str, str]) -> None:
    page = open_page("submit", query=query)

    assert not page.exception
    assert len(page.warning) == 1
    assert "<script>" not in re.sub(r"\\<", "", page.warning[0].value)
    assert page.selectbox(key="submit_type").value is None


def test_what_was_typed_outlives_leaving_the_page(open_page: OpenPage, database: Database) -> None:
    page = open_page("submit", query={"type": "code.run"})
    page.text_area(key=field("script", "code.run")).set_value("print(2)")
    page.text_input(key="submit_option_title").set_value("Kept").run()

    page.switch_page("../pages/overview/page.py").run()
    page.switch_page("../pages/submit/page.py").run()

    assert not page.exception
    assert page.text_area(key=field("script", "code.run")).value == "print(2)"
    assert page.text_input(key="submit_option_title").value == "Kept"
    page.button(key="submit_clear").click().run()
    assert page.text_area(key=field("script", "code.run")).value == ""
    assert page.text_input(key="submit_option_title").value == ""


def test_types_keep_what_was_typed_while_another_is_shown(open_page: OpenPage, database: Database) -> None:
    page = open_page("submit", query={"type": "code.run"})
    page.text_area(key=field("script", "code.run")).set_value("print(3)").run()
    page.selectbox(key="submit_type").select("diagnostic.echo").run()
    page.selectbox(key="submit_type").select("code.run").run()
    assert page.text_area(key=field("script", "code.run")).value == "print(3)"


def test_with_servers_away_the_form_is_there_and_nothing_typed_is_lost(open_page: OpenPage) -> None:
    page = open_page("submit", query={"type": "diagnostic.echo"}, **NOBODY_URLS)
    page.text_area(key=field("value", "diagnostic.echo")).set_value("[1]")

    press(page)

    assert not page.exception
    assert "Your input is kept" in page.warning[0].value
    assert page.text_area(key=field("value", "diagnostic.echo")).value == "[1]"
    assert "can't be reached" in said(page)


def test_it_works_again_once_the_server_is_back(
    open_page: OpenPage, database: Database, server_endpoints: Endpoints
) -> None:
    page = open_page("submit", query={"type": "diagnostic.noop"})
    with database_away(database.url, server_endpoints.database_url):
        press(page)
        assert not page.exception
        assert "Your input is kept" in page.warning[0].value
    database.close()

    press(page)

    assert not page.warning
    assert len(tasks(database)) == 1


def test_what_was_submitted_is_followed_to_its_end(
    open_page: OpenPage, database: Database, submitter: Submitter
) -> None:
    page = open_page("submit", query={"type": "diagnostic.echo"})
    page.text_input(key="submit_option_title").set_value(HOSTILE)
    press(page)
    assert "pending" in [badge.value for badge in page.get("badge")] or "pending" in said(page)
    [task] = tasks(database)

    with database.transaction() as tx:
        commands.cancel(tx, task.id, "test", "")
    refreshed(page)

    assert not page.exception
    assert "cancelled" in said(page)
    assert "<script>" not in re.sub(r"\\<", "", "".join(str(link) for link in page.get("page_link")))


def test_a_task_module_that_does_not_import_is_told(open_page: OpenPage) -> None:
    page = open_page("submit", task_modules="no_such_module")

    assert not page.exception
    assert "no\\_such\\_module" in page.error[0].value


def test_times_are_those_of_the_viewers_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start_time, "viewer_zone", lambda: ZoneInfo("Europe/Berlin"))
    assert start_time.due_at(datetime(2026, 7, 1, 12, 30)) == datetime(2026, 7, 1, 10, 30, tzinfo=UTC)
    with pytest.raises(SubmissionError, match="clocks skip"):
        start_time.due_at(datetime(2026, 3, 29, 2, 30))
    with pytest.raises(SubmissionError, match="a date and a time"):
        start_time.due_at(None)


def test_a_task_is_submitted_for_a_time(open_page: OpenPage, database: Database) -> None:
    page = open_page("submit", query={"type": "diagnostic.noop"})
    page.segmented_control(key="submit_start_when").set_value("at").run()
    press(page)
    assert "a date and a time" in said(page)
    assert tasks(database) == []

    due = (
        datetime.now(UTC).replace(second=0, microsecond=0, tzinfo=None).replace(year=datetime.now(UTC).year + 1, day=1)
    )
    page.session_state["submit_start_run_at"] = due
    press(page)

    [task] = tasks(database)
    assert task.run_at == due.replace(tzinfo=UTC)
    assert task.state == "scheduled"
    page.query_params["copy"] = task.id
    page.run()
    assert page.session_state["submit_start_run_at"] == due


def draft_of(page: AppTest) -> dict[str, Any]:
    """What the browser is told to keep."""
    [text] = re.findall(r'data-taskyard-draft="([^"]*)"', "".join(str(one.proto.body) for one in page.get("html")))
    return dict(json.loads(unescape(text)))


def hand_in(page: AppTest, draft: str) -> AppTest:
    return page.text_area(key="submit_draft").set_value(draft).run()


def test_what_the_browser_kept_fills_an_empty_form_only(open_page: OpenPage, database: Database) -> None:
    name = "diagnostic.sleep"
    queues = {"placement_by_queue": '{"nightly": "priority"}'}
    page = open_page("submit", query={"type": name}, **queues)
    assert draft_of(page)["state"] == "empty"
    page.text_input(key=f"submit_input_{name}.seconds").set_value("1e")
    page.text_input(key="submit_option_title").set_value("A nap")
    page.selectbox(key="submit_option_queue").select("nightly").run()
    kept = draft_of(page)
    assert kept["state"] == "typed"
    kept["at"] = 1_800_000_000_000

    other = hand_in(open_page("submit", **queues), json.dumps({"one": kept, "many": None}))
    assert other.selectbox(key="submit_type").value == name
    assert other.text_input(key=f"submit_input_{name}.seconds").value == "1e"
    assert other.text_input(key="submit_option_title").value == "A nap"
    assert other.selectbox(key="submit_option_queue").value == "nightly"
    assert any("Restored from this browser" in caption.value for caption in other.caption)

    another = {**kept, "texts": {"submit_option_title": "Another"}}
    hand_in(other, json.dumps({"one": another, "many": None}))
    assert other.text_input(key="submit_option_title").value == "A nap"  # something is in the form
    other.button(key="submit_clear").click().run()
    assert draft_of(other)["state"] == "done"

    page.text_input(key=f"submit_input_{name}.seconds").set_value("1").run()
    page.button(key="submit_one").click().run()
    assert draft_of(page)["state"] == "done"


@pytest.mark.parametrize(
    "draft",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"one": {"type": "no.such"}, "many": null}',
        '{"one": {"type": "diagnostic.noop", "texts": [], "at": "x"}, "many": null}',
        '{"one": null, "many": {"texts": []}}',
    ],
)
def test_a_draft_that_makes_no_sense_is_left_alone(open_page: OpenPage, database: Database, draft: str) -> None:
    page = hand_in(open_page("submit"), draft)
    assert not page.exception
    assert not [caption for caption in page.caption if "Restored" in caption.value]


def test_a_draft_has_no_secrets(open_page: OpenPage, database: Database) -> None:
    name = "code.run"
    page = open_page("submit", query={"type": name})
    page.session_state[f"submit_input_{name}.#json"] = '{"script": "x", "env": {"KEY": "hunter2"}}'
    page.session_state[f"submit_input_{name}.#expert"] = True
    page.run()
    assert draft_of(page)["state"] == "typed"
    assert "hunter2" not in json.dumps(draft_of(page))


def test_a_pasted_text_and_the_name_of_a_file_come_back(open_page: OpenPage) -> None:
    page = open_page("submit")
    page.segmented_control(key="submit_mode").set_value("many").run()
    assert draft_of(page)["state"] == "empty"
    page.text_area(key="submit_paste").set_value("type\ndiagnostic.noop").run()
    page.file_uploader(key="submit_upload").set_value(("a.csv", b"type\ndiagnostic.noop\n", "text/csv")).run()
    kept = draft_of(page)
    assert (kept["state"], kept["file"], kept["texts"]) == ("typed", "a.csv", {"submit_paste": "type\ndiagnostic.noop"})
    page.text_area(key="submit_paste").set_value("type,input\ncode.run,my-password").run()
    assert draft_of(page)["texts"] == {}

    other = hand_in(open_page("submit"), json.dumps({"one": None, "many": kept}))
    assert not other.exception
    assert other.segmented_control(key="submit_mode").value == "many"
    assert other.text_area(key="submit_paste").value == "type\ndiagnostic.noop"
    assert any(
        "a\\.csv has to be chosen again" in warning.value or "a.csv has to" in warning.value
        for warning in other.warning
    )
    other.button(key="submit_dismiss").click().run()
    assert not other.warning
