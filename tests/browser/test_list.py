"""The list of tasks in Chromium: every way back, an operator's work in few actions, its keys, and how dense it is."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from taskyard.dashboard.components.task_facts import shortened_id
from tests.browser.conftest import Watched, open_page
from tests.browser.counted import Counted
from tests.browser.dashboards import Installation
from tests.browser.ways_back import Chromium, walk
from tests.servers import wait_until

DENSE = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
PHONE_AGENT = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Mobile Safari/537.36"
HEADER_PX, FIRST_ROW_PX, ROWS = 32, 230, 27
FAILED, OTHERS, DEPLOYED = 3, 32, 40


def rows(page: Page) -> Locator:
    """The table of tasks, which is drawn on a canvas."""
    return page.locator('[class*="st-key-tasks_"] [data-testid="stDataFrame"]')


def button_of_row(page: Page, row: int) -> dict[str, float]:
    """Where the last column has the button that opens a task."""
    box = rows(page).bounding_box()
    assert box is not None
    return {"x": box["width"] - 80, "y": HEADER_PX + 24 * row + 12}


def fill(installation: Installation) -> dict[str, list[str]]:
    """Failed tasks of a type, many others, one that nobody takes, and those of a deploy that nobody wants."""
    submitter = installation.submitter()
    ids = {
        "failed": [
            submitter.submit("diagnostic.flaky", {"succeeds_at_attempt": 2}, max_attempts=1, title=f"Flaky {n}")
            for n in range(FAILED)
        ],
        "others": submitter.submit_many({"type": "diagnostic.noop"} for _ in range(OTHERS)),
        "stuck": [submitter.submit("diagnostic.noop", requires=["gpu"], title="Train", queue="models")],
        "deploy": submitter.submit_many(
            {"type": "diagnostic.noop", "delay_seconds": 3600, "queue": "deploy"} for _ in range(DEPLOYED)
        ),
    }
    ended = [*ids["failed"], *ids["others"]]
    wait_until(
        lambda: all(installation.state_of(i) in ("failed", "completed") for i in ended), 60, "the tasks have ended"
    )
    return ids


def settled(page: Page) -> None:
    """Waits until the page is drawn, as people do before they click."""
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()


@pytest.mark.slow
def test_back_and_forward_give_exactly_what_was_there(
    browser: Browser, watched: list[Watched], installation: Installation
) -> None:
    fill(installation)
    page = open_page(browser, watched, installation.url, viewport=DENSE)
    walk(Chromium(page), installation.url)


@pytest.mark.slow
def test_an_operators_work_takes_few_actions(
    browser: Browser, watched: list[Watched], installation: Installation
) -> None:
    ids = fill(installation)
    page = open_page(browser, watched, installation.url, "/tasks", viewport=DENSE)
    expect(rows(page)).to_be_visible()
    page.wait_for_timeout(1_000)
    box = rows(page).bounding_box()
    assert box is not None
    assert box["y"] + HEADER_PX <= FIRST_ROW_PX
    assert box["height"] >= HEADER_PX + 24 * ROWS
    assert box["y"] + box["height"] <= DENSE["height"]

    retry = Counted()
    retry.click(page.locator(".st-key-tab_failed_1h button"))
    expect(page).to_have_url(re.compile("ended_since=1h"))
    retry.type(page.get_by_role("combobox", name="Type"), "diagnostic.flaky")
    expect(page).to_have_url(re.compile(r"types=diagnostic\.flaky"))
    page.keyboard.press("Escape")  # on a closed select it clears nothing
    page.keyboard.press("Backspace")
    settled(page)
    retry.click(page.locator(".st-key-bulk_retry button"))
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Ended since: Last hour")).to_be_visible()
    expect(dialog.get_by_text("Type: diagnostic.flaky")).to_be_visible()
    expect(dialog.get_by_text("State: failed")).to_be_visible()
    expect(dialog.get_by_text(re.compile(r"^\d+ tasks match; \d+ can be retried\.$"))).to_be_visible()
    retry.type(dialog.get_by_role("textbox", name="Reason"), "the disk is back")
    expect(dialog).to_be_hidden()
    wait_until(lambda: all(installation.state_of(i) == "completed" for i in ids["failed"]), 60, "they were retried")
    assert retry.actions <= 4

    page.goto(f"{installation.url}/tasks?queues=models&states=pending")
    expect(rows(page)).to_be_visible()
    page.wait_for_timeout(1_000)
    why = Counted()
    why.click(rows(page), position=button_of_row(page, 0))
    expect(page.locator(".st-key-task_panel").get_by_text("Why is it waiting?")).to_be_visible()
    assert why.actions == 1

    page.goto(f"{installation.url}/tasks")
    expect(rows(page)).to_be_visible()
    cancel = Counted()
    cancel.type(page.get_by_role("combobox", name="Queue"), "deploy")
    expect(page).to_have_url(re.compile("queues=deploy"))
    settled(page)
    cancel.click(page.locator(".st-key-bulk_cancel button"))
    cancel.type(dialog.get_by_role("textbox", name="Reason"), "a bad deploy")
    expect(dialog).to_be_hidden()
    wait_until(lambda: all(installation.state_of(i) == "cancelled" for i in ids["deploy"]), 60, "they are cancelled")
    assert cancel.actions <= 4


@pytest.mark.slow
def test_keys_and_phones(browser: Browser, watched: list[Watched], installation: Installation) -> None:
    ids = fill(installation)
    page = open_page(browser, watched, installation.url, "/tasks?states=failed&types=diagnostic.flaky", viewport=DENSE)
    expect(rows(page)).to_be_visible()
    page.wait_for_timeout(1_500)  # a busy browser listens to keys a little later
    panel, dialog = page.locator(".st-key-task_panel"), page.get_by_role("dialog")
    for key in "jjkx":
        page.keyboard.press(key)
        page.wait_for_timeout(300)  # as fast as people are
    expect(page.get_by_text("1 task is selected:")).to_be_visible()
    page.keyboard.press("r")
    expect(dialog.get_by_text("1 task is selected; 1 can be retried.")).to_be_visible()
    page.keyboard.type("recover")  # without a click into the field; r and c are keys of Streamlit's, too
    expect(dialog.get_by_role("textbox", name="Reason")).to_have_value("recover")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.locator(".st-key-unselect button").click()
    expect(page.get_by_text("is selected")).to_be_hidden()
    expect(rows(page)).to_be_visible()
    page.wait_for_timeout(500)  # it is drawn anew
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(panel).to_be_visible()
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    page.keyboard.press("/")
    expect(page.locator(".st-key-address_text input")).to_be_focused()
    page.locator("h1").click()
    page.keyboard.press("?")
    expect(dialog.get_by_text("Retry what is selected")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    box = dialog.get_by_role("textbox")
    expect(box).to_be_focused()
    box.fill(shortened_id(ids["stuck"][0]))
    box.press("Enter")
    expect(page).to_have_url(re.compile(f"/task\\?id={ids['stuck'][0]}"))

    options = {"viewport": PHONE, "user_agent": PHONE_AGENT, "is_mobile": True, "has_touch": True}
    phone = open_page(browser, watched, installation.url, "/tasks?states=failed", **options)
    card = phone.locator(".st-key-task_cards button").first
    expect(card).to_be_visible()
    search = phone.locator(".st-key-address_text")
    expect(search).to_be_hidden()
    phone.locator(".st-key-filters_toggle button").click()
    expect(search).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    boxes = phone.locator(".st-key-task_cards").get_by_role("checkbox")
    for position in range(2):
        boxes.nth(position).locator("xpath=ancestor::label").tap()
        expect(phone.get_by_text(f"{position + 1} task")).to_contain_text("selected:")
    phone.locator(".st-key-bulk_retry_selected button").tap()
    expect(phone.get_by_role("dialog").get_by_text("2 tasks are selected; 2 can be retried.")).to_be_visible()
    phone.get_by_role("dialog").get_by_role("button", name="Close").tap()
    phone.locator(".st-key-unselect button").tap()
    expect(boxes.first).not_to_be_checked()
    expect(phone.get_by_text("selected:")).to_be_hidden()
    card.click()
    expect(phone.locator(".st-key-task_panel")).to_be_visible()
