"""Forms in Chromium: what a field shows is what is submitted, or nothing is, for every kind of field."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from taskyard.core.config import Settings
from taskyard.core.models import Task
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import tasks as tasks_store
from tests.browser.conftest import Watched, open_page
from tests.browser.dashboards import Dashboard

SETTLING_MS = 700  # in which a press that was refused would have submitted something
# What is typed into a field that is a text until the server reads it, and is refused.
REFUSED = (
    ("Count", "-5"),
    ("Count", "1.5"),
    ("Count", "99999999999999999999"),
    ("Ratio", "-5"),
    ("Ratio", "1e"),
    ("Ratio", "1,5"),
    ("Numbers", "1\nx"),
    ("Table", "{"),
)
REFUSED_OPTIONS = (
    ("Timeout (seconds)", "-5"),
    ("Timeout (seconds)", "1e"),
    ("Maximum attempts", "0"),
    ("Maximum attempts", "2.5"),
    ("Delay", "-1"),
    ("Delay", "soon"),
)


@pytest.fixture
def dashboard(settings: Settings, tmp_path: Path) -> Iterator[Dashboard]:
    with Dashboard(settings, tmp_path / "streamlit.log", task_modules="tests.form_types") as dashboard:
        yield dashboard


def tasks(database: Database) -> list[Task]:
    with database.transaction() as tx:
        return [tasks_store.get_task(tx, task.id) for task in tasks_store.list_tasks(tx)]


class Form:
    """The form, and the ways to submit it."""

    def __init__(self, page: Page, database: Database) -> None:
        self.page = page
        self._database = database
        self._submit = page.locator(".st-key-submit_one button")

    def field(self, label: str) -> Locator:
        return self.page.get_by_label(label, exact=True).first

    def is_refused(self, label: str, typed: str, press: Callable[[], None]) -> None:
        """Types a text that can't be meant, submits, and takes it back."""
        self.field(label).fill(typed)
        press()
        expect(self.page.get_by_text("needs correction")).to_be_visible()
        expect(self.field(label)).to_have_value(typed)
        assert tasks(self._database) == []
        self.field(label).fill("5" if label == "Delay" else "")
        self.field(label).press("Tab")
        expect(self.page.get_by_text("needs correction")).to_be_hidden()

    def by_key(self) -> None:
        self.page.keyboard.press("Control+Enter")

    def by_button(self) -> None:
        self._submit.click()

    def is_held(self, field: Locator, typed: str, notice: str) -> None:
        """Types what a field does not send yet, and submits by key and by button: nothing happens to either."""
        field.click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.type(typed)
        for press in (self.by_key, self._press_at_once):
            press()
            expect(self.page.locator("#taskyard-notices")).to_contain_text(notice)
            self.has_submitted_nothing()

    def has_submitted_nothing(self) -> None:
        self.page.wait_for_timeout(SETTLING_MS)
        assert tasks(self._database) == []

    def _press_at_once(self) -> None:
        """As a hand does: without waiting for a list that is over the button to close."""
        self._submit.evaluate(
            """button => ["pointerdown", "mousedown", "pointerup", "mouseup", "click"].forEach(
                kind => button.dispatchEvent(new PointerEvent(kind, {bubbles: true, cancelable: true})))"""
        )


@pytest.mark.slow
def test_what_is_shown_is_submitted_or_nothing_is(
    browser: Browser, dashboard: Dashboard, watched: list[Watched], database: Database
) -> None:
    page = open_page(browser, watched, dashboard.url, "/submit?type=forms.every")
    form = Form(page, database)
    expect(form.field("Count")).to_be_visible()
    ways = itertools.cycle((form.by_key, form.by_button))
    for label, typed in REFUSED:
        form.is_refused(label, typed, next(ways))
    page.get_by_text("Advanced options").click()
    page.get_by_text("In …").click()
    for label, typed in REFUSED_OPTIONS:
        form.is_refused(label, typed, next(ways))

    form.is_held(form.field("Shape"), "square", "“square” is not picked yet")
    page.keyboard.press("Enter")
    form.is_held(form.field("Colors"), "green", "“green” is not picked yet")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    form.is_held(form.field("Queue"), "nightly", "“nightly” is not picked yet")
    page.keyboard.press("Enter")
    form.is_held(form.field("Tags that the agent must have"), "gpu", "“gpu” is not picked yet")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    page.get_by_text("At …").click()
    form.is_held(page.get_by_test_id("stDateTimeInput").get_by_role("spinbutton").first, "2031", "incomplete")
    page.keyboard.type("05061200")
    page.get_by_text("In …").click()

    for label, typed in (("Word", "abcdefgh"), ("Count", "7"), ("Ratio", "2.50"), ("Numbers", "1\n2")):
        form.field(label).fill("")
        form.field(label).press_sequentially(typed)  # more than fits is not shown
    form.field("Text").fill("two\nlines")
    form.field("Table").fill('{"a": 1}')
    page.get_by_text("Is on").click()
    page.get_by_test_id("stMain").get_by_text("l", exact=True).click()
    form.field("Delay").fill("30")
    form.field("Timeout (seconds)").fill("12.5")
    form.field("Maximum attempts").fill("2")
    page.keyboard.press("Control+Enter")
    expect(page.locator("[class*=st-key-followed]")).to_have_count(1)

    [task] = tasks(database)
    assert form.field("Word").input_value() == task.input["word"]
    assert task.input == {
        "word": "abcde", "text": "two\nlines", "count": 7, "ratio": 2.5, "is_on": True, "size": "l",
        "shape": "a square of some size", "colors": ["green"], "numbers": [1, 2], "api_token": "", "table": {"a": 1},
    }  # fmt: skip
    assert (task.queue, task.requires, task.timeout_seconds, task.max_attempts) == ("nightly", ("gpu",), 12.5, 2)
    assert task.run_at is not None
    assert round((task.run_at - task.created_at).total_seconds()) == 30 * 60
