"""A task opens in the panel of every page that lists some, and Back and Forward give exactly what was there."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from taskyard.dashboard.components.task_facts import shortened_id
from tests.browser.conftest import Watched, open_page
from tests.browser.dashboards import Installation
from tests.browser.test_list import settled
from tests.servers import wait_until

DENSE = {"width": 1440, "height": 900}
STEP_PX = 45  # less than the narrowest column is wide
FIRST_ROW_PX = 50
TASK_OPEN = re.compile(r"[?&]task=[0-9a-f-]{36}$")


def press_row(table: Locator) -> None:
    """Presses the button in the first row of a table, wherever its column is."""
    box = table.bounding_box()
    assert box is not None
    for x in range(20, int(box["width"]), STEP_PX):
        table.click(position={"x": x, "y": FIRST_ROW_PX})
        table.page.wait_for_timeout(250)  # the address changes a little later
        if TASK_OPEN.search(table.page.url):
            return
        table.page.keyboard.press("Escape")  # a second click into a cell opens it
    raise AssertionError("no button in the first row")


def goes_there_and_back(page: Page, opens: Callable[[], None], kept: Locator) -> None:
    """Opens a task, and checks that each way leads to where it came from; `kept` is on the page all the time."""
    panel = page.locator(".st-key-task_panel")
    expect(kept).to_be_visible()
    settled(page)
    before, steps = page.url, page.evaluate("history.length")
    opens()
    expect(page).to_have_url(TASK_OPEN)
    expect(panel.get_by_role("link", name="Open in full")).to_be_visible()
    expect(kept).to_be_attached()
    settled(page)
    inside = page.url
    assert page.evaluate("history.length") == steps + 1
    page.go_back()
    expect(page).to_have_url(before)
    expect(panel).to_be_hidden()
    expect(kept).to_be_visible()
    page.go_forward()
    expect(page).to_have_url(inside)
    expect(panel.get_by_role("link", name="Open in full")).to_be_visible()
    panel.get_by_role("button", name="Close").click()
    expect(page).to_have_url(before)
    expect(panel).to_be_hidden()


@pytest.mark.slow
def test_every_page_opens_tasks_in_its_panel(
    browser: Browser, watched: list[Watched], installation: Installation
) -> None:
    submitter = installation.submitter()
    long = submitter.submit("diagnostic.sleep", {"seconds": 3600}, title="Long")
    failed = [
        submitter.submit("diagnostic.flaky", {"succeeds_at_attempt": 2}, max_attempts=1, title=f"Flaky {n}")
        for n in range(2)
    ]
    wait_until(lambda: installation.state_of(long) == "in_progress", 60, "it runs")
    wait_until(lambda: all(installation.state_of(i) == "failed" for i in failed), 60, "they have failed")

    page = open_page(browser, watched, installation.url, "/agents?range=7d&minutes=60", viewport=DENSE)
    running = page.get_by_role("button", name=re.compile(r"diagnostic\.sleep, for")).first
    goes_there_and_back(page, running.click, page.get_by_text("slots in use").first)
    page.get_by_text("As a table").first.click()
    table = page.get_by_test_id("stDataFrame").last
    goes_there_and_back(page, lambda: press_row(table), table)

    page.goto(f"{installation.url}/failures?range=7d&sort=last")
    groups = page.get_by_test_id("stDataFrame").first
    goes_there_and_back(page, lambda: press_group(groups), groups)

    page.goto(f"{installation.url}/audit?show=everything&events=submitted")
    events = page.get_by_test_id("stDataFrame").first
    goes_there_and_back(page, lambda: press_row(events), events)

    page.goto(f"{installation.url}/submit")
    page.get_by_role("combobox", name="Task type").fill("diagnostic.noop")
    page.get_by_role("option", name="diagnostic.noop", exact=True).click()
    page.locator(".st-key-submit_one button").click()
    expect(page.get_by_text("Accepted")).to_be_visible()
    title = page.get_by_role("combobox", name="Task type")
    goes_there_and_back(page, page.locator('[class*="st-key-follow_"] button').click, title)
    expect(title).to_have_value("diagnostic.noop")
    goes_there_and_back(page, page.locator(".st-key-open_accepted button").click, title)
    expect(page.get_by_text("Accepted")).to_be_visible()

    page.goto(f"{installation.url}/tasks?states=failed&task={failed[0]}")
    panel = page.locator(".st-key-task_panel")
    panel.get_by_text("Other recent failures").click()
    panel.get_by_role("button", name=re.compile(shortened_id(failed[1]))).click()
    expect(page).to_have_url(re.compile(rf"/tasks\?states=failed&task={failed[1]}$"))
    expect(panel.get_by_role("heading", name="Flaky 1")).to_be_visible()
    page.go_back()
    expect(panel.get_by_role("heading", name="Flaky 0")).to_be_visible()

    panel.get_by_role("link", name="View tasks").click()  # a link to the page that is shown
    expect(page).to_have_url(re.compile(r"/tasks\?fingerprint=\w+$"))
    expect(panel).to_be_hidden()
    page.go_back()
    expect(page).to_have_url(re.compile(rf"/tasks\?states=failed&task={failed[0]}$"))
    expect(panel.get_by_role("heading", name="Flaky 0")).to_be_visible()


def press_group(groups: Locator) -> None:
    """Presses the example of the first group; the first column's button opens the group."""
    box = groups.bounding_box()
    assert box is not None
    groups.hover()
    for _ in range(3):
        groups.page.mouse.wheel(2000, 0)  # the example is the last column
    for x in range(int(box["width"]) - 20, 200, -STEP_PX):
        groups.click(position={"x": x, "y": FIRST_ROW_PX})
        groups.page.wait_for_timeout(250)
        if TASK_OPEN.search(groups.page.url):
            return
        groups.page.keyboard.press("Escape")
    raise AssertionError("no example in the first row")
