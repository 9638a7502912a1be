"""The Submit page in Chromium: by keyboard alone, twice at once, and what is typed while the page refreshes itself."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from taskyard.core.models import Task
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import tasks as tasks_store
from tests.browser.conftest import Watched, open_page
from tests.browser.dashboards import Dashboard

REFRESH_MS = 3_000
# Only in a function: a bare expression is evaluated again and again, which our policy forbids from the second time on.
HAS_DRAFT = "Object.keys(localStorage).some((key) => key.startsWith('taskyard-draft'))"
LOSES_ONE = """{
  const dispatch = EventTarget.prototype.dispatchEvent;
  window.lost = 0;
  EventTarget.prototype.dispatchEvent = function (event) {
    if (event.type === "focusout" && !window.lost && this.closest?.(".st-key-submit_draft")) {
      window.lost += 1;
      return true;
    }
    return dispatch.call(this, event);
  };
}"""
FOLLOWED = "[class*=st-key-followed]"
SLOW_LOOKS = """{
  const every = setInterval;
  setInterval = (run, ms, ...more) => every(run, ms === 500 ? 2000 : ms, ...more);
}"""


@pytest.fixture
def form(browser: Browser, dashboard: Dashboard, watched: list[Watched]) -> Page:
    """The form of `code.run`. The dashboard comes before its pages, so that they are closed before it is."""
    page = open_page(browser, watched, dashboard.url, "/submit?type=code.run", entry=dashboard.entry())
    expect(page.get_by_role("textbox", name="Script")).to_be_visible()
    return page


def tasks(database: Database) -> list[Task]:
    with database.transaction() as tx:
        return [tasks_store.get_task(tx, task.id) for task in tasks_store.list_tasks(tx)]


def test_a_task_is_submitted_by_keyboard_alone(form: Page, database: Database) -> None:
    form.get_by_role("textbox", name="Script").focus()
    form.keyboard.type("print(1)")
    form.keyboard.press("Control+Enter")
    expect(form.locator(FOLLOWED)).to_have_count(1)

    form.get_by_role("textbox", name="Title").focus()
    form.keyboard.type("Typed")
    form.keyboard.press("Control+Enter")
    expect(form.locator(FOLLOWED)).to_have_count(2)

    second, first = tasks(database)
    assert (first.title, second.title) == (None, "Typed")
    assert first.input["script"] == second.input["script"] == "print(1)"


def test_a_double_click_submits_once(form: Page, database: Database) -> None:
    form.get_by_role("textbox", name="Script").fill("print(2)")
    form.locator(".st-key-submit_one button").dblclick()
    expect(form.get_by_text("Accepted")).to_be_visible()
    expect(form.locator(FOLLOWED)).to_have_count(1)
    form.wait_for_timeout(REFRESH_MS)  # only time can show that nothing more happens

    assert len(tasks(database)) == 1


def test_a_refresh_does_not_touch_what_is_being_typed(form: Page) -> None:
    script = form.get_by_role("textbox", name="Script")
    script.fill("print(3)")
    script.press("Control+Enter")
    as_of = form.get_by_text("Updated 20")
    expect(as_of).to_be_visible()
    before = as_of.inner_text()
    script.focus()
    form.keyboard.type("# half a ")

    expect(as_of).not_to_have_text(before)
    expect(as_of).to_be_visible()
    form.keyboard.type("line")

    expect(script).to_have_value("print(3)# half a line")


def test_a_file_is_uploaded_and_followed(form: Page, database: Database) -> None:
    form.get_by_test_id("stMain").get_by_text("Many from a file", exact=True).click()
    content = b"type,title\n" + b"".join(b"diagnostic.noop,Row %d\n" % number for number in range(30))
    form.locator("input[type=file]").set_input_files({"name": "tasks.csv", "mimeType": "text/csv", "buffer": content})
    form.get_by_role("button", name="Submit 30 tasks").click()

    expect(form.get_by_text("0 of 30 ended")).to_be_visible()
    assert len(tasks(database)) == 20  # what `list_tasks` gives at most


def test_a_draft_is_offered_and_not_submitted(form: Page, database: Database) -> None:
    """The draft comes back through a hidden field, which must press nothing."""
    script = form.get_by_role("textbox", name="Script")
    script.fill("print(4)")
    form.wait_for_function(f"() => {HAS_DRAFT}")
    form.reload()

    expect(form.get_by_text("Restored from this browser")).to_be_visible()
    expect(script).to_have_value("print(4)")
    form.wait_for_timeout(REFRESH_MS)  # only time can show that nothing more happens
    assert tasks(database) == []


def test_a_draft_whose_offer_is_lost_is_offered_again(form: Page) -> None:
    script = form.get_by_role("textbox", name="Script")
    script.fill("print(4)")
    form.wait_for_function(f"() => {HAS_DRAFT}")
    form.add_init_script(LOSES_ONE)
    form.reload()

    expect(form.get_by_text("Restored from this browser")).to_be_visible()
    expect(script).to_have_value("print(4)")
    assert form.evaluate("window.lost") == 1


@pytest.fixture
def slow_form(browser: Browser, dashboard: Dashboard, watched: list[Watched]) -> Page:
    """A form whose browser offers a draft only after two seconds, so that something can be typed before."""
    page = open_page(browser, watched, dashboard.url, dashboard.entry())
    page.add_init_script(SLOW_LOOKS)
    page.goto(f"{dashboard.url}/submit?type=code.run")
    expect(page.get_by_role("textbox", name="Script")).to_be_visible()
    return page


def test_a_pause_while_typing_submits_nothing(slow_form: Page, database: Database) -> None:
    slow_form.get_by_role("textbox", name="Script").focus()
    slow_form.keyboard.type("half a ")
    slow_form.wait_for_timeout(REFRESH_MS)  # only time can show that nothing happens
    slow_form.keyboard.type("line")

    expect(slow_form.get_by_role("textbox", name="Script")).to_have_value("half a line")
    assert tasks(database) == []


@pytest.mark.slow
def test_what_is_typed_before_a_draft_is_offered_stays(slow_form: Page, database: Database) -> None:
    script, title = slow_form.get_by_role("textbox", name="Script"), slow_form.get_by_role("textbox", name="Title")
    title.fill("Before")
    slow_form.wait_for_function(f"() => {HAS_DRAFT}")
    slow_form.reload()
    script.focus()
    slow_form.keyboard.type("print(5)")

    expect(title).to_have_value("Before")
    slow_form.wait_for_timeout(REFRESH_MS)  # only time can show that nothing more happens
    expect(script).to_have_value("print(5)")
    assert tasks(database) == []


def test_a_pasted_text_comes_back_and_a_file_is_asked_for_again(form: Page, database: Database) -> None:
    many = form.get_by_test_id("stMain").get_by_text("Many from a file", exact=True)
    many.click()
    content = b"type\ndiagnostic.noop\n"
    tasks_file = {"name": "tasks.csv", "mimeType": "text/csv", "buffer": content}
    form.locator("input[type=file]").set_input_files(tasks_file)
    expect(form.get_by_role("button", name="Submit 1 task")).to_be_visible()
    form.get_by_text("Or paste it").click()
    pasted = form.get_by_role("textbox", name="CSV or JSON lines")
    pasted.fill("type,title\ndiagnostic.noop,Half a ")
    form.wait_for_function(f"() => {HAS_DRAFT} && JSON.stringify(localStorage).includes('Half a')")

    form.goto(form.url.partition("?")[0])
    expect(form.get_by_text("tasks.csv has to be chosen again")).to_be_visible()
    form.get_by_text("Or paste it").click()
    expect(pasted).to_have_value("type,title\ndiagnostic.noop,Half a ")
    form.locator("input[type=file]").set_input_files(tasks_file)
    expect(form.get_by_text("tasks.csv has to be chosen again")).to_be_hidden()
    pasted.fill("")
    form.get_by_role("button", name="Submit 1 task").click()
    expect(form.get_by_text("0 of 1 ended")).to_be_visible()
    form.wait_for_function(f"() => !({HAS_DRAFT})")
    assert len(tasks(database)) == 1
