"""What the browser tells by itself: the age of a page, a lost connection; and what it keeps of a form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from taskyard.core.config import Settings
from tests.browser.conftest import Watched, open_page
from tests.browser.dashboards import Dashboard
from tests.servers import wait_until

LATE, STALE = re.compile("taskyard-late"), re.compile("taskyard-stale")
DRAFT = "Object.entries(localStorage).filter(([key]) => key.startsWith('taskyard-draft')).map(([, text]) => text)"
LOST = re.compile("Connection lost, trying again")


@pytest.fixture
def dashboard(settings: Settings, tmp_path: Path) -> Iterator[Dashboard]:
    with Dashboard(settings, tmp_path / "streamlit.log", task_modules="tests.form_types") as dashboard:
        yield dashboard


@pytest.mark.slow
def test_the_browser_tells_the_age_of_a_page_whose_server_hangs(
    browser: Browser, dashboard: Dashboard, watched: list[Watched]
) -> None:
    page = open_page(browser, watched, dashboard.url, "/tasks?lang=zh")
    age = page.locator("[data-taskyard-at]").first
    expect(age).to_have_text(re.compile("^[0-4] 秒前$"))

    dashboard.freeze()
    try:
        expect(age).to_have_class(LATE)
        expect(age).to_have_class(STALE)
        expect(age).to_have_text(re.compile("^2[0-9] 秒前$"))
        expect(page.locator(".taskyard-lost")).to_have_text(re.compile("仪表板无响应"))
    finally:
        dashboard.thaw()

    expect(age).to_have_text(re.compile("^[0-4] 秒前$"))
    expect(page.locator(".taskyard-lost")).to_be_empty()


@pytest.mark.slow
def test_what_is_typed_outlives_the_server_and_the_page(
    browser: Browser, dashboard: Dashboard, watched: list[Watched]
) -> None:
    page = open_page(browser, watched, dashboard.url, "/submit?type=forms.every")
    fill(page)

    dashboard.kill()
    expect(page.locator(".taskyard-lost")).to_have_text(LOST)
    page.wait_for_timeout(6_000)  # until Streamlit would have said so, too
    expect(page.get_by_text("Connection error")).to_be_hidden()
    expect(page.get_by_text("streamlit run")).to_be_hidden()
    with dashboard:
        expect(page.locator(".taskyard-lost")).to_be_empty()
        watched[0].problems.clear()  # what browsers log of a server that is gone
        expect(page.get_by_text("Restored from this browser")).to_be_visible()
        holds_all(page)

        page.goto(f"{dashboard.url}/submit")  # as after hours
        expect(page.get_by_text("Restored from this browser")).to_be_visible()
        holds_all(page)
        assert "hunter2" not in page.evaluate(DRAFT)[0]

        page.locator(".st-key-submit_one button").click()
        expect(page.locator("[class*=st-key-followed]")).to_have_count(1)
        wait_until(lambda: page.evaluate(DRAFT) == [], 20, "the browser forgets what was submitted")
        page.reload()
        expect(page.get_by_placeholder("Select a task type")).to_be_visible()
        expect(page.get_by_text("Restored from this browser")).to_be_hidden()


def fill(page: Page) -> None:
    """Types into the form; the last text is not sent to the server by anything."""
    for label, typed in (("Count", "7"), ("Ratio", "1e"), ("Title", "A long one"), ("API token", "hunter2")):
        page.get_by_label(label, exact=True).first.fill(typed)
        page.keyboard.press("Tab")
    page.get_by_text("Is on").click()
    page.get_by_test_id("stMain").get_by_text("urgent", exact=True).click()
    page.get_by_label("Ratio", exact=True).fill("2.5")
    wait_until(lambda: "urgent" in "".join(page.evaluate(DRAFT)), 20, "the browser keeps what the server knows")
    page.get_by_label("Text", exact=True).press_sequentially("half a line")


def holds_all(page: Page) -> None:
    for label, typed in (("Count", "7"), ("Ratio", "2.5"), ("Title", "A long one"), ("Text", "half a line")):
        expect(page.get_by_label(label, exact=True).first).to_have_value(typed)
    expect(page.get_by_label("Is on").first).to_be_checked()
    expect(page.get_by_role("radio", name="urgent")).to_be_checked()
