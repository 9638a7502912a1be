"""What surrounds every page, and the Overview, in Chromium."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Locator, Page, TimeoutError, expect

from taskyard.core.config import Settings
from taskyard.core.submission.submit import Submitter, open_submitter
from taskyard.core.task_types.registry import registry
from tests.browser.conftest import Watched, open_page
from tests.browser.dashboards import Dashboard

# A page whose test changes nothing else.
PAGES = (
    "overview",
    "tasks",
    "submit",
    "queues",
    "agents",
    "failures",
    "alerts",
    "learning",
    "audit",
    "reports",
    "system",
)
REFRESH_MS = 3_000
TRIES = 20
PHONE = {"width": 390, "height": 844}
BACKGROUNDS = {"light": "rgb(255, 255, 255)", "dark": "rgb(15, 23, 42)"}


@pytest.fixture
def submitter(settings: Settings) -> Submitter:
    return open_submitter(settings, registry.load(), settings.database_url or "", settings.redis_url or "")


def test_a_new_task_is_counted_without_a_reload(page: Page, submitter: Submitter) -> None:
    expect(page.get_by_text("There are no tasks yet")).to_be_visible()
    page.evaluate("window.notReloaded = true")

    submitter.submit("diagnostic.echo", {"value": 1})

    expect(page.get_by_text("There are no tasks yet")).to_be_hidden()
    assert page.evaluate("window.notReloaded")


def test_paused_it_stands_still_until_it_is_live_again(page: Page, submitter: Submitter) -> None:
    as_of = page.get_by_text("Updated 20")
    expect(as_of).to_be_visible()

    page.get_by_test_id("stSidebar").get_by_text("Live", exact=True).click()
    expect(as_of).to_contain_text("paused")
    page.wait_for_timeout(REFRESH_MS)  # one that was under way may still arrive
    stopped_at = as_of.inner_text()
    submitter.submit("diagnostic.noop")
    # Longer than a refresh: only time can show that nothing happens.
    page.wait_for_timeout(REFRESH_MS)
    assert as_of.inner_text() == stopped_at

    page.get_by_test_id("stSidebar").get_by_text("Live", exact=True).click()
    expect(as_of).not_to_contain_text("paused")
    expect(page.get_by_text("There are no tasks yet")).to_be_hidden()


def settled(page: Page) -> None:
    """Waits until the browser has had time to draw: a key that is pressed before a button is there does nothing."""
    page.wait_for_timeout(REFRESH_MS)


def press_until(page: Page, key: str, there: Locator) -> None:
    """Presses a key until what it leads to is there: a busy browser listens to it a little later."""
    for _ in range(TRIES):
        page.keyboard.press(key)
        try:
            there.wait_for(timeout=REFRESH_MS)
        except TimeoutError:
            continue
        return
    raise AssertionError(f"{key} leads nowhere")


@pytest.mark.slow
def test_keys_lead_from_page_to_page(page: Page) -> None:
    expect(page.get_by_text("Agents' load")).to_be_visible()  # the last of the page: all keys are listened to
    settled(page)
    press_until(page, "Control+k", page.get_by_role("dialog").get_by_role("textbox"))
    page.get_by_role("dialog").get_by_role("textbox").fill("6")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Failures")).to_be_visible()
    expect(page.get_by_role("dialog")).to_be_hidden()
    settled(page)

    press_until(page, "Control+k", page.get_by_role("dialog"))
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("heading", name="Failures")).to_be_visible()
    settled(page)

    page.keyboard.press("Control+k")
    page.keyboard.type("audit")  # at once, before the box is there
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Audit")).to_be_visible()
    settled(page)

    page.keyboard.press("Control+k")
    page.keyboard.type("s")
    places = page.locator(".st-key-jump_places a:visible")
    expect(places.filter(has_text="System")).to_be_visible()  # while one types
    page.keyboard.press("ArrowDown")
    expect(places.first).to_be_focused()
    page.keyboard.press("ArrowDown")
    second = places.nth(1).inner_text()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=second.split("\n")[-1])).to_be_visible()


@pytest.mark.slow
def test_it_speaks_the_browsers_language_and_the_switchs(
    browser: Browser, dashboard: Dashboard, watched: list[Watched]
) -> None:
    page = open_page(browser, watched, dashboard.url, locale="zh-CN")
    expect(page.get_by_role("heading", name="概览")).to_be_visible()

    page.get_by_test_id("stSidebar").get_by_role("combobox").click()
    page.get_by_role("option", name="English").click()

    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    expect(page).to_have_url(re.compile("lang=en$"))
    page.reload()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    page.goto(f"{dashboard.url}/alerts")
    expect(page.get_by_role("heading", name="Alerts")).to_be_visible()
    expect(page.get_by_test_id("stSidebarNav").get_by_role("link", name="Queues")).to_be_visible()

    page.goto(f"{dashboard.url}/queues?lang=中文")
    expect(page.get_by_role("heading", name="队列", exact=True)).to_be_visible()
    expect(page.get_by_test_id("stSidebarNav").get_by_role("link", name="告警")).to_be_visible()
    page.get_by_test_id("stSidebarNav").get_by_role("link", name="告警").click()
    expect(page.get_by_role("heading", name="告警", exact=True)).to_be_visible()


def test_the_browser_keeps_whether_times_are_in_utc(
    browser: Browser, dashboard: Dashboard, watched: list[Watched]
) -> None:
    page = open_page(browser, watched, dashboard.url, "/queues", timezone_id="Asia/Shanghai")
    as_of, switch = page.get_by_text("Updated 20"), page.get_by_test_id("stSidebar").get_by_text("Times in UTC")
    expect(as_of).to_contain_text("CST")
    with page.expect_response(lambda answer: "/zone?to=utc" in answer.url):
        switch.click()
    expect(as_of).to_contain_text("UTC")
    page.goto(f"{dashboard.url}/alerts")  # another session of the same browser
    expect(as_of).to_contain_text("UTC")
    expect(page.get_by_test_id("stSidebar").get_by_role("switch", name="Times in UTC")).to_be_checked()
    with page.expect_response(lambda answer: "/zone?to=browser" in answer.url):
        switch.click()
    page.reload()
    expect(as_of).to_contain_text("CST")


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_a_phone_in_light_and_dark(
    browser: Browser, dashboard: Dashboard, watched: list[Watched], submitter: Submitter, scheme: str
) -> None:
    submitter.submit("diagnostic.noop", title="A title that is long enough to be wider than any phone " * 3)
    page = open_page(browser, watched, dashboard.url, viewport=PHONE, color_scheme=scheme)
    for name in PAGES if scheme == "light" else PAGES[:3]:  # the layout is the same
        page.goto(f"{dashboard.url}/{name if name != 'overview' else ''}")
        page.wait_for_selector("h1")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], name
        background = page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")
        assert background == BACKGROUNDS[scheme]
